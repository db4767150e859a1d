# SPDX-License-Identifier: Apache-2.0
"""Frechet's distance against closed forms, scipy, torchmetrics and the law of its sampling error."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.stats import ortho_group
from torch import Tensor
from torchmetrics.image.fid import _compute_fid

from semveil.metrics import Moments, frechet_distance, moments

seeds = st.integers(0, 2**31)


def gaussian(mean, covariance) -> Moments:
    return Moments("frechet_test", np.asarray(mean, float), np.asarray(covariance, float), 1000)


def random_gaussian(rng: np.random.Generator, size: int) -> Moments:
    factor = rng.normal(size=(size, size + 2))
    return gaussian(rng.normal(size=size), factor @ factor.T / size)


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(1, 12))
def test_commuting_covariances(seed: int, size: int) -> None:
    """Same axes: the distance is that of the means and of the standard deviations along each axis."""
    rng = np.random.default_rng(seed)
    axes = ortho_group.rvs(size, random_state=rng) if size > 1 else np.eye(1)
    s, t = rng.uniform(0, 3, (2, size))
    m, n = rng.normal(size=(2, size))
    distance = frechet_distance(gaussian(m, (axes * s**2) @ axes.T), gaussian(n, (axes * t**2) @ axes.T))
    assert distance == pytest.approx(np.sum((m - n) ** 2) + np.sum((s - t) ** 2), rel=1e-6, abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_two_dimensions(seed: int) -> None:
    """tr (A B)^(1/2) = sqrt(tr A B + 2 sqrt(det A det B)) for 2 x 2 matrices that do not commute."""
    rng = np.random.default_rng(seed)
    a, b = random_gaussian(rng, 2), random_gaussian(rng, 2)
    det = np.linalg.det(a.covariance) * np.linalg.det(b.covariance)
    overlap = np.sqrt(np.trace(a.covariance @ b.covariance) + 2 * np.sqrt(det))
    expected = np.sum((a.mean - b.mean) ** 2) + np.trace(a.covariance + b.covariance) - 2 * overlap
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(2, 12))
def test_rank_one_covariances(seed: int, size: int) -> None:
    """Covariances u u' and v v': the overlap is |u . v|."""
    u, v = np.random.default_rng(seed).normal(size=(2, size))
    zero = np.zeros(size)
    distance = frechet_distance(gaussian(zero, np.outer(u, u)), gaussian(zero, np.outer(v, v)))
    assert distance == pytest.approx(u @ u + v @ v - 2 * abs(u @ v), rel=1e-6, abs=1e-6)


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(2, 20))
def test_other_implementations(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_gaussian(rng, size), random_gaussian(rng, size)
    overlap = np.trace(sqrtm(a.covariance @ b.covariance)).real
    with_scipy = np.sum((a.mean - b.mean) ** 2) + np.trace(a.covariance + b.covariance) - 2 * overlap
    with_torch = _compute_fid(*map(torch.from_numpy, (a.mean, a.covariance, b.mean, b.covariance)))
    assert frechet_distance(a, b) == pytest.approx(with_scipy, rel=1e-7)
    assert frechet_distance(a, b) == pytest.approx(float(with_torch), rel=1e-7)


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(1, 20))
def test_it_is_a_distance(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, c = (random_gaussian(rng, size) for _ in range(3))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-8)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9 * size)
    ab, bc, ac = (frechet_distance(*pair) ** 0.5 for pair in ((a, b), (b, c), (a, c)))
    assert ac <= ab + bc + 1e-9


def test_fewer_images_than_features() -> None:
    """Four points each, in 50 dimensions: the overlap is the nuclear norm of the product of the centred
    features.
    """
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 4, 50, generator=rng, dtype=torch.float64)
    a, b = Moments.of(x, metric="frechet_test"), Moments.of(y, metric="frechet_test")
    centred = [(z - z.mean(0)) / 3**0.5 for z in (x, y)]
    overlap = torch.linalg.matrix_norm(centred[0] @ centred[1].T, "nuc")
    expected = (x.mean(0) - y.mean(0)).square().sum() + sum(z.square().sum() for z in centred) - 2 * overlap
    assert frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_samples_of_one_law_and_of_two() -> None:
    """One dimension, N draws each of N(0, 1): 2/N from the means and 1/N from the deviations are to be
    expected.
    """
    rng = torch.Generator().manual_seed(1)
    draws, size = 400, 500

    def distances(shift: float) -> Tensor:
        x, y = torch.randn(2, draws, size, 1, generator=rng, dtype=torch.float64)
        sets = [
            (Moments.of(a, metric="m"), Moments.of(b + shift, metric="m")) for a, b in zip(x, y, strict=True)
        ]
        return torch.tensor([frechet_distance(*pair) for pair in sets])

    same = distances(0.0)
    error = 4 * same.std() / draws**0.5
    assert abs(same.mean() - 3 / size) < error
    assert abs(distances(0.2).mean() - 3 / size) > error, "the check sees a shift of 0.2"


class MeanColour:
    metric = "frechet_colour"

    def __call__(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


def test_moments_are_numpys() -> None:
    images = torch.randn(70, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    features = images.double().mean((2, 3)).numpy()
    whole = moments(images, MeanColour())
    assert (whole.metric, whole.count) == ("frechet_colour", 70)
    assert np.allclose(whole.mean, features.mean(0), atol=1e-6)
    assert np.allclose(whole.covariance, np.cov(features, rowvar=False), rtol=1e-4)
    parts = moments((part for part in images.split(9)), MeanColour())
    assert np.allclose(parts.covariance, whole.covariance, rtol=1e-5) and parts.count == 70


def test_what_cannot_be_compared() -> None:
    a = gaussian([0.0], [[1.0]])
    with pytest.raises(ValueError, match="of one kind, got frechet_test of 1 dimensions and fid of 1"):
        frechet_distance(a, Moments("fid", a.mean, a.covariance, 5))
    with pytest.raises(ValueError, match="got frechet_test of 1 dimensions and frechet_test of 2"):
        frechet_distance(a, gaussian([0, 0], np.eye(2)))
    with pytest.raises(ValueError, match="two or more images"):
        Moments.of(torch.zeros(1, 4), metric="m")
    with pytest.raises(ValueError, match="two or more images, got no image"):
        moments([], MeanColour())
    with pytest.raises(ValueError, match="features of 1 of 3 images are NaN"):
        Moments.of(torch.tensor([[0.0], [1.0], [torch.nan]]), metric="m")
    with pytest.raises(ValueError, match=r"must be \(B, 3, H, W\)"):
        moments(torch.zeros(4, 1, 8, 8), MeanColour())
