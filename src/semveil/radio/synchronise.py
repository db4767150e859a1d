# SPDX-License-Identifier: Apache-2.0
"""Receiver for bursts in a recording: detection, synchronisation, equalisation and SNR measurement."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semveil.radio.coding import demodulate_bytes
from semveil.radio.frame import (
    PILOT,
    PILOT_SPACING,
    POSTAMBLE,
    PREAMBLE,
    SIGNAL_SYMBOLS,
    TRAINING,
    Signal,
    body_length,
    payload_places,
)
from semveil.radio.waveform import SPAN, modulate, sample

Complex = NDArray[np.complex128]
Floats = NDArray[np.float64]
CARRIER_RANGE = 0.03  # search range in cycles per symbol, to either side
CLOCK_RANGE = 5e-4  # relative error of the sampling clock
CARRIER_ERROR = 1e-4  # residual error of an estimate from the preamble alone, in cycles per symbol
LEAST_CORRELATION = 0.2  # fraction of the energy that the preamble must explain
HALF_TAPS = 10  # half-symbol-spaced equaliser taps to either side
RIDGE = 1e-3


class NoBurst(ValueError):
    """A recording has no readable burst; the error message gives the reason."""


class Unrecognised(NoBurst):
    """Nothing of a burst can be decoded, as if the samples had another rate than assumed."""


@dataclass(frozen=True, eq=False)
class Burst:
    """A demodulated burst.

    Attributes:
        header: the digital header.
        payload: (images, N) complex.
        snr_db: SNR of the equalised symbols in dB, measured at the pilots.
        carrier: carrier offset in cycles per symbol.
        clock: relative error of the sampling clock.
    """

    header: bytes
    payload: Complex
    snr_db: float
    carrier: float
    clock: float


@dataclass(frozen=True)
class Timing:
    """Timing and carrier offset of a burst.

    Attributes:
        start: time of the preamble's first symbol, in samples.
        period: samples per symbol.
        carrier: carrier offset in cycles per symbol.
    """

    start: float
    period: float
    carrier: float

    def times(self, symbols: Floats) -> Floats:
        """Convert positions to times, start + period * position.

        Args:
            symbols: positions relative to the preamble's first symbol, in symbols.

        Returns:
            Times in samples, in the same shape.
        """
        return self.start + self.period * symbols


def receive_burst(samples: Complex, rate: int) -> Burst:
    """Demodulate the strongest burst in a recording.

    A bank of correlators detects the preamble and its carrier offset. The signal field, equalised by the
    preamble, gives the length of the burst; the postamble then gives the clock offset, and both train a
    half-symbol-spaced equaliser by least squares. Pilots track the residual phase and gain.

    Args:
        samples: (M,) complex.
        rate: nominal samples per symbol.

    Raises:
        NoBurst: there is no burst, it is cut off, or its header cannot be read.
    """
    found = _detect(samples, rate)
    first = _equalised(samples, found, [(0, PREAMBLE)], TRAINING + body_length(SIGNAL_SYMBOLS))
    body, noise = _tracked(first[TRAINING:])
    signal = Signal.decode(body[:SIGNAL_SYMBOLS], noise)
    if signal is None:
        raise Unrecognised(
            "a preamble is there, but the signal field after it cannot be read; the signal is too weak, not "
            f"semveil's, or has other than {rate} samples per symbol"
        )
    length = body_length(signal.body)
    end = TRAINING + length
    if found.times(np.array([end + TRAINING - 1.0]))[0] > len(samples) + CLOCK_RANGE * found.period * end:
        have = max(0, int((len(samples) - found.start) / found.period))
        raise NoBurst(
            f"the recording is cut off: {have:,} of the burst's {end + TRAINING:,} symbols are there"
        )
    found = _follow_clock(samples, found, end)
    symbols = _equalised(samples, found, [(0, PREAMBLE), (end, POSTAMBLE)], end + TRAINING)
    body, noise = _tracked(symbols[TRAINING:end])
    start = SIGNAL_SYMBOLS
    stop = signal.body - signal.payload
    header = demodulate_bytes(body[start:stop], signal.header, noise_power=noise)
    if header is None:
        raise NoBurst(
            f"the burst's header cannot be read at {_decibels(noise):.1f} dB; its checksum does not match"
        )
    payload = body[stop : signal.body].reshape(signal.images, signal.symbols)
    return Burst(header, payload, _decibels(noise), found.carrier, found.period / rate - 1)


def _detect(samples: Complex, rate: int) -> Timing:
    """Position and carrier offset at which the preamble correlates best, refined below the search grid."""
    template = modulate(PREAMBLE, rate)
    if len(samples) < len(template):
        raise Unrecognised(
            f"the recording has {len(samples):,} samples, a preamble alone {len(template):,} at {rate} "
            "samples per symbol"
        )
    size = 1 << (len(samples) + len(template) - 1).bit_length()
    spectrum = np.fft.fft(samples, size)
    window = np.concatenate([[0.0], np.cumsum(np.abs(samples) ** 2)])
    energy = window[len(template) :] - window[: -len(template)]  # (M - T + 1,)
    best: tuple[float, int, float] = (0.0, 0, 0.0)
    step = 0.5 / TRAINING
    turn = np.arange(len(template)) / rate
    for carrier in np.arange(-CARRIER_RANGE, CARRIER_RANGE + step / 2, step):
        shifted = template * np.exp(2j * np.pi * carrier * turn)
        scores = np.abs(np.fft.ifft(spectrum * np.conj(np.fft.fft(shifted, size)))[: len(energy)]) ** 2
        place = int(scores.argmax())
        if scores[place] > best[0]:
            best = (float(scores[place]), place, float(carrier))
    score, place, carrier = best
    if score < LEAST_CORRELATION * max(energy[place], 1e-30) * float(np.sum(np.abs(template) ** 2)):
        raise Unrecognised(f"no preamble is found at {rate} samples per symbol")
    return _refine(samples, Timing(place + SPAN * rate, float(rate), carrier), 0, PREAMBLE)


def _refine(samples: Complex, timing: Timing, place: int, known: Complex, *, carrier: bool = True) -> Timing:
    """Refine start and carrier by correlation with a training sequence.

    The carrier is estimated from the slope of the phase, the start by steps of decreasing size.
    """
    places = place + np.arange(len(known), dtype=np.float64)

    def heard(timing: Timing) -> Complex:
        return np.asarray(_derotated(samples, timing, places) * known.conj())

    for width in (0.5, 0.25, 0.12, 0.06, 0.03, 0.015):
        if carrier:
            product = heard(timing)
            half = len(known) // 2
            slope = np.angle(np.sum(product[half : 2 * half] * product[:half].conj())) / (2 * np.pi * half)
            timing = Timing(timing.start, timing.period, timing.carrier + float(slope))
        moved = [
            Timing(timing.start + move * timing.period, timing.period, timing.carrier)
            for move in (-width, 0.0, width)
        ]
        timing = max(moved, key=lambda t: float(abs(heard(t).sum())))
    return timing


def _follow_clock(samples: Complex, found: Timing, end: int) -> Timing:
    """Estimate the symbol period from the position of the postamble, then refine the carrier."""
    places = end + np.arange(TRAINING, dtype=np.float64)
    reach = CLOCK_RANGE * end + 1
    moves = np.arange(-reach, reach + 0.25, 0.25)
    template = POSTAMBLE.conj()
    scores = [
        abs(
            np.sum(
                sample(samples, found.times(places) + m * found.period, found.period)
                * _turn(found, places)
                * template
            )
        )
        for m in moves
    ]
    late = Timing(
        found.start + float(moves[int(np.argmax(scores))]) * found.period, found.period, found.carrier
    )
    late = _refine(samples, late, end, POSTAMBLE, carrier=False)
    period = found.period + (late.start - found.start) / end  # the sequences are `end` symbols apart
    if abs(period / found.period - 1) > 1.5 * CLOCK_RANGE or max(scores) < 3 * float(np.median(scores)):
        raise NoBurst(
            "the end of the burst is not found; the recording is damaged, or its clock is off by more than "
            "500 ppm"
        )
    return _fine_carrier(samples, Timing(found.start, period, found.carrier * period / found.period), end)


def _fine_carrier(samples: Complex, timing: Timing, end: int) -> Timing:
    """Carrier that maximises the coherent sum of all training sequences and pilots over the whole burst."""
    spread = np.arange(TRAINING, dtype=np.float64)
    places = np.concatenate([spread, np.arange(TRAINING, end, PILOT_SPACING, dtype=np.float64), end + spread])
    known = np.concatenate([PREAMBLE, np.full(len(places) - 2 * TRAINING, PILOT), POSTAMBLE])
    product = _derotated(samples, timing, places) * known.conj()
    finest = 1 / (8 * (end + TRAINING))
    offsets = np.arange(-CARRIER_ERROR, CARRIER_ERROR + finest, finest)
    sums = [abs(np.sum(product * np.exp(-2j * np.pi * offset * places))) for offset in offsets]
    return Timing(timing.start, timing.period, timing.carrier + float(offsets[int(np.argmax(sums))]))


def _turn(timing: Timing, places: Floats) -> Complex:
    return np.asarray(np.exp(-2j * np.pi * timing.carrier * places))


def _derotated(samples: Complex, timing: Timing, places: Floats) -> Complex:
    """Symbols at the given positions, with the carrier offset removed."""
    reach = int(np.ceil((SPAN + 1) * timing.period))
    low = max(0, int(timing.times(places[:1])[0]) - reach)
    high = min(len(samples), int(timing.times(places[-1:])[0]) + reach + 1)
    if low >= high:
        return np.zeros(len(places), np.complex128)
    still = samples[low:high] * np.exp(
        -2j * np.pi * timing.carrier * (np.arange(low, high) - timing.start) / timing.period
    )
    return sample(still, timing.times(places) - low, timing.period)


def _equalised(samples: Complex, timing: Timing, sequences: list[tuple[int, Complex]], count: int) -> Complex:
    """Equalised symbols (count,).

    The half-symbol-spaced filter is the least-squares fit to the training sequences.
    """
    halves = _derotated(samples, timing, np.arange(-HALF_TAPS, 2 * count + HALF_TAPS) / 2)
    windows = np.lib.stride_tricks.sliding_window_view(halves, 2 * HALF_TAPS + 1)[: 2 * count : 2]
    rows = np.concatenate([windows[place : place + len(known)] for place, known in sequences])
    known = np.concatenate([known for _, known in sequences])
    gram = rows.conj().T @ rows
    ridge = RIDGE * np.trace(gram).real / len(gram) * np.eye(len(gram))
    taps = np.linalg.solve(gram + ridge, rows.conj().T @ known)
    out = windows @ taps
    fitted = rows @ taps
    # undo the shrinkage by noise and ridge
    bias = np.vdot(known, fitted).real / np.vdot(known, known).real
    return np.asarray(out / bias)


def _tracked(body: Complex) -> tuple[Complex, float]:
    """Payload symbols of a body, corrected by the smoothed pilot gain, and the noise power per symbol."""
    at_pilots = body[::PILOT_SPACING] / PILOT
    width = min(9, len(at_pilots) - (len(at_pilots) + 1) % 2)  # odd
    smooth = _smoothed(at_pilots, width)
    gain = np.interp(
        np.arange(len(body)), np.arange(len(at_pilots)) * PILOT_SPACING, smooth.real
    ) + 1j * np.interp(np.arange(len(body)), np.arange(len(at_pilots)) * PILOT_SPACING, smooth.imag)
    corrected = body / gain
    errors = np.abs(at_pilots - smooth) ** 2 / np.abs(smooth) ** 2
    noise = float(errors.mean()) / max(1 - 1 / width, 0.5)
    return corrected[payload_places(len(body))], max(noise, 1e-9)


def _smoothed(values: Complex, width: int) -> Complex:
    """Moving average, over fewer values at the ends."""
    ones = np.convolve(np.ones(len(values)), np.ones(width), mode="same")
    return np.asarray(np.convolve(values, np.ones(width), mode="same") / ones)


def _decibels(noise: float) -> float:
    return float(-10 * np.log10(noise))
