"""Haar-random rotations in O(n^2): Stewart's product of Householder reflections, applied without forming a matrix."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def haar_normals(n: int) -> int:
    """How many standard normals one rotation of n coordinates takes: 1 + 2 + ... + n."""
    return n * (n + 1) // 2


def apply_haar(normals: Floats, vectors: Floats) -> Floats:
    """Q v for an orthogonal Q that is Haar-distributed over O(n), one for each vector.

    Q = G_n (1 + G_(n-1)) (1 + 1 + G_(n-2)) ... (G. W. Stewart, SIAM J. Numer. Anal. 17, 1980), "+" being the direct sum.
    G_d acts on the last d coordinates and takes the first of them to x / |x|, x being d standard normals:
    G_d = -s (I - 2 w w' / w'w) with s = sign(x_1) and w = x + s |x| e_1. The first column of Q is x / |x|, uniform on the
    sphere; given it, the rest is a Haar rotation of what is orthogonal to it, by induction. So Q is Haar-distributed, and
    Q v uniform on the sphere for every unit vector v.

    Args:
        normals: (B, n (n + 1) / 2) independent standard normals: 1 for G_1, 2 for G_2 and so on.
        vectors: (B, n).

    Example:
        >>> apply_haar(np.array([[-1.0, 3.0, 4.0]]), np.array([[5.0, 0.0]]))
        array([[3., 4.]])
    """
    out = _checked(normals, vectors)
    for d in range(1, out.shape[1] + 1):
        _reflect(normals, d, out)
    return out


def apply_haar_inverse(normals: Floats, vectors: Floats) -> Floats:
    """Q' v for the Q of the same normals: undoes `apply_haar`."""
    out = _checked(normals, vectors)
    for d in range(out.shape[1], 0, -1):
        _reflect(normals, d, out)
    return out


def _reflect(normals: Floats, d: int, out: Floats) -> None:
    """Apply G_d, which is its own inverse, to the last d coordinates in place."""
    x, tail = normals[:, haar_normals(d - 1) : haar_normals(d)], out[:, -d:]
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
    """A copy of the vectors to work on."""
    count, n = vectors.shape
    expected: tuple[Any, ...] = (count, haar_normals(n))
    if normals.shape != expected:
        raise ValueError(f"vectors (B, n) = {(count, n)} need normals {expected}, got {normals.shape}")
    return np.array(vectors, np.float64)
