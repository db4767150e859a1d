# SPDX-License-Identifier: Apache-2.0
"""The digital header's code against its known properties, and over noise."""

import numpy as np
import pytest
from scipy import stats

from semveil.radio.coding import GENERATORS, coded_symbols, demodulate_bytes, modulate_bytes
from semveil.radio.coding import _encode as encode

DATA = np.random.default_rng(0).integers(0, 256, 60, dtype=np.uint8).tobytes()


def test_the_encoder_is_multiplication_of_polynomials():
    bits = np.random.default_rng(1).integers(0, 2, 50).astype(np.uint8)
    for stream, generator in enumerate(GENERATORS):
        polynomial = [int(digit) for digit in f"{generator:07b}"]  # the newest bit first
        np.testing.assert_array_equal(encode(bits)[stream::2], np.convolve(bits, polynomial) % 2)


def test_the_free_distance_is_ten():
    """Lightest code word among all inputs of up to ten bits that begin with a one."""
    words = (encode(np.array([int(b) for b in f"{value:b}"], np.uint8)).sum() for value in range(1, 1024))
    assert min(int(word) for word in words) == 10


@pytest.mark.parametrize("size", [1, 2, 11, 60])
def test_bytes_come_back(size):
    symbols = modulate_bytes(DATA[:size])
    assert len(symbols) == coded_symbols(size)
    np.testing.assert_allclose(np.abs(symbols), 1)
    assert demodulate_bytes(symbols, size, noise_power=0.1) == DATA[:size]


def test_noise_of_5_db_is_corrected_and_more_is_noticed():
    """At 5 dB a tenth of the coded bits' margin: uncoded QPSK errs in 3.8 % of the bits, the code in
    practically none.
    """
    rng = np.random.default_rng(2)
    symbols, errors = modulate_bytes(DATA), 0
    for snr_db, right in ((5.0, True), (-10.0, False)):
        power = 10 ** (-snr_db / 10)
        for _ in range(5):
            noise = (rng.standard_normal(len(symbols)) + 1j * rng.standard_normal(len(symbols))) * np.sqrt(
                power / 2
            )
            assert (demodulate_bytes(symbols + noise, len(DATA), noise_power=power) == DATA) == right
            errors += right * int((np.sign((symbols + noise).real) != np.sign(symbols.real)).sum())
    low, high = stats.binom.interval(1 - 1e-6, 5 * len(symbols), stats.norm.sf(np.sqrt(10**0.5)))
    assert low <= errors <= high  # so there was something to correct


def test_a_burst_of_errors_is_spread():
    symbols = modulate_bytes(DATA)
    symbols[100:120] *= -1
    assert demodulate_bytes(symbols, len(DATA), noise_power=0.1) == DATA
