# SPDX-License-Identifier: Apache-2.0
"""Structure of a burst: preamble, signal field, digital header, analogue payload with pilots, postamble."""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semveil.radio.coding import coded_symbols, demodulate_bytes, modulate_bytes

Complex = NDArray[np.complex128]
VERSION = 1
TRAINING = 255  # symbols in each of preamble and postamble
PILOT_SPACING = 16
PILOT = 1.0
SIGNAL = struct.Struct(">BIHI")
MOST_HEADER, MOST_PAYLOAD = 1 << 20, 1 << 26


def training(taps: int) -> Complex:
    """Maximum-length sequence of an 8-bit LFSR as BPSK symbols, (`TRAINING`,) complex128.

    Its autocorrelation is low for shifts in both time and frequency. A Zadoff-Chu sequence is unsuitable,
    since a delay and a carrier offset shift a chirp in the same way.

    Args:
        taps: feedback polynomial as a bit mask.
    """
    state, signs = 1, []
    for _ in range(TRAINING):
        signs.append(1.0 - 2.0 * (state & 1))
        state = state >> 1 | ((state & taps).bit_count() % 2) << 7
    return np.array(signs, np.complex128)


# x^8 + x^4 + x^3 + x^2 + 1 and its mirror image
PREAMBLE, POSTAMBLE = training(0b00011101), training(0b01110001)


@dataclass(frozen=True)
class Signal:
    """Content of the signal field.

    Attributes:
        header: length of the digital header in bytes.
        images: number of images.
        symbols: analogue symbols per image.
    """

    header: int
    images: int
    symbols: int

    def encode(self) -> Complex:
        """Encode the field as QPSK symbols."""
        return modulate_bytes(SIGNAL.pack(VERSION, self.header, self.images, self.symbols))

    @classmethod
    def decode(cls, symbols: Complex, noise_power: float) -> "Signal | None":
        """Decode the signal field.

        Args:
            symbols: equalised QPSK symbols.
            noise_power: per complex symbol.

        Returns:
            The field; None for a wrong checksum, another version, or sizes out of range.
        """
        data = demodulate_bytes(symbols, SIGNAL.size, noise_power=noise_power)
        if data is None:
            return None
        version, header, images, count = SIGNAL.unpack(data)
        sound = version == VERSION and 0 < header <= MOST_HEADER and 0 < images * count <= MOST_PAYLOAD
        return cls(header, images, count) if sound else None

    @property
    def payload(self) -> int:
        """Total number of analogue symbols."""
        return self.images * self.symbols

    @property
    def body(self) -> int:
        """Symbols between the training sequences, without pilots."""
        return SIGNAL_SYMBOLS + coded_symbols(self.header) + self.payload


SIGNAL_SYMBOLS = coded_symbols(SIGNAL.size)


def with_pilots(body: Complex) -> Complex:
    """Insert a pilot before every `PILOT_SPACING` - 1 symbols.

    Args:
        body: (N,) complex.

    Returns:
        (`body_length(N)`,) complex128.
    """
    frame = np.full(body_length(len(body)), PILOT, np.complex128)
    frame[payload_places(len(frame))] = body
    return frame


def body_length(symbols: int) -> int:
    """Length of a body with its pilots.

    Args:
        symbols: symbols in the body, without pilots.

    Example:
        >>> body_length(15), body_length(16)
        (16, 18)
    """
    return symbols + -(-symbols // (PILOT_SPACING - 1))


def payload_places(length: int) -> NDArray[np.int64]:
    """Positions in a body that are not pilots, ascending from 1.

    Args:
        length: length of the body, pilots included.
    """
    places = np.arange(length)
    return places[places % PILOT_SPACING != 0]


def assemble(header: bytes, payload: Complex, images: int) -> Complex:
    """Assemble all symbols of a burst.

    Args:
        header: digital header, which is protected by a code and a checksum.
        payload: (images * N,) analogue symbols of mean power 1.
        images: number of images.
    """
    signal = Signal(len(header), images, len(payload) // images)
    body = np.concatenate([signal.encode(), modulate_bytes(header), payload])
    return np.concatenate([PREAMBLE, with_pilots(body), POSTAMBLE])
