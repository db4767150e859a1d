# SPDX-License-Identifier: Apache-2.0
"""N: its sizes against closed forms, its clipping, and that it does what its sensitivity says."""

import math

import pytest
import torch
from scipy.stats import norm

from semveil.training.explanation_noise import CALIBRATIONS, ExplanationNoise


def _delta(epsilon: float, std: float, sensitivity: float) -> float:
    """Balle and Wang (2018), Theorem 8, written out."""
    half, shift = sensitivity / (2 * std), epsilon * std / sensitivity
    return norm.cdf(half - shift) - math.exp(epsilon) * norm.cdf(-half - shift)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 1e-5), (0.1, 0.9), (0.9, 1e-5), (0.9, 0.9)])
def test_the_corrected_noise_is_exactly_private_for_the_clipped_weights(epsilon: float, delta: float) -> None:
    std = ExplanationNoise(epsilon, delta).std
    assert _delta(epsilon, std, math.sqrt(2)) == pytest.approx(delta, rel=1e-6)
    assert _delta(epsilon, 0.9 * std, math.sqrt(2)) > delta  # less noise would not do


def test_the_other_calibrations_are_the_paper_s_and_the_code_s() -> None:
    assert ExplanationNoise(0.1, 1e-5, calibration="as_published").std == pytest.approx(48.45, abs=0.01)
    assert ExplanationNoise(0.1, 1e-5, calibration="as_released").std == pytest.approx(2347.2, abs=0.1)
    assert ExplanationNoise(0.9, 0.9, calibration="as_released").std == pytest.approx(0.811, abs=0.001)


def test_a_guarantee_says_what_the_noise_is_worth_and_not_what_was_asked_for() -> None:
    for calibration in CALIBRATIONS:
        noise = ExplanationNoise(0.9, 1e-5, calibration=calibration)
        claim = noise.guarantee(100)
        assert claim.epsilon is not None and claim.basis.value == "simulation"
        assert _delta(claim.epsilon, noise.std, math.sqrt(2)) == pytest.approx(1e-5, rel=1e-3)
    # The classical bound with sensitivity 1 is exceeded by class weights that lie sqrt(2) apart.
    assert (ExplanationNoise(0.9, 1e-5, calibration="as_published").guarantee(100).epsilon or 0) > 0.9


def test_weights_are_clipped_before_the_noise() -> None:
    scores = torch.tensor([[50.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    noise = ExplanationNoise(1e6, 0.5, clip=0.25)  # hardly any noise
    weights = noise.on_weights(scores, rng=torch.Generator().manual_seed(0))
    expected = torch.tensor([[0.25, 0.0, 0.0], [0.25 / math.sqrt(3)] * 3])
    assert torch.allclose(weights, expected, atol=1e-3)
    assert noise.sensitivity(3).value == pytest.approx(0.25 * math.sqrt(2))


def test_the_noise_has_its_size_and_differs_between_pictures() -> None:
    noise, rng = ExplanationNoise(0.9, 1e-5), torch.Generator().manual_seed(1)
    weights = noise.on_weights(torch.zeros(400, 100), rng=rng)
    assert weights.std().item() == pytest.approx(noise.std, rel=5 / math.sqrt(2 * weights.numel()))
    assert not torch.equal(weights[0], weights[1])
    maps = torch.randn(2, 3, 8, 8, generator=rng)
    assert torch.equal(noise.on_maps(maps, rng=rng), maps)  # it is on the scores


def test_noise_on_the_map_leaves_the_weights_alone() -> None:
    noise, rng = ExplanationNoise(5.0, 1e-5, place="map"), torch.Generator().manual_seed(2)
    scores = torch.randn(4, 10, generator=rng)
    assert torch.equal(noise.on_weights(scores, rng=rng), scores.softmax(1))
    maps = 1e-4 * torch.randn(200, 3, 8, 8, generator=rng)
    noisy = noise.on_maps(maps, rng=rng)
    clean = maps / maps.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    assert (noisy - clean).std().item() == pytest.approx(noise.std, rel=5 / math.sqrt(2 * maps.numel()))
    assert noise.sensitivity(192).value == 2.0
    assert torch.isfinite(noise.on_maps(torch.zeros(1, 3, 8, 8), rng=rng)).all()


@pytest.mark.parametrize(
    "wrong",
    [{"epsilon": 0.0}, {"delta": 1.0}, {"clip": -1.0}, {"calibration": "analytic"}, {"place": "maps"}],
)
def test_what_is_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ExplanationNoise(**wrong)  # type: ignore[arg-type]
