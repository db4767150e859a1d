# SPDX-License-Identifier: Apache-2.0
"""Messages as bursts in recordings: digital data in the burst's header, symbols as analogue payload."""

import os
from pathlib import Path

import numpy as np
import torch

from semveil.channels import Message
from semveil.channels.message import message_from_side, side_of_message
from semveil.radio.frame import assemble
from semveil.radio.recording import RecordingError, read_recording, write_recording
from semveil.radio.synchronise import NoBurst, receive_burst
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
    """Demodulate the burst in a recording into a message with the measured SNR.

    Args:
        path: SigMF archive or one file of a pair; without a stated symbol rate, `SAMPLES_PER_SYMBOL` samples
            per symbol are assumed.

    Raises:
        RecordingError: the recording cannot be read, does not have an integer number of samples per symbol
            (2 to `MOST_SAMPLES_PER_SYMBOL`), or contains no burst.
        MessageError: the header of the burst is not a valid message header.
    """
    recording = read_recording(path)
    symbol_rate = recording.symbol_rate or recording.sample_rate / SAMPLES_PER_SYMBOL
    exact = recording.sample_rate / symbol_rate
    rate = round(min(exact, MOST_SAMPLES_PER_SYMBOL + 1))
    if not 2 <= rate <= MOST_SAMPLES_PER_SYMBOL or abs(exact / rate - 1) > 1e-6:
        raise RecordingError(
            f"a symbol takes {exact:g} samples in {os.fsdecode(path)!r}; resample to a whole number of them, "
            f"2 to {MOST_SAMPLES_PER_SYMBOL}"
        )
    try:
        burst = receive_burst(recording.samples, rate)
    except NoBurst as error:
        raise RecordingError(f"{os.fsdecode(path)!r}: {error}") from None
    symbols = torch.from_numpy(burst.payload.astype(np.complex64))
    return message_from_side(burst.header, symbols, snr_db=burst.snr_db)
