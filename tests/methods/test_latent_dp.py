# SPDX-License-Identifier: Apache-2.0
"""latent-dp: clip, noise, clip; budgets by group; the public gallery; outliers."""

import math

import numpy as np
import pytest
import skimage.data
import skimage.transform
import torch
from scipy import stats

from semveil.mechanisms.bounds.weights import WEIGHTINGS
from semveil.methods.latent_dp import LatentDP, group_budget
from semveil.methods.latent_model import LatentModel, load_latent_model
from semveil.methods.registry import load_method
from semveil.methods.release import ImageMethod, Reconstructing
from semveil.models.quantile_bounds import SHARES
from semveil.privacy.certificate import Certificate
from semveil.privacy.explain import explain
from semveil.privacy.guarantee import Basis

MODEL = LatentModel.example()
FALSE_ALARM = 1e-5


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_is_a_method_like_the_others() -> None:
    method = LatentDP(MODEL)
    assert isinstance(method, ImageMethod) and isinstance(method, Reconstructing)
    assert len(method.protect(torch.zeros(3, 3, 2, 2))) == 3
    assert method.model_digest != MODEL.digest, "the bounds determine the output too"


@pytest.mark.parametrize("simulated", [False, True])
@pytest.mark.parametrize("weights", ["uniform", "least-variance"])
def test_noise_between_the_two_clippings_has_each_coordinates_scale(weights: str, simulated: bool) -> None:
    """P[the upper bound is shown | lower bound put in] = exp(-S_j / b_j) / 2."""
    method, count = LatentDP(MODEL, epsilon=20.0, weights=weights), 4000
    latents = torch.full((count, 3, 4), -100.0)
    shown = method.protect_latents(latents, rng=rng() if simulated else None).latents
    assert shown is not None and method.noise is not None
    assert torch.equal(method.box.clip(shown), shown)
    at_top = (shown == method.box.clip(-latents)).sum(0).flatten().numpy()
    expected = 0.5 * np.exp(-(method.sensitivity.values / method.noise.scales).flatten().numpy())
    pvalues = [stats.binomtest(int(k), count, p).pvalue for k, p in zip(at_top, expected, strict=True)]
    assert min(pvalues) > FALSE_ALARM
    wrong = 0.5 * np.exp(-2 * (method.sensitivity.values / method.noise.scales).flatten().numpy())
    assert (
        min(stats.binomtest(int(k), count, p).pvalue for k, p in zip(at_top, wrong, strict=True))
        < FALSE_ALARM
    )


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("weights", list(WEIGHTINGS))
def test_the_budget_asked_for_is_the_budget_spent(share: float, weights: str) -> None:
    claim = LatentDP(MODEL, epsilon=3.0, clip=share, weights=weights).guarantee()
    assert claim.epsilon == pytest.approx(3.0) and claim.epsilon >= 3.0 - 1e-12
    assert claim.basis == Basis.PROVED and not claim.not_covered


def test_groups_have_budgets_that_add_up() -> None:
    method = LatentDP(MODEL, budget="red=1,others=3")
    assert method.budget == {"red": 1.0, "green-blue": 3.0}
    assert method.noise is not None
    loss = method.sensitivity.values / method.noise.scales
    assert loss[0].sum().item() == pytest.approx(1.0) and loss[1:].sum().item() == pytest.approx(3.0)
    made = method.certificate(method.protect(torch.zeros(1, 3, 2, 2)))
    assert dict(made.part_budgets) == method.budget
    assert made.nominal_epsilon == 4.0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("red=1", "leaves out"),
        ("red", "cannot read"),
        ("read=1,others=1", "did you mean 'red'"),
        ("red=1,red=2,others=1", "twice"),
        ("red=-1,others=1", "positive"),
        ("red=nan,others=1", "positive"),
        ("red=1,blue=1,others=1", "none left"),
    ],
)
def test_bad_budgets_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        group_budget(text, {"red": (0,), "blue": (1,)})


def test_clipping_alone_guarantees_nothing() -> None:
    method = LatentDP(MODEL, mechanism="none", clip=10.0)
    one, again = (method.protect(torch.full((1, 3, 2, 2), 0.02)) for _ in range(2))
    assert torch.equal(one.images, again.images)
    assert one.guarantee.epsilon is None and one.guarantee.basis == Basis.NONE
    made = method.certificate(one)
    assert Certificate.from_json(made.to_json()) == made


