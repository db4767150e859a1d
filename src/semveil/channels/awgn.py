# SPDX-License-Identifier: Apache-2.0
"""Additive white Gaussian noise on complex symbols."""

import torch
from torch import Tensor

from semveil.channels.packing import check_symbols

MIN_SNR_DB = -300.0


def noise_power(snr_db: float | Tensor, *, power: float = 1.0) -> Tensor:
    """Noise power per complex symbol, sigma^2 = P * 10^(-SNR/10), half of it on each real axis.

    Args:
        snr_db: signal-to-noise ratio per complex symbol in dB, in [-300, inf]; infinity gives 0.
        power: P > 0, signal power per complex symbol.

    Returns:
        Double precision, in the shape of `snr_db`.

    Raises:
        ValueError: an SNR is NaN or below -300 dB, or the power is not positive and finite.

    Example:
        >>> noise_power(20.0).item()
        0.01
    """
    snr = torch.as_tensor(snr_db, dtype=torch.float64)
    if not (snr >= MIN_SNR_DB).all():
        raise ValueError(f"snr_db must lie in [{MIN_SNR_DB:g}, inf] dB, got {snr.tolist()}")
    if not 0 < power < float("inf"):
        raise ValueError(f"power must be a finite number > 0, got {power}")
    return power * 10 ** (-snr / 10)


def awgn(
    symbols: Tensor, snr_db: float | Tensor, *, power: float = 1.0, rng: torch.Generator | None = None
) -> Tensor:
    """Add circularly symmetric complex Gaussian noise.

    y = s + n with n ~ CN(0, sigma^2), [DPSC] Eqs. 10 and 11. The noise power follows from the transmit power
    P and the SNR, never from the power measured in `symbols`.

    Args:
        symbols: (B, N) complex.
        snr_db: SNR per complex symbol in dB, in [-300, inf]; one number, or (B,) one per message. Infinity
            adds nothing.
        power: P, signal power per complex symbol, as given to `normalise_power`.
        rng: source of the noise; the operating system's entropy where None. The number of samples drawn does
            not depend on the SNR, so one message's SNR does not shift another's noise.

    Returns:
        (B, N) complex.

    Raises:
        ValueError: the symbols are not (B, N) complex with N > 0, `snr_db` has another shape, or as for
            `noise_power`.

    Example:
        >>> sent = torch.zeros(1, 100_000, dtype=torch.complex64)
        >>> received = awgn(sent, 20.0, rng=torch.Generator().manual_seed(0))
        >>> round(received.abs().square().mean().item(), 4)
        0.01
    """
    check_symbols(symbols)
    variance = noise_power(snr_db, power=power)
    if variance.ndim > 1 or (variance.ndim == 1 and len(variance) != len(symbols)):
        raise ValueError(
            f"snr_db must be one number or one per message ({len(symbols)}), got shape "
            f"{tuple(variance.shape)}"
        )
    if rng is None:
        rng = torch.Generator(symbols.device)
        rng.seed()
    # torch's complex normal is CN(0, 1): variance 1/2 on each real axis.
    noise = torch.randn(symbols.shape, dtype=symbols.dtype, device=rng.device, generator=rng).to(
        symbols.device
    )
    deviation = variance.sqrt().to(symbols.real.dtype).to(symbols.device)
    return symbols + noise * deviation.reshape(-1, 1)
