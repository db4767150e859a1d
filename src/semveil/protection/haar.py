# SPDX-License-Identifier: Apache-2.0
"""Haar-random rotations in O(n^2): Stewart's product of Householder reflections, without a matrix."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.keys.keystream import KeyStream

Floats = NDArray[np.float64]
NORMALS_AT_ONCE = 1 << 17  # per piece of a stream: 1 MiB


def haar_normals(n: int) -> int:
    """Number of standard normals per rotation: 1 + 2 + ... + n.

    Args:
        n: dimension.

    Example:
        >>> haar_normals(9)
        45
    """
    return n * (n + 1) // 2


def apply_haar(normals: Floats, vectors: Floats) -> Floats:
    """Q v for each vector v, with an independent Haar-distributed orthogonal matrix Q.

    Q = G_n (1 + G_(n-1)) (1 + 1 + G_(n-2)) ... (G. W. Stewart, SIAM J. Numer. Anal. 17, 1980), "+" being the
    direct sum. G_d acts on the last d coordinates and maps the first of them to x / |x|, x being d standard
    normals: G_d = -s (I - 2 w w' / w'w) with s = sign(x_1) and w = x + s |x| e_1. The first column of Q is x
    / |x|, uniform on the sphere; given it, the rest is a Haar rotation of its orthogonal complement, by
    induction. So Q is Haar-distributed, and Q v is uniform on the sphere for every unit vector v.

    Args:
        normals: (B, n (n + 1) / 2) independent standard normals: 1 for G_1, 2 for G_2 and so on.
        vectors: (B, n).

    Returns:
        (B, n) float64.

    Raises:
        ValueError: the shapes do not match.

    Example:
        >>> apply_haar(np.array([[-1.0, 3.0, 4.0]]), np.array([[5.0, 0.0]]))
        array([[3., 4.]])
    """
    out = _checked(normals, vectors)
    for d in range(1, out.shape[1] + 1):
        _reflect(normals[:, haar_normals(d - 1) : haar_normals(d)], out)
    return out


def apply_haar_inverse(normals: Floats, vectors: Floats) -> Floats:
    """Q^T v, the inverse of `apply_haar` for the same normals.

    Args:
        normals: (B, n (n + 1) / 2), one rotation per row.
        vectors: (B, n).

    Returns:
        (B, n) float64.

    Raises:
        ValueError: the shapes do not match.
    """
    out = _checked(normals, vectors)
    for d in range(out.shape[1], 0, -1):
        _reflect(normals[:, haar_normals(d - 1) : haar_normals(d)], out)
    return out


def apply_haar_of(stream: KeyStream, vector: Floats, *, inverse: bool = False) -> Floats:
    """Rotate one vector with the next normals of a stream, in bounded memory.

    Args:
        stream: source of the normals; n (n + 1) / 2 are consumed.
        vector: (n,).
        inverse: apply Q^T instead of Q.

    Returns:
        (n,) float64.

    Example:
        >>> vector = np.arange(9.0)
        >>> turned = apply_haar_of(KeyStream(bytes(32)), vector)
        >>> np.array_equal(turned, apply_haar(KeyStream(bytes(32)).normals(45)[None], vector[None])[0])
        True
    """
    out = np.array(vector[None], np.float64)
    borders = [0]
    while borders[-1] < len(vector):  # each piece has as many steps as fit, at least one
        first = borders[-1]
        last = int(np.sqrt(first * (first + 1) + 2 * NORMALS_AT_ONCE + 0.25) - 0.5)
        borders.append(min(max(last, first + 1), len(vector)))
    pieces = list(pairwise(borders))
    sizes = [haar_normals(last) - haar_normals(first) for first, last in pieces]
    drawn = stream.normals_backwards(sizes) if inverse else (stream.normals(size) for size in sizes)
    for (first, last), normals in zip(reversed(pieces) if inverse else pieces, drawn, strict=True):
        starts = [haar_normals(d) - haar_normals(first) for d in range(first, last + 1)]
        steps = list(pairwise(starts))
        for start, end in reversed(steps) if inverse else steps:
            _reflect(normals[None, start:end], out)
    return out[0]


def _reflect(x: Floats, out: Floats) -> None:
    """Apply G_d of the normals x (B, d) to the last d coordinates in place; G_d is its own inverse."""
    tail = out[:, -x.shape[1] :]
    sign = np.where(x[:, 0] < 0, -1.0, 1.0)
    norm = np.sqrt(np.einsum("bi,bi->b", x, x))
    pivot = x[:, 0] + sign * norm
    # w't, and w'w = 2 |x| |pivot|; x is 0 with probability 2^-50 at most, and then G is -s or s
    dot = np.einsum("bi,bi->b", x, tail) + sign * norm * tail[:, 0]
    factor = dot / np.maximum(norm * np.abs(pivot), np.finfo(np.float64).tiny)
    first = tail[:, 0] - factor * pivot
    tail -= factor[:, None] * x
    tail[:, 0] = first
    tail *= -sign[:, None]


def _checked(normals: Floats, vectors: Floats) -> Floats:
    """Check the shapes and return a copy of the vectors."""
    count, n = vectors.shape
    expected: tuple[Any, ...] = (count, haar_normals(n))
    if normals.shape != expected:
        raise ValueError(f"vectors (B, n) = {(count, n)} need normals {expected}, got {normals.shape}")
    return np.array(vectors, np.float64)
