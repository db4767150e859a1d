# SPDX-License-Identifier: Apache-2.0
"""identity-dp: laws of the new identity, what is claimed of them, attributes in clear and not,
certificates.
"""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from semveil.encoders.attributes import coarsened
from semveil.mechanisms import SPHERE_MECHANISMS
from semveil.mechanisms.exact.sphere import STEP
from semveil.methods.identity_dp import IdentityDP, observed_sensitivity
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel
from semveil.methods.release import ImageMethod, Layout, Reconstructing, layout_of
from semveil.models.identity import IdentityModel
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import Certificate
from semveil.privacy.explain import explain
from semveil.privacy.guarantee import Basis

D = 64
MODEL = IdentityModel.example()
WIDE = replace(MODEL, dim=D)  # for `perturb`, which asks no network
PHOTOS = torch.linspace(-0.9, 0.8, 2 * 48).view(2, 3, 4, 4)
FALSE_ALARM = 1e-5


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pole(count: int) -> Tensor:
    return torch.eye(D)[:1].expand(count, -1)


def private_look(**options: Any) -> IdentityDP:
    method = IdentityDP(MODEL, **options)
    method.look = LatentDP(LatentModel.example(), epsilon=3.0, mechanism="exponential", gallery=6)
    return method


def test_it_is_a_method_like_the_others() -> None:
    method = IdentityDP(MODEL)
    assert isinstance(method, ImageMethod) and isinstance(method, Reconstructing)
    assert layout_of(method) == Layout.WHOLE_PHOTO
    release = method.protect(PHOTOS)
    assert release.images.shape == PHOTOS.shape
    assert release.latents is not None and release.latents.shape == (2, 1, 4)
    assert torch.equal(release.images, MODEL.fuse(release.latents[:, 0], MODEL.attributes(PHOTOS))), (
        "attributes are kept"
    )
    assert not torch.equal(release.images, method.protect(PHOTOS).images)


def test_without_noise_the_networks_give_the_photo_back() -> None:
    assert torch.equal(
        IdentityDP(MODEL).reconstruct(PHOTOS), MODEL.fuse(MODEL.identify(PHOTOS), MODEL.attributes(PHOTOS))
    )


@pytest.mark.parametrize("repel", [False, True])
@pytest.mark.parametrize("name", list(SPHERE_MECHANISMS))
def test_new_identities_keep_the_cosine_of_the_law_and_repelled_ones_its_opposite(
    name: str, repel: bool
) -> None:
    method = IdentityDP(WIDE, epsilon=20.0, mechanism=name, repel=repel)
    assert method.law is not None
    expected = method.law.cosine_kept()
    for count, stream in ((250, None), (2000, rng(1))):
        made = method.perturb(pole(count), rng=stream)
        assert made.norm(dim=1).allclose(torch.ones(count), atol=1e-5)
        cosines = made[:, 0].double().numpy() * (-1 if repel else 1)
        spread = cosines.std() / math.sqrt(count)
        assert abs(cosines.mean() - expected) < 5 * spread + 0.01 * expected  # Laplace's is an approximation
        assert abs(cosines.mean() + expected) > 10 * spread, "the sign shows"


@pytest.mark.parametrize("name", list(SPHERE_MECHANISMS))
def test_the_budget_asked_for_is_the_budget_spent(name: str) -> None:
    for repel in (False, True):
        claim = IdentityDP(WIDE, epsilon=3.0, mechanism=name, repel=repel).guarantee()
        assert claim.epsilon == pytest.approx(3.0) and claim.epsilon >= 3.0 - 1e-12
        assert claim.basis == Basis.PROVED and claim.whole_record_epsilon is None
        assert "attributes" in claim.not_covered[0]
    assert IdentityDP(WIDE, mechanism=name).guarantee(simulated=True).basis == Basis.SIMULATION


