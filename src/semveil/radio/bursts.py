# SPDX-License-Identifier: Apache-2.0
"""Messages as bursts in recordings: digital data in the burst's header, symbols as analogue payload."""

import os
from pathlib import Path

import numpy as np
import torch

from semveil.channels import Message
from semveil.channels.message import message_from_side, side_of_message
from semveil.radio.frame import assemble
from semveil.radio.recording import (
    SYMBOL_RATE,
    Recording,
    RecordingError,
    read_recording,
    write_recording,
)
from semveil.radio.synchronise import CARRIER_RANGE, NoBurst, Unrecognised, receive_burst
from semveil.radio.waveform import modulate

SAMPLES_PER_SYMBOL = 4
MOST_SAMPLES_PER_SYMBOL = 64
SAMPLE_RATE = 1e6
SILENCE = 64  # symbol periods before and after the burst
DESCRIPTION = (
    "semveil burst: m-sequence preamble, QPSK header (rate 1/2), analogue payload, root raised "
    "cosine of roll-off 0.25"
)


def send_recording(
    path: str | os.PathLike[str],
    message: Message,
    *,
    datatype: str = "cf32",
    sample_rate: float = SAMPLE_RATE,
    frequency: float = 0.0,
) -> list[Path]:
    """Write a message as a burst in a SigMF recording.

    Args:
        path: ending in `.sigmf`, `.sigmf-meta` or `.sigmf-data`.
        message: message with clean symbols, which have passed no channel.
        datatype: `cf32` or `ci16`.
        sample_rate: in Hz; there are four samples per symbol.
        frequency: carrier frequency in Hz, for the metadata.

    Returns:
        The written files.

    Raises:
        RecordingError: the message has passed a channel, or the recording cannot be written.
    """
    if message.snr_db is not None:
        raise RecordingError(
            "the message's symbols have passed a channel; only a sender's clean symbols are transmitted"
        )
    payload = message.symbols.resolve_conj().cpu().numpy().astype(np.complex128).ravel()
    burst = modulate(assemble(side_of_message(message), payload, message.images), SAMPLES_PER_SYMBOL)
    silence = np.zeros(SILENCE * SAMPLES_PER_SYMBOL)
    return write_recording(
        path,
        np.concatenate([silence, burst, silence]),
        sample_rate=sample_rate,
        symbol_rate=sample_rate / SAMPLES_PER_SYMBOL,
        frequency=frequency,
        description=DESCRIPTION,
        datatype=datatype,
    )


def receive_recording(path: str | os.PathLike[str]) -> Message:
    """Demodulate the strongest burst in a recording into a message with the measured SNR.

    Args:
        path: SigMF archive or one file of a pair; without a stated symbol rate, `SAMPLES_PER_SYMBOL` samples
            per symbol are assumed.

    Raises:
        RecordingError: the recording cannot be read, does not have an integer number of samples per symbol
            (2 to `MOST_SAMPLES_PER_SYMBOL`), or contains no burst.
        MessageError: the header of the burst is not a valid message header.
    """
    recording, name = read_recording(path), repr(os.fsdecode(path))
    symbol_rate = recording.symbol_rate or recording.sample_rate / SAMPLES_PER_SYMBOL
    exact = recording.sample_rate / symbol_rate
    rate = round(min(exact, MOST_SAMPLES_PER_SYMBOL + 1))
    if not 2 <= rate <= MOST_SAMPLES_PER_SYMBOL or abs(exact / rate - 1) > 1e-6:
        raise RecordingError(
            f"a symbol takes {exact:g} samples in {name}, where a whole number from 2 to "
            f"{MOST_SAMPLES_PER_SYMBOL} is needed. {_stated(recording)}. Correct these, or resample"
        )
    try:
        burst = receive_burst(recording.samples, rate)
    except Unrecognised as error:
        raise RecordingError(
            f"{name}: {error}. {_stated(recording)}. Check these and core:datatype, that the recording holds "
            f"a semveil burst, and that its carrier is off by at most {CARRIER_RANGE * symbol_rate:,.10g} Hz"
        ) from None
    except NoBurst as error:
        raise RecordingError(f"{name}: {error}") from None
    symbols = torch.from_numpy(burst.payload.astype(np.complex64))
    return message_from_side(burst.header, symbols, snr_db=burst.snr_db)


def _stated(recording: Recording) -> str:
    """The rates that the metadata states, beside what `send_recording` writes."""
    rate = f"The metadata states a sample rate of {recording.sample_rate:,.10g} Hz (core:sample_rate)"
    if recording.symbol_rate is None:
        return (
            f"{rate} but no symbol rate ({SYMBOL_RATE}), so it is taken for the sender's, of "
            f"{SAMPLES_PER_SYMBOL} samples per symbol; otherwise add the symbol rate, the sender's sample "
            f"rate / {SAMPLES_PER_SYMBOL}"
        )
    return (
        f"{rate} and a symbol rate of {recording.symbol_rate:,.10g} Hz ({SYMBOL_RATE}), for which a sender "
        f"writes {recording.symbol_rate * SAMPLES_PER_SYMBOL:,.10g} samples a second"
    )