class TestGallery:
    METHOD = LatentDP(MODEL, mechanism="exponential", epsilon=30.0, gallery=50)

    def test_only_public_faces_are_shown_and_near_ones_more_often(self) -> None:
        assert self.METHOD.gallery is not None
        wanted = self.METHOD.gallery[7]
        shown = self.METHOD.protect_latents(wanted.expand(3000, -1, -1), rng=rng()).latents
        assert shown is not None
        match = (shown[:, None] == self.METHOD.gallery).flatten(2).all(2)
        assert bool((match.sum(1) == 1).all())
        counts = match.sum(0).numpy()
        assert counts.argmax() == 7
        law = self.METHOD.choice.probabilities(self.METHOD.utilities(wanted[None]))[0].numpy()  # type: ignore[union-attr]
        assert stats.chisquare(counts, law * 3000).pvalue > FALSE_ALARM

    def test_utilities_move_by_at_most_their_sensitivity(self) -> None:
        latents = MODEL.public_latents(40, rng(3)) * 5
        utilities = self.METHOD.utilities(self.METHOD.box.clip(latents))
        gaps = (utilities[:, None] - utilities).abs().amax(2)
        assert 0.5 < gaps.max() <= self.METHOD.utility_sensitivity.value
        corners = torch.stack([torch.full((3, 4), -99.0), torch.full((3, 4), 99.0)])
        low, high = self.METHOD.utilities(self.METHOD.box.clip(corners))
        assert (low + high).allclose(torch.tensor(-1.0, dtype=torch.float64)), (
            "opposite corners add up to the box"
        )

    def test_its_guarantee_is_the_budget_and_the_gallery_depends_on_nothing_else(self) -> None:
        release = self.METHOD.protect(torch.zeros(1, 3, 2, 2))
        assert release.guarantee.epsilon == pytest.approx(30.0) and release.guarantee.basis == Basis.PROVED
        other = LatentDP(MODEL, mechanism="exponential", epsilon=1.0, gallery=50)
        assert other.gallery is not None and self.METHOD.gallery is not None
        assert torch.equal(other.gallery, self.METHOD.gallery)


@pytest.mark.parametrize(
    "options",
    [
        {"epsilon": 0.0},
        {"epsilon": math.inf},
        {"clip": 20.0},
        {"weights": "best"},
        {"mechanism": "gauss"},
        {"calibration": "right"},
        {"epsilon": 1.0, "budget": "red=1,others=1"},
        {"calibration": "as_published", "mechanism": "exponential"},
        {"mechanism": "none", "epsilon": 1.0},
        {"mechanism": "exponential", "gallery": 1},
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict) -> None:
    with pytest.raises(ValueError):
        LatentDP(MODEL, **options)


@pytest.mark.parametrize(
    "options", [{}, {"mechanism": "exponential"}, {"calibration": "as_published", "epsilon": 0.1}]
)
def test_certificates_say_what_was_done(options: dict) -> None:
    method = LatentDP(MODEL, **options)
    made = method.certificate(method.protect(torch.zeros(1, 3, 2, 2)))
    assert Certificate.from_json(made.to_json()) == made
    assert explain(made)
    assert made.bounds is not None and made.bounds.per_coordinate
    assert made.guarantee.whole_record_epsilon == made.guarantee.epsilon
    assert made.grid_step == (method.release.step if method.release else None)


def outliers() -> dict[str, torch.Tensor]:
    """What no face is: a cat and white noise, in 64 px."""
    cat = skimage.transform.resize(skimage.data.chelsea()[:300, 80:380], (128, 128), anti_aliasing=True)
    return {
        "cat": torch.from_numpy(cat).float().permute(2, 0, 1)[None] * 2 - 1,
        "white noise": torch.rand(1, 3, 128, 128, generator=rng(1)) * 2 - 1,
    }


def test_outliers_are_forced_into_the_range_of_faces() -> None:
    """The paper's test with a dog: what lies outside the bounds before clipping is as protected as a face."""
    model = load_latent_model()
    method = load_method("latent-dp", clip=25.0, mechanism="none")
    face = model.public_latents(1, rng(5))
    for name, image in outliers().items():
        latents = model.encode(image)
        outside = (method.box.clip(latents) != latents).float().mean().item()
        ordinary = (method.box.clip(face) != face).float().mean().item()
        assert outside > 0.5 * ordinary, name
        for share in (0.0, 25.0):
            noisy = load_method("latent-dp", clip=share, epsilon=10.0)
            shown = noisy.protect_latents(latents).latents
            assert torch.equal(noisy.box.clip(shown), shown)
            assert noisy.guarantee().epsilon == pytest.approx(10.0)