def test_the_laws_by_default() -> None:
    laws = [IdentityDP(WIDE, **options).law for options in ({}, {"repel": True}, PUBLISHED)]
    assert [law and law.name for law in laws] == ["von-mises-fisher", "von-mises-fisher", "laplace"]
    assert [law and law.epsilon for law in laws[:2]] == pytest.approx([1.0, 1.0])


PUBLISHED = {"calibration": "as_published", "observed_sensitivity": 10.0}


def test_the_published_calibration_states_its_true_epsilon() -> None:
    """Scale = observed / epsilon; any two unit vectors lie up to 2 sqrt(d) apart."""
    method = IdentityDP(WIDE, epsilon=2.0, **PUBLISHED)  # type: ignore[arg-type]
    assert method.law is not None and method.law.scale == 5.0  # type: ignore[attr-defined]
    assert method.guarantee().epsilon == pytest.approx(2 * math.sqrt(D) / 5.0)


def test_eq_11_to_the_letter_keeps_the_length_of_the_noise() -> None:
    """The same noise and the same epsilon as the renormalised law; only the length differs."""
    literal, divided = (
        IdentityDP(WIDE, epsilon=2.0, renormalise=keep, **PUBLISHED) for keep in (False, True)
    )  # type: ignore[arg-type]
    centres = pole(500)
    made, unit = (method.perturb(centres, rng=rng(3)) for method in (literal, divided))
    lengths = made.norm(dim=1)
    error = 4 * float(lengths.std()) / 500**0.5
    assert lengths.square().mean().sqrt().item() == pytest.approx((1 + 2 * D * 5.0**2) ** 0.5, abs=error)
    assert torch.allclose(made / lengths[:, None], unit, atol=1e-5) and torch.allclose(
        unit.norm(dim=1), torch.ones(500)
    )
    assert literal.guarantee().epsilon == divided.guarantee().epsilon
    released = literal.perturb(centres)
    step = literal.law.step  # type: ignore[union-attr]
    assert (
        torch.equal((released.double() / step).round() * step, released.double())
        and released.norm(dim=1).min() > 10
    )
    photos = torch.rand(2, 3, 4, 4, generator=rng()) * 2 - 1
    small = IdentityDP(MODEL, mechanism="laplace", renormalise=False)
    made_of = small.certificate(small.protect(photos))
    assert made_of.protection == "laplace-not-renormalised" and made_of.grid_step == small.law.step  # type: ignore[union-attr]


def test_the_observed_sensitivity_is_the_largest_distance_and_says_so() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(50, D, generator=rng()))
    seen = observed_sensitivity(vectors)
    assert seen.value == pytest.approx(torch.cdist(vectors.double(), vectors.double(), p=1).max().item())
    assert seen.basis == Basis.OBSERVED_SENSITIVITY and seen.value < 2 * math.sqrt(D)


def test_a_bottleneck_shows_the_attributes_less_and_is_still_not_covered() -> None:
    method = IdentityDP(MODEL, attribute_side=2)
    (seen,) = method.attributes(PHOTOS)
    assert torch.equal(seen, coarsened(PHOTOS, 2)) and not torch.equal(seen, PHOTOS)
    assert "2 x 2 pixels" in method.guarantee().not_covered[0]


def test_attributes_with_a_budget_cover_the_whole_crop() -> None:
    method = private_look(epsilon=2.0)
    release = method.protect(PHOTOS[:1].double())
    assert release.guarantee.epsilon == pytest.approx(5.0)
    assert release.guarantee.whole_record_epsilon == release.guarantee.epsilon
    assert release.guarantee.basis == Basis.PROVED
    made = method.certificate(release)
    assert dict(made.part_budgets) == pytest.approx({"identity": 2.0, "attributes": 3.0})
    assert Caveat.ATTRIBUTES not in made.caveats
    assert method.model_digest != MODEL.digest
    assert Certificate.from_json(made.to_json()) == made


