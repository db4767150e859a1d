# SPDX-License-Identifier: Apache-2.0
"""Transmit power normalisation, with gains as explicit side information."""

from collections.abc import Sequence

import torch
from torch import Tensor

from semveil.channels.packing import check_symbols

GAIN_BITS = 32  # a gain is transmitted as one float32


def normalise_power(symbols: Tensor, power: float = 1.0) -> tuple[Tensor, Tensor]:
    """Scale every message to the transmit power P by the gain g = sqrt(P / mean |s|^2).

    [DPSC] Sec. 2 normalises Z_2 by P but never says how the receiver undoes it (Eq. 10 leaves out the gain);
    here the gain is explicit side information of `GAIN_BITS` bits. It is a function of the symbols alone, and
    thus reveals no more about the clean private codes than they do.

    Args:
        symbols: (B, N) complex.
        power: P > 0, mean |s|^2 over one message, per complex symbol; a real axis gets P/2 on average.

    Returns:
        (sent, gain): (B, N) complex and (B,) real.

    Raises:
        ValueError: a message is all zeros, holds NaN or infinity, or is too weak or too strong for a
            single-precision gain.

    Example:
        >>> sent, gain = normalise_power(torch.tensor([[3 + 0j, 4j]]), power=2.0)
        >>> gain
        tensor([0.4000])
        >>> denormalise_power(sent, gain)
        tensor([[3.+0.j, 0.+4.j]])
    """
    check_symbols(symbols)
    if not 0 < power < float("inf"):
        raise ValueError(f"power must be a finite number > 0, got {power}")
    gain = _gain(symbols, power, "message")
    return _scale(symbols, gain[:, None]), gain


def denormalise_power(symbols: Tensor, gain: Tensor) -> Tensor:
    """Undo `normalise_power` at the receiver by 1/g; channel noise grows by the same factor.

    Args:
        symbols: (B, N) complex, as received.
        gain: (B,) real.
    """
    check_symbols(symbols)
    return _scale(symbols, 1 / _checked(gain, (len(symbols),))[:, None])


def normalise_power_blocks(
    symbols: Tensor, blocks: Sequence[Tensor], power: float = 1.0, *, shares: Sequence[float] | None = None
) -> tuple[Tensor, Tensor]:
    """Scale the blocks of every message separately: block i gets the share a_i of the message energy N*P.

    g_i = sqrt(a_i N P / sum over block i of |s|^2). With a single gain, genuine noise on the private block
    takes nearly all the power and the common block drowns in channel noise (`docs/errata.md`, dp-semcom 7);
    one gain per block, of `GAIN_BITS` bits each, prevents that.

    Args:
        symbols: (B, N) complex.
        blocks: G index tensors that partition the N symbols, e.g. `code_blocks(...)`.
        power: P > 0, mean |s|^2 over the whole message, per complex symbol.
        shares: G positive numbers that sum to 1; by default each block's share of the symbols, so that each
            block has power P.

    Returns:
        (sent, gains): (B, N) complex and (B, G) real.

    Raises:
        ValueError: as for `normalise_power`, for each block; or blocks or shares do not fit.

    Example:
        >>> symbols = torch.tensor([[8j, 2 + 0j]])
        >>> sent, gains = normalise_power_blocks(symbols, [torch.tensor([0]), torch.tensor([1])])
        >>> sent, gains
        (tensor([[0.+1.j, 1.+0.j]]), tensor([[0.1250, 0.5000]]))
    """
    check_symbols(symbols)
    _check_blocks(blocks, symbols.shape[1])
    sizes = [len(block) / symbols.shape[1] for block in blocks]
    shares = sizes if shares is None else shares
    if len(shares) != len(blocks) or not all(a > 0 for a in shares) or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"shares must be {len(blocks)} positive numbers that sum to 1, got {list(shares)}")
    if not 0 < power < float("inf"):
        raise ValueError(f"power must be a finite number > 0, got {power}")
    gains = torch.stack(
        [
            _gain(symbols[:, block], power * share / size, f"block {index}")
            for index, (block, share, size) in enumerate(zip(blocks, shares, sizes, strict=True))
        ],
        dim=1,
    )
    return _scale(symbols, _per_symbol(gains, blocks)), gains


def denormalise_power_blocks(symbols: Tensor, gains: Tensor, blocks: Sequence[Tensor]) -> Tensor:
    """Undo `normalise_power_blocks` at the receiver.

    Args:
        symbols: (B, N) complex.
        gains: (B, G), one per row and block, as transmitted.
        blocks: G index tensors, as at the sender.

    Raises:
        ValueError: `symbols` is not (B, N) complex, the blocks do not partition the N positions, or the gains
            have another shape or are invalid.
    """
    check_symbols(symbols)
    _check_blocks(blocks, symbols.shape[1])
    return _scale(symbols, 1 / _per_symbol(_checked(gains, (len(symbols), len(blocks))), blocks))


def _gain(symbols: Tensor, power: float, what: str) -> Tensor:
    """Gains (B,) that bring the mean |s|^2 of each row to `power`; summed in double precision."""
    parts = torch.view_as_real(symbols.resolve_conj())
    mean = torch.linalg.vector_norm(parts, dim=(-2, -1), dtype=torch.float64).square() / symbols.shape[1]
    if not mean.isfinite().all():
        raise ValueError(
            f"{what} {_where(~mean.isfinite())} holds NaN or infinity; there is no power to normalise"
        )
    if (mean == 0).any():
        raise ValueError(f"{what} {_where(mean == 0)} is all zeros; no gain gives it the power {power:g}")
    gain = (power / mean).sqrt().to(parts.dtype)
    limits = torch.finfo(parts.dtype)
    # A gain outside the normal range, or its inverse, would lose digits or overflow.
    usable = (gain >= limits.tiny) & (1 / gain >= limits.tiny)
    if not usable.all():
        raise ValueError(
            f"{what} {_where(~usable)} has a mean |s|^2 out of the range that a {parts.dtype} gain can "
            "normalise"
        )
    return gain


def _where(bad: Tensor) -> str:
    return f"(image {int(bad.nonzero()[0])})"


def _scale(symbols: Tensor, factor: Tensor) -> Tensor:
    return torch.view_as_complex(
        torch.view_as_real(symbols.resolve_conj()) * factor.to(symbols.real.dtype)[..., None]
    )


def _per_symbol(gains: Tensor, blocks: Sequence[Tensor]) -> Tensor:
    """Expand the gains of blocks to symbols, (B, G) -> (B, N)."""
    block_of = torch.empty(sum(len(block) for block in blocks), dtype=torch.long, device=gains.device)
    for index, block in enumerate(blocks):
        block_of[block] = index
    return gains[:, block_of]


def _checked(gains: Tensor, shape: tuple[int, ...]) -> Tensor:
    if tuple(gains.shape) != shape or not (gains.isfinite() & (gains > 0)).all():
        raise ValueError(
            f"gains must be finite, positive and of shape {shape}, got shape {tuple(gains.shape)}"
        )
    return gains


def _check_blocks(blocks: Sequence[Tensor], count: int) -> None:
    """Check that the blocks are not empty and contain every symbol exactly once."""
    if not blocks or min(len(block) for block in blocks) == 0:
        raise ValueError("power blocks must not be empty; use normalise_power for one gain per message")
    indices = torch.cat([block.cpu() for block in blocks]).sort().values
    if not torch.equal(indices, torch.arange(count)):
        raise ValueError(f"power blocks must hold each of the {count} symbols exactly once")
