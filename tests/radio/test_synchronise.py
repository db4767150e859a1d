# SPDX-License-Identifier: Apache-2.0
"""A burst is found and read through noise, carrier, clock, phase, gain and echoes; what cannot be read is
refused.
"""

import numpy as np
import pytest
from radio.waves import through

from semveil.radio.frame import (
    POSTAMBLE,
    PREAMBLE,
    SIGNAL_SYMBOLS,
    TRAINING,
    Signal,
    assemble,
    body_length,
    payload_places,
    with_pilots,
)
from semveil.radio.synchronise import NoBurst, receive_burst
from semveil.radio.waveform import modulate

RATE = 4
rng = np.random.default_rng(0)
PAYLOAD = (rng.standard_normal(896) + 1j * rng.standard_normal(896)) / np.sqrt(2)
HEADER = rng.integers(0, 256, 150, dtype=np.uint8).tobytes()
BURST = modulate(assemble(HEADER, PAYLOAD, 2), RATE)
SAMPLES = np.concatenate([np.zeros(400), BURST, np.zeros(300)])


def test_training_sequences_have_no_double_in_time_or_frequency():
    """Ambiguity: cyclic autocorrelation -1 at every shift, as of an m-sequence; low over shifts and carriers
    together.
    """
    turn = np.exp(2j * np.pi * np.arange(TRAINING) * 3 / TRAINING)
    for sequence in (PREAMBLE, POSTAMBLE):
        cyclic = np.fft.ifft(np.abs(np.fft.fft(sequence)) ** 2).real
        np.testing.assert_allclose(cyclic, [255] + [-1] * 254, atol=1e-9)
        assert np.abs(np.correlate(sequence * turn, sequence, "full")).max() < 0.25 * TRAINING
    assert np.abs(np.correlate(PREAMBLE, POSTAMBLE, "full")).max() < 0.25 * TRAINING


def test_a_body_is_taken_apart_as_it_was_put_together():
    for length in (1, 14, 15, 16, 100):
        body = np.arange(2.0, length + 2).astype(complex)
        frame = with_pilots(body)
        assert len(frame) == body_length(length)
        np.testing.assert_array_equal(frame[payload_places(len(frame))], body)
    assert Signal(300, 2, 448).encode().shape == (SIGNAL_SYMBOLS,)
    assert Signal.decode(Signal(300, 2, 448).encode(), 0.1) == Signal(300, 2, 448)


@pytest.mark.parametrize(
    "channel",
    [
        {},
        {"carrier": 0.01},
        {"carrier": -0.025, "gain": 0.003j},
        {"clock": 2e-4, "late": 3.4},
        {"clock": -2e-4, "late": 0.5},
        {"taps": (1, 0, 0.3j, 0, 0, 0, 0, -0.2 + 0.1j)},
        {
            "carrier": 0.01,
            "clock": 2e-4,
            "late": 1.7,
            "taps": (1, 0, 0.3j, 0, 0, 0, 0, -0.2 + 0.1j),
            "gain": 20.0,
        },
    ],
    ids=str,
)
def test_at_20_db_the_payload_is_as_good_as_over_plain_noise(channel):
    """Within 1 dB of the noise, 2 dB with echoes, where filtering raises it;
    and the header without an error.
    """
    burst = receive_burst(through(SAMPLES, RATE, snr_db=20.0, **channel), RATE)
    assert burst.header == HEADER and burst.payload.shape == (2, 448)
    error = -10 * np.log10(np.mean(np.abs(burst.payload.ravel() - PAYLOAD) ** 2))
    assert error > 20 - (2.0 if "taps" in channel else 1.0)
    assert abs(burst.snr_db - error) < 1.0  # what it says of itself is true
    assert abs(burst.carrier - channel.get("carrier", 0.0)) < 2e-5
    assert abs(burst.clock + channel.get("clock", 0.0)) < 1e-5


def test_without_following_the_clock_it_would_fail(monkeypatch):
    """Control: 200 ppm over this burst are half a symbol."""
    monkeypatch.setattr("semveil.radio.synchronise._follow_clock", lambda samples, found, end: found)
    try:
        payload = receive_burst(through(SAMPLES, RATE, snr_db=20.0, clock=2e-4), RATE).payload
    except NoBurst:
        return
    assert np.mean(np.abs(payload.ravel() - PAYLOAD) ** 2) > 0.03


def test_what_is_no_burst_is_refused():
    noise = np.random.default_rng(1).standard_normal((2, 20_000))
    foreign = modulate(PAYLOAD, RATE)
    heard = through(SAMPLES, RATE, snr_db=20.0)
    weak = through(SAMPLES, RATE, snr_db=-6.0)
    for samples, words in (
        (noise[0] + 1j * noise[1], "no preamble"),
        (np.concatenate([foreign, foreign]), "no preamble"),
        (heard[:500], "a preamble alone"),
        (heard[: len(heard) // 2], "cut off"),
        (heard[: 400 + 1400], "cannot be read|cut off"),
        (weak, "cannot be read|no preamble"),
    ):
        with pytest.raises(NoBurst, match=words):
            receive_burst(samples, RATE)
