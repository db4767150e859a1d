# SPDX-License-Identifier: Apache-2.0
"""Thresholds at a false acceptance rate: against closed forms, with intervals that hold what they promise."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from semveil.recognition import Verifier, calibrate, pair_accuracy, true_acceptance
from semveil.recognition.calibration import MeasuredThreshold


@dataclass
class Cosine(Verifier):
    name: str = "cosine"
    threshold: float = 0.0

    def embed(self, images: Tensor) -> Tensor:
        return images

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b.T

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(-1)


DIMENSIONS, SPREAD = 64, 1.0


def population(people: int, seed: int, *, images: int = 3) -> tuple[Tensor, np.ndarray]:
    """Gaussian people with Gaussian photos: two people's similarity has mean 0 and variance (1 + SPREAD^2)^2
    / DIMENSIONS.
    """
    rng = torch.Generator().manual_seed(seed)
    centres = torch.randn(people, 1, DIMENSIONS, generator=rng)
    photos = centres + SPREAD * torch.randn(people, images, DIMENSIONS, generator=rng)
    return photos.reshape(-1, DIMENSIONS) / DIMENSIONS**0.5, np.repeat(np.arange(people).astype(str), images)


def calibrated(people: int, seed: int, far: float) -> MeasuredThreshold:
    return calibrate(
        Cosine(), *population(people, seed), resolution=64, far=far, rng=torch.Generator().manual_seed(seed)
    )


def test_the_rate_is_met_exactly_on_the_sample() -> None:
    embeddings, people = population(60, 0)
    result = calibrate(Cosine(), embeddings, people, resolution=64, far=0.01)
    scores = Cosine().similarities(embeddings, embeddings).double().numpy()
    i, j = np.triu_indices(180, 1)
    impostor, genuine = (scores[i, j][(people[i] == people[j]) == same] for same in (False, True))
    assert (
        (result.impostor_pairs, result.genuine_pairs)
        == (len(impostor), len(genuine))
        == (60 * 59 // 2 * 9, 180)
    )
    assert (result.people, result.images) == (60, 180)
    assert (impostor >= result.threshold).sum() == int(0.01 * len(impostor))
    assert result.tar == (genuine >= result.threshold).mean()
    best = max(((genuine >= t).mean() + (impostor < t).mean()) / 2 for t in genuine)
    assert result.accuracy == pytest.approx(best)


def test_threshold_is_the_quantile_of_the_population() -> None:
    result = calibrated(300, 1, 0.01)
    # inner product of two independent Gaussian vectors
    expected = norm.isf(0.01) * (1 + SPREAD**2) / DIMENSIONS**0.5
    assert result.threshold_interval[0] < expected * 1.03 and result.threshold_interval[1] > expected * 0.97
    assert result.threshold_interval[0] < result.threshold < result.threshold_interval[1]


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    truth = float(np.mean([calibrated(200, 1000 + k, 0.01).threshold for k in range(10)]))
    runs = [calibrated(60, k, 0.01) for k in range(40)]

    def held(widening: float) -> int:
        return sum(
            run.threshold + widening * (run.threshold_interval[0] - run.threshold)
            <= truth
            <= run.threshold + widening * (run.threshold_interval[1] - run.threshold)
            for run in runs
        )

    assert held(1) >= 31  # at a coverage of 95 % (90 %) fewer have probability 2e-5 (0.5 %); seeds are fixed
    assert held(0.25) < 31, "intervals a quarter as wide would be found out"
    fars = sum(run.far_interval[0] <= 0.01 <= run.far_interval[1] for run in runs)
    assert fars == 40, "around its own threshold the rate is what was asked for"


def test_more_people_give_narrower_intervals() -> None:
    few, many = calibrated(50, 3, 0.01), calibrated(400, 3, 0.01)
    assert np.ptp(many.threshold_interval) < 0.6 * np.ptp(few.threshold_interval)
    assert np.ptp(many.tar_interval) < 0.6 * np.ptp(few.tar_interval)


def test_draws_come_from_the_given_rng() -> None:
    assert calibrated(40, 5, 0.01) == calibrated(40, 5, 0.01)


@pytest.mark.parametrize(
    ("far", "people", "message"),
    [
        (1e-4, np.repeat(np.arange(10), 3).astype(str), "at least 100000 needed"),
        (0.1, np.arange(30).astype(str), "no person has two images"),
        (0.1, np.arange(29).astype(str), "30 embeddings, but 29 people"),
        (1.0, np.repeat(np.arange(10), 3).astype(str), r"lies in \(0, 1\), got 1.0"),
    ],
)
def test_what_cannot_be_told_is_refused(far: float, people: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calibrate(Cosine(), population(10, 0)[0], people, resolution=64, far=far)


def test_pair_accuracy_is_the_closed_form_for_gaussians() -> None:
    rng = np.random.default_rng(0)
    same = np.tile([True, False], 4000)
    scores = rng.normal(size=8000) + 2.0 * same
    folds = np.repeat(np.arange(10), 800)
    accuracy, error = pair_accuracy(scores, same, folds)
    sigma = (norm.cdf(1) * norm.sf(1) / 8000) ** 0.5
    assert abs(accuracy - norm.cdf(1)) < 4 * sigma
    assert 0.3 * sigma < error < 2 * sigma  # chi-square with 9 degrees of freedom
    assert pair_accuracy(same.astype(float), same, folds) == (1.0, 0.0)
    shuffled, _ = pair_accuracy(rng.normal(size=8000), same, folds)
    assert abs(shuffled - 0.5) < 4 * (0.25 / 8000) ** 0.5


def test_true_acceptance_is_the_closed_form_for_gaussians() -> None:
    rng = np.random.default_rng(1)
    same = np.tile([True, False], 20_000)
    folds = np.repeat(np.arange(10), 4_000)
    scores = rng.normal(size=40_000) + 2.5 * same
    for far in (0.1, 0.01):
        cut = norm.isf(far)
        expected = norm.sf(cut - 2.5)
        # Sampling of the accepted pairs, and of the threshold (a quantile of 18,000 scores) times the slope
        # there.
        sigma = np.hypot(
            (expected * (1 - expected) / 20_000) ** 0.5,
            (far / 18_000) ** 0.5 / norm.pdf(cut) * norm.pdf(cut - 2.5),
        )
        mean, deviation = true_acceptance(scores, same, folds, far=far)
        assert abs(mean - expected) < 4 * sigma
        assert abs(mean - norm.sf(norm.isf(far / 2) - 2.5)) > 4 * sigma, (
            "the check tells the rate from half of it"
        )
        assert 0.3 < deviation / (expected * (1 - expected) / 2_000) ** 0.5 < 2
    # nothing of the person is left: accepted like strangers
    protected = np.where(same, rng.normal(size=40_000), scores)
    assert abs(true_acceptance(protected, same, folds, far=0.01)[0] - 0.01) < 4 * (2 * 0.01 / 18_000) ** 0.5


def test_true_acceptance_needs_pairs_of_both_kinds() -> None:
    same = np.tile([True, False], 50)
    folds = np.repeat([0, 1], 50)
    with pytest.raises(ValueError, match="25 pairs of different people outside fold 0"):
        true_acceptance(np.zeros(100), same, folds, far=0.001)
    with pytest.raises(ValueError, match="0 pairs of one person in it"):
        true_acceptance(np.zeros(100), same & (folds == 0), folds, far=0.1)
    with pytest.raises(ValueError, match=r"lies in \(0, 1\)"):
        true_acceptance(np.zeros(100), same, folds, far=1.0)
