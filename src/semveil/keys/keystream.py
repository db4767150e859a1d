# SPDX-License-Identifier: Apache-2.0
"""Secret integers and standard normals from a 256-bit key, bit-identical on every machine."""

import math
import os
from collections.abc import Iterator, Sequence

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from numpy.typing import NDArray

from semveil.core.errors import KeyProblem

KEY_BYTES = 32
WORDS = (1 << 32) * 8  # 2^32 blocks of 64 bytes: the range of RFC 8439's block counter
PAIRS_AT_ONCE = 1 << 14  # keeps the arrays of one round in the processor cache
ZEROS = memoryview(bytes(1 << 16))

# ln 2 as a sum; the high part ends in 21 zero bits, so that k * LN2_HIGH is exact
LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
SQRT_HALF = math.sqrt(0.5)
LOG_TERMS = 10  # of 2 artanh(s), |s| < 0.1716: the first omitted term is below 2^-60 of the sum


class KeyStream:
    """ChaCha20 keystream (RFC 8439, nonce and counter from 0) read as integers and as standard normals.

    Each call continues at the position of the previous one, so that n and then m normals are the first n + m.
    Only correctly rounded operations of IEEE double precision are used (+ - * / sqrt, comparisons), element
    by element, so that the result does not depend on machine, threads, SIMD level or maths library.

    A key must serve one stream only: reuse reveals the difference of the two protected values. A stream is
    bound to one thread and to the process that created it, since a fork would repeat it.

    Args:
        key: 32 bytes, used for this stream only; see `MessageKeys.keystream`.

    Raises:
        KeyProblem: wrong key length, or use in a process other than the one that created the stream.

    Example:
        >>> stream = KeyStream(bytes(32))
        >>> hex(stream.integers(1)[0])
        '0x903df1a0ade0b876'
        >>> stream.normals(2).round(4).tolist()
        [1.4861, 0.2778]
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise KeyProblem(f"a keystream needs a key of {KEY_BYTES} bytes, got {len(key)}")
        self._key = key
        self._unread: NDArray[np.uint64]
        # unused second normal of the last pair
        self._held: NDArray[np.float64] = np.empty(0)
        self._go_to(0)
        self._process = os.getpid()

    def __repr__(self) -> str:
        return "KeyStream(...)"

    def integers(self, count: int) -> NDArray[np.uint64]:
        """The next 64-bit words of the stream, little-endian.

        Args:
            count: number of words, >= 0.

        Returns:
            (count,) uint64.

        Raises:
            KeyProblem: called in another process than the one that created the stream.
            ValueError: a negative count, or more than the 256 GiB of keystream per key.
        """
        self._check(count)
        done = min(count, len(self._unread))
        if count - done > self._left:
            raise ValueError("one key gives 256 GiB; derive another stream")
        self._left -= count - done
        out = np.empty(count, "<u8")
        out[:done], self._unread = self._unread[:done], self._unread[done:]
        for first in range(done, count, len(ZEROS) // 8):
            part = out[first : first + len(ZEROS) // 8].data.cast("B")
            self._cipher.update_into(ZEROS[: len(part)], part)
        return out.astype(np.uint64, copy=False)

    def normals(self, count: int) -> NDArray[np.float64]:
        """The next standard normals, by Marsaglia's polar method.

        Two words give v1, v2 = (2 floor(w / 2^11) + 1 - 2^53) / 2^53, odd multiples of 2^-53 in (-1, 1).
        Pairs with s = v1^2 + v2^2 >= 1 are rejected; others give v1 f and then v2 f, f = sqrt(-2 ln(s) / s)
        (G. Marsaglia and T. A. Bray, SIAM Review 6, 1964). For an odd count the second normal is kept for the
        next call, whatever `integers` reads in between. Rounding moves a normal by less than 2^-53 on
        average, more where s is close to 1.

        Args:
            count: number of normals, >= 0.

        Returns:
            (count,) float64.

        Raises:
            KeyProblem: called in another process than the one that created the stream.
            ValueError: a negative count, or the keystream is exhausted.
        """
        self._check(count)
        out = np.empty(count)
        done = min(count, len(self._held))
        out[:done], self._held = self._held[:done], self._held[done:]
        while done < count:
            pairs = _polar(*self._points((count - done + 1) // 2))
            used = min(len(pairs), count - done)
            out[done : done + used], self._held = pairs[:used], pairs[used:]
            done += used
        return out

    def normals_backwards(self, sizes: Sequence[int]) -> Iterator[NDArray[np.float64]]:
        """Yield the next sum(sizes) normals in pieces, the last piece first, with one piece in memory.

        The stream is traversed twice: to locate the start of each piece, then to compute the pieces.
        Afterwards it is positioned after all of them.

        Args:
            sizes: sizes of the pieces, in stream order.

        Yields:
            (size,) float64, from the last piece to the first.
        """
        places = []
        for size in sizes:
            places.append((self._place, self._held))
            self._pass_over(size)
        end = (self._place, self._held)
        for (place, held), size in zip(reversed(places), reversed(sizes), strict=True):
            self._go_to(place)
            self._held = held
            yield self.normals(size)
        self._go_to(end[0])
        self._held = end[1]

    @property
    def _place(self) -> int:
        """Number of words consumed so far."""
        return WORDS - self._left - len(self._unread)

    def _go_to(self, place: int) -> None:
        counter = (place // 8).to_bytes(4, "little") + bytes(12)
        self._cipher = Cipher(algorithms.ChaCha20(self._key, counter), mode=None).encryptor()
        self._left, self._unread = WORDS - 8 * (place // 8), np.empty(0, np.uint64)
        self._unread = self.integers(8)[place % 8 :] if place % 8 else self._unread

    def _points(self, wanted: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Up to `wanted` of the next points in the unit disc: v (k, 2) and s = |v|^2 (k,)."""
        candidates = min(PAIRS_AT_ONCE, wanted + wanted // 3 + 8)  # pi / 4 of them are accepted
        words = self.integers(2 * candidates)
        odd = (words >> np.uint64(11)).astype(np.int64) * 2 - (2**53 - 1)
        v = (odd.reshape(candidates, 2) * 2.0**-53).astype(np.float64, copy=False)
        squares = v * v
        s: NDArray[np.float64] = squares[:, 0] + squares[:, 1]
        accepted = np.flatnonzero(s < 1)[:wanted]
        if len(accepted) == wanted:  # put back the words after the last pair used
            self._unread = np.concatenate([words[2 * (accepted[-1] + 1) :], self._unread])
        return v[accepted], s[accepted]

    def _pass_over(self, count: int) -> None:
        """Skip `count` normals without computing them."""
        self._check(count)
        done = min(count, len(self._held))
        self._held = self._held[done:]
        while done < count:
            v, s = self._points((count - done + 1) // 2)
            done += 2 * len(s)
            self._held = _polar(v[-1:], s[-1:])[1:] if done > count else self._held

    def _check(self, count: int) -> None:
        if os.getpid() != self._process:
            raise KeyProblem(
                "a key stream belongs to the process that made it; make a new one, of a new nonce, after a "
                "fork"
            )
        if count < 0:
            raise ValueError(f"count must be at least 0, got {count}")


def _polar(v: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map points of the disc (k, 2) and their squared lengths to 2 k normals."""
    return (v * np.sqrt(-2 * log(s) / s)[:, None]).ravel()


def log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithm within 1 unit in the last place, from correctly rounded operations only.

    x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); ln(1 + f) = f - (h - s (h + r)), s = f / (2 + f), h =
    f^2 / 2 and r = 2 (s^2 / 3 + s^4 / 5 + ...), which is 2 artanh(s) with its largest term kept exact.

    Args:
        x: positive normal doubles, of any shape.

    Example:
        >>> log(np.array([1.0, 2.0, 0.1])).tolist() == [math.log(v) for v in (1.0, 2.0, 0.1)]
        True
    """
    mantissa, exponent = np.frexp(x)
    small = mantissa < SQRT_HALF
    f = np.where(small, mantissa + mantissa, mantissa) - 1
    k = (exponent - small).astype(np.float64)
    s = f / (f + 2)
    z = s * s
    r = np.full_like(z, 2 / (2 * LOG_TERMS + 1))
    for term in range(LOG_TERMS - 1, 0, -1):
        r *= z
        r += 2 / (2 * term + 1)
    r *= z
    h = 0.5 * f * f
    return k * LN2_HIGH - ((h - (s * (h + r) + k * LN2_LOW)) - f)
