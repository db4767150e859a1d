"""The digital baseline: a picture file, sealed by AES-GCM, at the rate that the same channel uses carry."""

import math
import os
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from semveil.radio.codecs import code, open_picture

Pixels = NDArray[np.uint8]
NONCE_BYTES, TAG_BYTES = 12, 16
SEAL_BYTES = NONCE_BYTES + TAG_BYTES
LOST = 128  # grey, that a receiver shows who could not read the picture


def spectral_efficiency(snr_db: float, *, outage: float | None = None) -> float:
    """Bits per channel use that can be sent without error: log2(1 + SNR) over AWGN.

    Over flat Rayleigh fading that the sender does not know, the rate of which a share `outage` of messages fails:
    log2(1 + SNR * (-ln(1 - outage))), since |h|^2 is exponential. An upper bound for every code and modulation.

    Args:
        snr_db: mean SNR per complex symbol.
        outage: None for AWGN.

    Raises:
        ValueError: outage is not in 0..1.

    Example:
        >>> round(spectral_efficiency(20.0), 3), round(spectral_efficiency(20.0, outage=0.1), 3)
        (6.658, 3.528)
    """
    if outage is not None and not 0 < outage < 1:
        raise ValueError(f"outage must lie between 0 and 1, got {outage}")
    fade = 1.0 if outage is None else -math.log1p(-outage)
    return math.log2(1 + 10 ** (snr_db / 10) * fade)


@dataclass(frozen=True, eq=False)
class Sealed:
    """A picture as it is sent digitally.

    Attributes:
        data: nonce, encrypted file, tag.
        header: bytes of the file that describe the picture.
        rate: bits per channel use that it was made for.
    """

    data: bytes
    header: int
    rate: float


def seal_picture(pixels: Pixels, key: bytes, *, codec: str, uses: int, rate: float) -> Sealed | None:
    """The best file that so many channel uses carry, encrypted and authenticated; None where no file is small enough.

    Args:
        pixels: (H, W, 3).
        key: of AES, 16, 24 or 32 bytes.
        codec: see `codecs.CODECS`.
        uses: complex channel uses for this picture, all told.
        rate: bits per use, see `spectral_efficiency`.
    """
    coded = code(pixels, codec, int(uses * rate / 8) - SEAL_BYTES)
    if coded is None:
        return None
    nonce = os.urandom(NONCE_BYTES)
    return Sealed(nonce + AESGCM(key).encrypt(nonce, coded.file, None), coded.header, rate)


def open_picture_at(sealed: Sealed | None, key: bytes, shape: tuple[int, ...], *, rate: float) -> Pixels:
    """What the receiver shows: the picture where the channel carries its rate, else grey (the cliff).

    Args:
        sealed: from `seal_picture`.
        key: the receiver's.
        shape: of the picture.
        rate: bits per use that this message's channel carries: log2(1 + |h|^2 SNR).

    Raises:
        cryptography.exceptions.InvalidTag: another key, or altered data.
    """
    if sealed is None or rate < sealed.rate:
        return np.full(shape, LOST, np.uint8)
    data = sealed.data
    return open_picture(AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], None))
