# SPDX-License-Identifier: Apache-2.0
"""Channels for samples that share no code with the receiver: clock by oversampling and interpolation,
carrier, taps, noise.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Complex = NDArray[np.complex128]


def through(
    samples: Complex,
    rate: int,
    *,
    snr_db: float = np.inf,
    carrier: float = 0.0,
    clock: float = 0.0,
    late: float = 0.0,
    taps: tuple[complex, ...] = (1,),
    gain: complex = 1.0,
    seed: int = 0,
) -> Complex:
    """What a receiver records: `carrier` in cycles per symbol, `clock` relative,
    `late` and taps in samples.
    """
    heard = np.convolve(samples, taps)
    fine = signal.resample(heard, 16 * len(heard))
    times = np.clip((np.arange(len(heard)) * (1 + clock) - late) * 16, 0, len(fine) - 1)
    grid = np.arange(len(fine))
    moved = np.interp(times, grid, fine.real) + 1j * np.interp(times, grid, fine.imag)
    turned = gain * moved * np.exp(2j * np.pi * (carrier / rate * np.arange(len(moved)) + 0.1))
    rng = np.random.default_rng(seed)
    noise = (rng.standard_normal(len(moved)) + 1j * rng.standard_normal(len(moved))) / np.sqrt(2)
    return turned + abs(gain) * 10 ** (-snr_db / 20) * noise
