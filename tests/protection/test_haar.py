# SPDX-License-Identifier: Apache-2.0
"""Stewart's rotations: exact against dense and 50-digit references, Haar-distributed, and not so when a step
is left out.
"""

import mpmath
import numpy as np
import pytest
from scipy import stats

from semveil.keys.keystream import KeyStream
from semveil.protection.haar import apply_haar, apply_haar_inverse, apply_haar_of, haar_normals

DRAWS = 20_000


def normals(seed: int, count: int, n: int) -> np.ndarray:
    key = seed.to_bytes(32, "little")
    return KeyStream(key).normals(count * haar_normals(n)).reshape(count, -1)


def dense(draws: np.ndarray, n: int, *, signed: bool = True, steps: int | None = None) -> np.ndarray:
    """The same product from matrices; without signs, or with the last (largest) steps only, for controls."""
    product = np.eye(n)
    for d in range(n, n - (steps or n), -1):
        x = draws[haar_normals(d - 1) : haar_normals(d)]
        sign = -1.0 if x[0] < 0 else 1.0
        w = x + sign * np.linalg.norm(x) * np.eye(d)[0]
        step = np.eye(n)
        step[n - d :, n - d :] = (-sign if signed else 1.0) * (np.eye(d) - 2 * np.outer(w, w) / (w @ w))
        product = product @ step
    return product


@pytest.mark.parametrize("n", [1, 2, 3, 17, 64])
def test_it_is_the_dense_product_and_orthogonal(n):
    draws = normals(1, 1, n)
    matrix = dense(draws[0], n)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(n), atol=1e-13)
    columns = apply_haar(np.repeat(draws, n, axis=0), np.eye(n)).T
    np.testing.assert_allclose(columns, matrix, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 31, 448])
def test_the_inverse_undoes_it(n):
    draws, vectors = normals(2, 3, n), np.random.default_rng(2).standard_normal((3, n))
    np.testing.assert_allclose(apply_haar_inverse(draws, apply_haar(draws, vectors)), vectors, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 31, 448])
def test_in_pieces_of_a_stream_it_is_the_same_to_the_bit(n, monkeypatch):
    monkeypatch.setattr("semveil.protection.haar.NORMALS_AT_ONCE", 97)
    key, vector = (5).to_bytes(32, "little"), np.random.default_rng(5).standard_normal(n)
    draws = KeyStream(key).normals(haar_normals(n))[None]
    for inverse, whole in ((False, apply_haar), (True, apply_haar_inverse)):
        stream = KeyStream(key)
        assert np.array_equal(apply_haar_of(stream, vector, inverse=inverse), whole(draws, vector[None])[0])
        rest = KeyStream(key)
        rest.normals(haar_normals(n))
        assert np.array_equal(stream.normals(5), rest.normals(5))  # the stream stands behind the rotation


def test_rounding_errors_stay_below_the_bound_of_the_proof():
    n = 24
    draws, vector = normals(3, 1, n), np.random.default_rng(3).standard_normal(n)
    with mpmath.workdps(50):
        out = [mpmath.mpf(v) for v in vector]
        for d in range(1, n + 1):
            x = [mpmath.mpf(v) for v in draws[0, haar_normals(d - 1) : haar_normals(d)]]
            sign, tail = (-1 if x[0] < 0 else 1), out[n - d :]
            w = [x[0] + sign * mpmath.sqrt(mpmath.fdot(x, x)), *x[1:]]
            factor = 2 * mpmath.fdot(w, tail) / mpmath.fdot(w, w)
            out[n - d :] = [-sign * (t - factor * v) for t, v in zip(tail, w, strict=True)]
        got = apply_haar(draws, vector[None])[0]
        error = float(mpmath.norm([mpmath.mpf(g) - o for g, o in zip(got, out, strict=True)]))
    bound = 2.0**-53 * sum(6 * d + 50 for d in range(1, n + 1)) * np.linalg.norm(vector)
    assert 0 < error < bound


