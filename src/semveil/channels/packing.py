# SPDX-License-Identifier: Apache-2.0
"""Conversion between real latents and complex channel symbols."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def pack(reals: Tensor) -> Tensor:
    """Pair neighbouring reals into complex symbols: s_k = x_{2k} + j x_{2k+1}.

    Neighbours are paired, not halves, so that each latent code of even width fills its own symbols
    (`code_blocks`) and the memory layout is that of an interleaved I/Q recording. The result shares memory
    with `reals` where possible.

    Args:
        reals: (B, 2N) real, or latents (B, K, D) with K*D = 2N, which are read code by code.

    Returns:
        symbols: (B, N) complex; complex64 for float32.

    Raises:
        ValueError: the number of reals per message is odd or zero, or `reals` is not a batch of real numbers.

    Example:
        >>> pack(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
        tensor([[1.+2.j, 3.+4.j]])
    """
    if reals.dtype not in (torch.float32, torch.float64) or reals.ndim < 2:
        raise ValueError(
            f"pack takes float32 or float64 of shape (B, 2N) or (B, K, D), got {reals.dtype} "
            f"{tuple(reals.shape)}"
        )
    count = math.prod(reals.shape[1:])
    if count == 0 or count % 2:
        raise ValueError(
            f"two reals make one symbol, so their number must be even and positive, got {count}; pad by one "
            "real"
        )
    return torch.view_as_complex(reals.reshape(len(reals), count // 2, 2).contiguous())


def unpack(symbols: Tensor) -> Tensor:
    """Interleave real and imaginary parts; the inverse of `pack`.

    Args:
        symbols: (B, N) complex, N > 0.

    Returns:
        (B, 2N) real.

    Raises:
        ValueError: `symbols` is not (B, N) complex with N > 0.

    Example:
        >>> unpack(torch.tensor([[1 + 2j, 3 + 4j]]))
        tensor([[1., 2., 3., 4.]])
    """
    check_symbols(symbols)
    return torch.view_as_real(symbols.resolve_conj()).reshape(len(symbols), -1)


def code_blocks(private_codes: Sequence[int], latent_shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Indices of the symbols that carry the private codes and of those that carry the common codes.

    With latents (K, D) packed by `pack`, code c fills the symbols c*D/2 .. (c+1)*D/2 - 1.

    Args:
        private_codes: 0-based code indices.
        latent_shape: (K, D), D even.

    Returns:
        (private, common): ascending symbol indices, a partition of all symbols.

    Raises:
        ValueError: D is odd, so that a symbol would straddle two codes, or a code is repeated or not in
            0..K-1.

    Example:
        >>> code_blocks([1], (3, 4))
        (tensor([2, 3]), tensor([0, 1, 4, 5]))
    """
    codes, width = latent_shape
    if width % 2:
        raise ValueError(
            f"codes of odd width {width} share a symbol at their border; power blocks need an even width"
        )
    if len(set(private_codes)) != len(private_codes) or not set(private_codes) <= set(range(codes)):
        raise ValueError(
            f"private codes must be different indices in 0..{codes - 1}, got {tuple(private_codes)}"
        )
    private = torch.zeros(codes, dtype=torch.bool)
    private[list(private_codes)] = True
    carries_private = private.repeat_interleave(width // 2)
    return carries_private.nonzero().flatten(), (~carries_private).nonzero().flatten()


def bandwidth_ratio(channel_uses: int, image_size: int) -> float:
    """Channel bandwidth ratio: complex channel uses per real value of a square RGB image, n / (3 S^2).

    Args:
        channel_uses: n, per image.
        image_size: S, side in pixels.

    Example:
        The paper's 28 x 512 latents of a 512 px image are 14,336 reals, hence 7,168 complex uses.

        >>> round(bandwidth_ratio(28 * 512 // 2, 512), 5)
        0.00911
    """
    return channel_uses / (3 * image_size**2)


def check_symbols(symbols: Tensor) -> None:
    """Raise ValueError unless `symbols` is (B, N) complex with N > 0.

    Args:
        symbols: the tensor to check.

    Raises:
        ValueError: the tensor is not complex, not two-dimensional, or has no symbols.
    """
    if not symbols.is_complex() or symbols.ndim != 2 or symbols.shape[1] == 0:
        raise ValueError(
            f"symbols must be complex of shape (B, N), got {symbols.dtype} {tuple(symbols.shape)}"
        )