def test_attributes_with_a_budget_come_from_public_faces_alone() -> None:
    method = private_look()
    assert method.look is not None and method.look.gallery is not None
    gallery = method.look.model.synthesize(method.look.gallery)
    enlarged = torch.nn.functional.interpolate(gallery, size=(4, 4), mode="bilinear", antialias=True).clamp(
        -1, 1
    )
    (seen,) = method.attributes(torch.rand(20, 3, 4, 4, generator=rng()) * 2 - 1)
    gaps = (seen[:, None].float() - enlarged.float()).abs().flatten(2).amax(2)
    assert (gaps.min(1).values < 1e-6).all()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"epsilon": 0.0}, "positive"),
        ({"epsilon": math.nan}, "positive"),
        ({"mechanism": "privunitg"}, "did you mean 'privunit-g'"),
        ({"calibration": "published"}, "did you mean 'as_published'"),
        ({"calibration": "as_published"}, "go together"),
        ({"observed_sensitivity": 9.0}, "go together"),
        ({**PUBLISHED, "mechanism": "privunit"}, "use calibration 'corrected'"),
        ({**PUBLISHED, "repel": True}, "use calibration 'corrected'"),
        ({**PUBLISHED, "observed_sensitivity": -1.0}, "positive"),
        ({"pseudonym": "a.key", "epsilon": 1.0}, "has no epsilon"),
        ({"renormalise": False}, "only Laplace noise"),
        ({"renormalise": False, "mechanism": "privunit"}, "only Laplace noise"),
        ({"renormalise": False, "pseudonym": "a.key"}, "only Laplace noise"),
        ({"attribute_side": 2, "attribute_epsilon": 1.0}, "not both"),
        ({"attribute_side": 3}, "divides the crop's, 4 pixels"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        IdentityDP(MODEL, **options)


def test_subjects_are_for_pseudonyms_only() -> None:
    with pytest.raises(ValueError, match="has no use for names"):
        IdentityDP(MODEL).protect(PHOTOS, subjects=["ada", "bo"])


def test_images_of_another_size_or_with_nan_are_refused() -> None:
    for images in (torch.zeros(1, 3, 8, 8), torch.full((1, 3, 4, 4), math.nan)):
        with pytest.raises(ValueError, match=r"takes images \(B, 3, 4, 4\)|got NaN"):
            IdentityDP(MODEL).protect(images)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"repel": True},
        {"mechanism": "laplace"},
        {"mechanism": "l2-laplace"},
        PUBLISHED,
        {"attribute_side": 2},
    ],
)
def test_certificates_say_what_was_done(options: dict) -> None:
    method = IdentityDP(MODEL, **options)
    made = method.certificate(method.protect(PHOTOS))
    assert Certificate.from_json(made.to_json()) == made
    assert Caveat.ATTRIBUTES in made.caveats and made.nominal_epsilon == 1.0 and made.grid_step == STEP
    assert made.protection.endswith("-repelling") == bool(options.get("repel"))
    noisy = "laplace" in made.protection
    assert (made.sensitivity is not None) == (made.scale is not None) == noisy
    text = " ".join(explain(made))
    assert (
        "part of the photo is protected" in text
        and "no finite epsilon holds for the photo as a whole" in text
    )
    simulated = method.certificate(method.protect(PHOTOS, rng=rng()))
    assert simulated.guarantee.basis == Basis.SIMULATION and simulated.grid_step is None


def test_epsilon_bounds_what_one_new_identity_tells_of_two_photos() -> None:
    """PrivUnit's cap around one of two opposite vectors: hit e^epsilon times as often from there, and no
    more.
    """
    method, count, epsilon = IdentityDP(WIDE, epsilon=1.0, mechanism="privunit"), 40_000, 1.0
    hits = [
        int((method.perturb(centre, rng=rng(seed))[:, 0] >= method.law.threshold).sum())  # type: ignore[union-attr]
        for seed, centre in enumerate((pole(count), -pole(count)))
    ]
    low = stats.binomtest(hits[0], count).proportion_ci(1 - FALSE_ALARM).low
    high = stats.binomtest(hits[1], count).proportion_ci(1 - FALSE_ALARM).high
    assert 0.8 * epsilon < math.log(low / high) <= epsilon
