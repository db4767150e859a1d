# SPDX-License-Identifier: Apache-2.0
"""Root raised cosine pulse shaping, and matched filtering at arbitrary sampling times."""

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]
Floats = NDArray[np.float64]
ROLL_OFF = 0.25
SPAN = 12  # symbols to either side at which a pulse is truncated


def pulse(times: Floats) -> Floats:
    """Root raised cosine pulse of unit energy and roll-off `ROLL_OFF`, truncated to +-`SPAN` symbols.

    Its self-convolution is 1 at 0 and 0 at all other integers, up to the truncation.

    Args:
        times: in symbol periods, of any shape.

    Example:
        >>> t = np.arange(-48, 49) / 4
        >>> float(round((pulse(t) ** 2).sum() / 4, 4))
        1.0
    """
    t, a = np.asarray(times, np.float64), ROLL_OFF
    singular = np.abs(np.abs(4 * a * t) - 1) < 1e-9
    safe = np.where(singular | (t == 0), 0.1, t)
    x = np.pi * safe
    usual = (np.sin(x * (1 - a)) + 4 * a * safe * np.cos(x * (1 + a))) / (x * (1 - (4 * a * safe) ** 2))
    corner = (
        a
        / np.sqrt(2)
        * ((1 + 2 / np.pi) * np.sin(np.pi / (4 * a)) + (1 - 2 / np.pi) * np.cos(np.pi / (4 * a)))
    )
    value = np.where(t == 0, 1 + a * (4 / np.pi - 1), np.where(singular, corner, usual))
    return np.asarray(np.where(np.abs(t) <= SPAN, value, 0.0))


def modulate(symbols: Complex, rate: int) -> Complex:
    """Pulse shaping including the tails; symbol k is centred on sample (k + SPAN) * rate.

    Args:
        symbols: (N,) complex, N > 0.
        rate: samples per symbol.

    Returns:
        ((N - 1 + 2 SPAN) rate + 1,) complex128, of mean power 1 / rate for symbols of power 1, so that
        matched filtering restores the symbols.
    """
    spread = np.zeros(((len(symbols) - 1) * rate + 1), np.complex128)
    spread[::rate] = symbols
    shape = pulse(np.arange(-SPAN * rate, SPAN * rate + 1) / rate) / np.sqrt(rate)
    size = len(spread) + len(shape) - 1
    length = 1 << (size - 1).bit_length()
    return np.asarray(np.fft.ifft(np.fft.fft(spread, length) * np.fft.fft(shape, length))[:size])


def sample(samples: Complex, times: Floats, rate: float) -> Complex:
    """Matched filtering and interpolation: correlation with the pulse at arbitrary sampling times.

    Args:
        samples: (M,) complex, assumed zero outside.
        times: (K,) sampling times, in samples.
        rate: samples per symbol.
    """
    reach = int(np.ceil(SPAN * rate))
    padded = np.concatenate([np.zeros(reach), samples, np.zeros(reach + 1)])
    out = np.empty(len(times), np.complex128)
    offsets = np.arange(-reach, reach + 1)
    for first in range(0, len(times), 4096):
        part = times[first : first + 4096]
        whole = np.floor(part).astype(np.int64)
        inside = (whole >= 0) & (whole < len(samples))
        near = np.clip(whole, 0, len(samples) - 1)[:, None] + offsets
        weights = pulse((near - part[:, None]) / rate) / np.sqrt(rate)
        out[first : first + 4096] = (padded[near + reach] * weights).sum(1) * inside
    return out
