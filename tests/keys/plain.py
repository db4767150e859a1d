# SPDX-License-Identifier: Apache-2.0
"""The keystream once more, in plain Python and one number at a time, from RFC 8439 and the docstrings of
`keys.keystream`.
"""

import math
import struct
from collections.abc import Iterator

CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def chacha20_block(key: bytes, counter: int) -> bytes:
    """RFC 8439, 2.3, with nonce 0."""
    state = [*CONSTANTS, *struct.unpack("<8I", key), counter, 0, 0, 0]
    mixed = list(state)

    def quarter(a: int, b: int, c: int, d: int) -> None:
        for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            mixed[x] = (mixed[x] + mixed[y]) % 2**32
            word = mixed[z] ^ mixed[x]
            mixed[z] = (word << turn | word >> (32 - turn)) % 2**32

    for _ in range(10):
        for columns in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            quarter(*columns)
        for diagonals in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(*diagonals)
    return struct.pack("<16I", *((a + b) % 2**32 for a, b in zip(mixed, state, strict=True)))


def words(key: bytes) -> Iterator[int]:
    """The stream in words of 64 bits."""
    counter = 0
    while True:
        yield from struct.unpack("<8Q", chacha20_block(key, counter))
        counter += 1


def normals(source: Iterator[int]) -> Iterator[float]:
    """Marsaglia's polar method."""
    while True:
        v1, v2 = ((2 * (next(source) >> 11) + 1 - 2**53) / 2**53 for _ in range(2))
        s = v1 * v1 + v2 * v2
        if s < 1:
            f = math.sqrt(-2 * log(s) / s)
            yield v1 * f
            yield v2 * f


def log(x: float) -> float:
    """The series, term by term."""
    mantissa, k = math.frexp(x)
    if mantissa < math.sqrt(0.5):
        mantissa, k = 2 * mantissa, k - 1
    f = mantissa - 1
    s = f / (2 + f)
    z = s * s
    r = 0.0
    for term in range(10, 0, -1):
        r = (r + 2 / (2 * term + 1)) * z
    h = 0.5 * f * f
    high = float.fromhex("0x1.62e42fee00000p-1")
    low = float.fromhex("0x1.a39ef35793c76p-33")
    return k * high - ((h - (s * (h + r) + k * low)) - f)
