# SPDX-License-Identifier: Apache-2.0
"""The digital baseline: AES-GCM-encrypted bytes over the channel uses of the analogue message.

The bytes are transmitted at channel capacity or with the codes of 5G NR.
"""

import math
import os
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from semveil.channels import Link
from semveil.radio.codecs import code, open_picture
from semveil.radio.ldpc import CodedModem
from semveil.radio.mcs import MARGIN_DB, choose_scheme, link_efficiency

Pixels = NDArray[np.uint8]
NONCE_BYTES, TAG_BYTES = 12, 16
SEAL_BYTES = NONCE_BYTES + TAG_BYTES
END = b"\x80"  # ends a file before zero padding, since the channel determines the sealed size
LOST = 128  # grey level that the receiver shows after a decoding failure


def spectral_efficiency(snr_db: float, *, outage: float | None = None) -> float:
    """Bits per channel use that can be transmitted without error: log2(1 + SNR) over AWGN.

    Over flat Rayleigh fading unknown to the sender, this is the rate at which a fraction `outage` of messages
    fails: log2(1 + SNR * (-ln(1 - outage))), since |h|^2 is exponential. An upper bound for every code and
    modulation. Other links: `link_efficiency`.

    Args:
        snr_db: mean SNR per complex symbol in dB.
        outage: fraction of failing messages, strictly between 0 and 1; None for AWGN.

    Raises:
        ValueError: the outage is out of range.

    Example:
        >>> round(spectral_efficiency(20.0), 3), round(spectral_efficiency(20.0, outage=0.1), 3)
        (6.658, 3.528)
    """
    if outage is not None and not 0 < outage < 1:
        raise ValueError(f"outage must lie between 0 and 1, got {outage}")
    fade = 1.0 if outage is None else -math.log1p(-outage)
    return math.log2(1 + 10 ** (snr_db / 10) * fade)


class Carrier(Protocol):
    """A block of symbols that carries a fixed number of bytes."""

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    def send(self, data: bytes, link: Link, snr_db: float, rng: torch.Generator) -> bytes | None:
        """Transmit bytes over one realisation of the link.

        Args:
            data: exactly `size` bytes.
            link: channel and receiver.
            snr_db: SNR per complex symbol in dB.
            rng: source of fading and noise.

        Returns:
            The decoded bytes, possibly with errors; None on a detected failure.
        """
        ...


@dataclass(frozen=True)
class AtCapacity:
    """Upper bound for every code: error-free if the capacity of the realisation reaches the rate.

    Otherwise nothing is received.

    Attributes:
        symbols: number of symbols.
        rate: bits per symbol.
    """

    symbols: int
    rate: float

    @property
    def size(self) -> int:
        return int(self.symbols * self.rate / 8)

    def send(self, data: bytes, link: Link, snr_db: float, rng: torch.Generator) -> bytes | None:
        """Deliver the data if the mean of log2(1 + SNR) over the symbols reaches the rate, else None.

        Args:
            data: exactly `size` bytes.
            link: channel and receiver.
            snr_db: SNR per complex symbol in dB.
            rng: source of fading and noise.
        """
        _, state = link(torch.ones(1, self.symbols, dtype=torch.complex64), snr_db, rng)
        ratio = state.gain.abs().double().square() / state.noise_power.double().clamp_min(1e-30)
        return data if float(torch.log2(1 + ratio).mean()) >= self.rate * (1 - 1e-6) else None


@dataclass(frozen=True)
class ByLDPC:
    """5G LDPC code with QAM.

    Attributes:
        modem: modulation, rate and number of symbols.
    """

    modem: CodedModem

    @property
    def size(self) -> int:
        return self.modem.capacity

    def send(self, data: bytes, link: Link, snr_db: float, rng: torch.Generator) -> bytes | None:
        """Encode, transmit and decode; undetected errors remain in the result.

        Args:
            data: exactly `size` bytes.
            link: channel and receiver.
            snr_db: SNR per complex symbol in dB.
            rng: source of fading and noise.
        """
        received, state = link(self.modem.modulate(data)[None], snr_db, rng)
        return self.modem.demodulate(received[0], state)


def at_capacity(link: Link, symbols: int, snr_db: float, *, outage: float) -> Carrier | None:
    """Capacity bound for a link, at the SNR that the sender assumes.

    Args:
        link: channel and receiver.
        symbols: complex symbols per message.
        snr_db: SNR that the sender assumes, in dB per complex symbol.
        outage: fraction of messages that may fail in fading, in [0, 1).
    """
    return AtCapacity(symbols, link_efficiency(link, snr_db, symbols, outage=outage))


def by_ldpc(
    link: Link, symbols: int, snr_db: float, *, outage: float, margin_db: float = MARGIN_DB
) -> Carrier | None:
    """Most efficient 5G scheme that the link supports with a margin; None if there is none.

    Args:
        link: channel and receiver.
        symbols: complex symbols per message.
        snr_db: SNR that the sender assumes, in dB per complex symbol.
        outage: fraction of messages that may fail in fading, in [0, 1).
        margin_db: allowance for implementation loss, in dB.
    """
    scheme = choose_scheme(link_efficiency(link, snr_db - margin_db, symbols, outage=outage))
    modem = None if scheme is None else CodedModem(scheme, symbols)
    return ByLDPC(modem) if modem is not None and modem.capacity else None


WAYS = {"bound": at_capacity, "5g": by_ldpc}


@dataclass(frozen=True, eq=False)
class Sealed:
    """An encrypted image for digital transmission.

    Attributes:
        data: nonce, encrypted file with padding, and tag, of the requested total length.
        file: size of the file in bytes.
        header: number of header bytes in the file.
    """

    data: bytes
    file: int
    header: int


def seal(plain: bytes, key: bytes) -> bytes:
    """Encrypt with AES-GCM under a random nonce, which precedes the ciphertext; adds `SEAL_BYTES`.

    Args:
        plain: bytes of any length.
        key: 16, 24 or 32 bytes.

    Example:
        >>> unseal(seal(b"face", bytes(32)), bytes(32)), unseal(bytes(40), bytes(32))
        (b'face', None)
    """
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, None)


def unseal(data: bytes | None, key: bytes) -> bytes | None:
    """Decrypt and authenticate the result of `seal`.

    Args:
        data: nonce and ciphertext as received; None if nothing was received.
        key: as for `seal`.

    Returns:
        The plaintext; None if nothing was received or authentication failed.
    """
    if data is None:
        return None
    try:
        return AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], None)
    except InvalidTag:
        return None


def seal_picture(pixels: Pixels, key: bytes, *, codec: str, size: int) -> Sealed | None:
    """Encode an image at the best quality for a size, and encrypt it; None if no quality fits.

    Args:
        pixels: (H, W, 3).
        key: AES key, 16, 24 or 32 bytes.
        codec: see `codecs.CODECS`.
        size: total length in bytes.
    """
    coded = code(pixels, codec, size - SEAL_BYTES - len(END))
    if coded is None:
        return None
    data = seal((coded.file + END).ljust(size - SEAL_BYTES, b"\0"), key)
    return Sealed(data, len(coded.file), coded.header)


def shown_picture(data: bytes | None, key: bytes, shape: tuple[int, ...]) -> Pixels:
    """Image shown by the receiver: the decoded one, or grey after a failure (the cliff effect).

    Args:
        data: received bytes; None if nothing was received.
        key: the receiver's key.
        shape: shape of the image.
    """
    plain = unseal(data, key)
    return (
        np.full(shape, LOST, np.uint8)
        if plain is None
        else open_picture(plain.rstrip(b"\0").removesuffix(END))
    )
