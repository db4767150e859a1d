# SPDX-License-Identifier: Apache-2.0
"""Pulses: no interference between symbols, unit energy, bounded spectrum, and sampling at any time."""

import numpy as np
from scipy import signal

from semveil.radio.waveform import ROLL_OFF, SPAN, modulate, pulse, sample

RATE = 4
SYMBOLS = (lambda rng: (rng.standard_normal(200) + 1j * rng.standard_normal(200)) / np.sqrt(2))(
    np.random.default_rng(0)
)


def test_a_pulse_and_its_match_leave_single_symbols():
    t = np.arange(-SPAN * 16, SPAN * 16 + 1) / 16
    together = np.convolve(pulse(t), pulse(t)) / 16
    middle = len(together) // 2
    at_symbols = together[middle % 16 :: 16]
    expected = np.zeros(len(at_symbols))
    expected[len(at_symbols) // 2] = 1
    np.testing.assert_allclose(at_symbols, expected, atol=4e-3)
    special = 1 / (4 * ROLL_OFF)
    np.testing.assert_allclose(
        pulse(np.array([0, special])), pulse(np.array([1e-7, special + 1e-7])), atol=1e-5
    )


def test_symbols_come_back_and_power_is_one_per_symbol():
    samples = modulate(SYMBOLS, RATE)
    back = sample(samples, (np.arange(200.0) + SPAN) * RATE, RATE)
    assert np.mean(np.abs(back - SYMBOLS) ** 2) < 2e-5
    assert abs(np.sum(np.abs(samples) ** 2) / np.sum(np.abs(SYMBOLS) ** 2) - 1) < 0.05


def test_the_spectrum_ends_at_the_roll_off():
    samples = modulate(np.tile(SYMBOLS, 20), RATE)
    frequencies, density = signal.welch(samples, RATE, nperseg=512, return_onesided=False)
    outside = np.abs(frequencies) > (1 + ROLL_OFF) / 2 + 0.03
    assert density[outside].sum() / density.sum() < 1e-4


def test_between_samples_it_is_interpolation():
    """Sampling late a signal that was delayed by an FFT gives the same symbols."""
    samples = modulate(SYMBOLS, RATE)
    spectrum = np.fft.fft(samples) * np.exp(-2j * np.pi * np.fft.fftfreq(len(samples)) * 0.37)
    back = sample(np.fft.ifft(spectrum), (np.arange(200.0) + SPAN) * RATE + 0.37, RATE)
    assert np.mean(np.abs(back - SYMBOLS) ** 2) < 1e-4
    early = sample(np.fft.ifft(spectrum), (np.arange(200.0) + SPAN) * RATE, RATE)
    assert np.mean(np.abs(early - SYMBOLS) ** 2) > 1e-2