def moments(matrices: np.ndarray) -> dict[str, tuple[float, float]]:
    """Statistics of (N, n, n) matrices with their expectation over O(n)."""
    n = matrices.shape[1]
    traces = np.trace(matrices, axis1=1, axis2=2)
    squares = np.einsum("bij,bji->b", matrices, matrices)
    return {
        "entry": (matrices[:, 0, 0], 0.0),
        "last entry": (matrices[:, -1, -1], 0.0),
        "square": (matrices[:, 1, 0] ** 2, 1 / n),
        "fourth": (matrices[:, 0, 1] ** 4, 3 / (n * (n + 2))),
        "mixed": (matrices[:, 0, 0] ** 2 * matrices[:, 1, 1] ** 2, (n + 1) / ((n - 1) * n * (n + 2))),
        "trace": (traces, 0.0),
        "trace squared": (traces**2, 1.0),
        "trace of the square": (squares, 1.0),
        "determinant": (np.linalg.det(matrices), 0.0),
    }


def deviations(matrices: np.ndarray) -> dict[str, float]:
    """How many standard errors each statistic is off."""
    return {
        name: abs(values.mean() - expected) / (values.std() / len(values) ** 0.5 + 1e-12)
        for name, (values, expected) in moments(matrices).items()
    }


def test_moments_are_those_of_the_haar_law_and_of_scipys():
    n = 5
    draws = normals(4, DRAWS, n)
    columns = [apply_haar(draws, np.tile(unit, (DRAWS, 1))) for unit in np.eye(n)]
    assert max(deviations(np.stack(columns, axis=2)).values()) < 4.5
    assert max(deviations(stats.ortho_group.rvs(n, size=DRAWS, random_state=4)).values()) < 4.5


@pytest.mark.parametrize("broken", [{"signed": False}, {"steps": 1}, {"steps": 2}])
def test_moments_tell_broken_products_apart(broken):
    n = 5
    draws = normals(5, 4000, n)
    assert max(deviations(np.stack([dense(row, n, **broken) for row in draws])).values()) > 10


@pytest.mark.parametrize("n", [2, 9, 40])
def test_any_unit_vector_becomes_uniform_on_the_sphere(n):
    rng = np.random.default_rng(6)
    draws = normals(6, DRAWS // 4, n)
    law = stats.beta(0.5, (n - 1) / 2)
    for vector in (
        np.eye(n)[0],
        np.eye(n)[-1],
        np.full(n, n**-0.5),
        stats.uniform_direction(n).rvs(random_state=rng),
    ):
        turned = apply_haar(draws, np.tile(vector, (len(draws), 1)))
        for axis in (np.eye(n)[0], np.eye(n)[-1], vector):
            component = turned @ axis
            assert stats.kstest(component**2, law.cdf).pvalue > 1e-5
            assert stats.binomtest(int((component > 0).sum()), len(draws)).pvalue > 1e-5


def test_two_vectors_are_indistinguishable_unless_only_one_reflection_is_made():
    n = 12
    first, second = np.eye(n)[[0, -1]]
    a = apply_haar(normals(7, DRAWS // 4, n), np.tile(first, (DRAWS // 4, 1))) @ second
    b = apply_haar(normals(8, DRAWS // 4, n), np.tile(second, (DRAWS // 4, 1))) @ second
    assert stats.ks_2samp(a, b).pvalue > 1e-5
    one = [[dense(row, n, steps=1) @ v @ second for row in normals(9, 2000, n)] for v in (first, second)]
    assert stats.ks_2samp(*one).pvalue < 1e-9


def test_degenerate_normals_give_no_nan():
    assert np.isfinite(apply_haar(np.zeros((1, 6)), np.ones((1, 3)))).all()


def test_a_wrong_number_of_normals_is_refused():
    with pytest.raises(ValueError, match="normals"):
        apply_haar(np.zeros((1, 5)), np.zeros((1, 3)))
