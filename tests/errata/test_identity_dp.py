# SPDX-License-Identifier: Apache-2.0
"""What docs/errata.md says about identity-dp [IDP], shown with numbers;
the sections are numbered as there.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import skimage.metrics
import skimage.transform
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from semveil.mechanisms import RenormalisedLaplace, sphere_sensitivity
from semveil.methods.identity_dp import IdentityDP, observed_sensitivity
from semveil.metrics import ssim
from semveil.models.face import load_model
from semveil.models.identity import IdentityModel, load_identity_model
from semveil.privacy.composition import compose
from semveil.privacy.guarantee import Basis, Guarantee

MODEL = IdentityModel.example()
OBSERVED, D = 28.0, 512  # what a maximum over faces comes to for 512 numbers


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def people(count: int, dimension: int, seed: int = 0) -> Tensor:
    return normalize(torch.randn(count, dimension, generator=rng(seed)))


def photo() -> NDArray[np.float64]:
    """A face as the paper crops it: 256 x 256 levels."""
    return (
        skimage.transform.resize(skimage.data.astronaut()[:220, 115:335], (256, 256), anti_aliasing=True)
        * 255.0
    )


@pytest.mark.parametrize(("dimension", "largest"), [(512, 45.25), (256, 32.0), (64, 16.0)])
def test_1_two_vectors_of_length_one_lie_up_to_two_root_d_apart(dimension: int, largest: float) -> None:
    corner = torch.full((dimension,), 1 / math.sqrt(dimension), dtype=torch.float64)
    assert (
        (corner - -corner).abs().sum().item()
        == pytest.approx(2 * math.sqrt(dimension))
        == pytest.approx(largest, abs=0.01)
    )
    assert sphere_sensitivity(dimension, "l1").value == pytest.approx(largest, abs=0.01)


def test_1_a_maximum_over_a_test_set_is_exceeded_by_photos_outside_it() -> None:
    vectors = people(1500, D)
    values = [observed_sensitivity(vectors[:count]).value for count in (50, 300, 1500)]
    assert values[0] < values[1] < values[2] < 2 * math.sqrt(D)
    assert values[2] == pytest.approx(OBSERVED, abs=1.0)
    assert observed_sensitivity(vectors[:50]).basis == Basis.OBSERVED_SENSITIVITY


def test_1_the_maximum_tells_of_the_set() -> None:
    """Whether one person's photo is in the set decides the scale of everybody's noise."""
    others, outlier = (
        people(40, D),
        torch.full((1, D), 1 / math.sqrt(D)) * torch.tensor([1.0, -1.0]).repeat(D // 2),
    )
    assert observed_sensitivity(torch.cat([others, outlier])).value > observed_sensitivity(others).value


def test_1_the_true_epsilon_of_the_published_scale() -> None:
    model = replace(MODEL, dim=D)
    claim = IdentityDP(
        model, epsilon=6.0, calibration="as_published", observed_sensitivity=OBSERVED
    ).guarantee()
    assert claim.epsilon == pytest.approx(6 * 2 * math.sqrt(D) / OBSERVED) == pytest.approx(9.70, abs=0.01)


def test_2_attributes_tell_photos_apart_whatever_the_noise() -> None:
    method = IdentityDP(MODEL, epsilon=0.01)
    assert method.guarantee().whole_record_epsilon is None
    photos = torch.cat([torch.full((50, 3, 4, 4), level) for level in (-0.5, 0.5)])
    dark, light = method.protect(photos, rng=rng(0)).images.mean((1, 2, 3)).split(50)
    assert dark.max() < light.min()


def test_2_where_photos_agree_in_their_attributes_the_proof_holds() -> None:
    alike = replace(MODEL, attributes=lambda images: (torch.zeros_like(images),))
    method = IdentityDP(alike, epsilon=0.01)
    photos = torch.cat([torch.full((400, 3, 4, 4), level) for level in (-0.5, 0.5)])
    dark, light = method.protect(photos, rng=rng(0)).images.mean((1, 2, 3)).split(400)
    assert abs(dark.mean() - light.mean()) < 5 * dark.std() / math.sqrt(200)


@pytest.mark.parametrize(
    ("epsilon", "cosine"), [(0.57, 0.00064), (6, 0.0067), (100, 0.11), (400, 0.41), (800, 0.67)]
)
def test_3_the_cosine_that_is_left_of_an_identity(epsilon: float, cosine: float) -> None:
    law = RenormalisedLaplace(D, OBSERVED / epsilon)
    assert law.cosine_kept() == pytest.approx(cosine, rel=0.05)
    vectors = people(1, D).expand(2000, -1)
    made = (law(vectors, rng=rng(1)) * vectors).sum(1)
    assert made.mean().item() == pytest.approx(
        law.cosine_kept(), abs=5 * made.std().item() / math.sqrt(2000) + 0.005
    )


def test_3_noise_of_the_recommended_budgets_drowns_the_vector() -> None:
    noise = OBSERVED / 0.57 * np.random.default_rng(0).laplace(size=(200, D))
    assert np.linalg.norm(noise, axis=1).mean() == pytest.approx(1570, rel=0.02)
    assert np.linalg.norm(people(5, D).numpy(), axis=1) == pytest.approx(1.0)


def test_3_dividing_by_the_length_costs_no_privacy_and_keeps_the_direction() -> None:
    law = RenormalisedLaplace(D, 4.0)
    made = law(people(3, D), rng=rng(0))
    assert made.norm(dim=1).allclose(torch.ones(3))
    assert law.epsilon == pytest.approx(2 * math.sqrt(D) / 4)


def test_3_eq_11_to_the_letter_leaves_no_face_on_the_bundled_networks() -> None:
    """On faces of nobody, with the noise that is divided by its length as the control."""
    faces_model, model = load_model(), load_identity_model()
    with torch.inference_mode():
        drawn = faces_model.generator.synthesize(faces_model.random_faces(4, rng=rng(0))).clamp(-1, 1)
    faces = interpolate(drawn, size=model.size, mode="area")
    similar = {}
    for renormalise in (True, False):
        method = IdentityDP(model, epsilon=6.0, mechanism="laplace", renormalise=renormalise)
        similar[renormalise] = ssim(faces, method.protect(faces, rng=rng(1)).images)
    assert similar[False].max() < 0.1 and similar[True].min() > 0.5


def test_4_releases_about_one_person_add_up() -> None:
    once = IdentityDP(MODEL, epsilon=6.0).guarantee()
    hundred = compose(*[once] * 100)
    assert hundred.epsilon == pytest.approx(600)
    both = compose(Guarantee(6.0, "the identity", Basis.PROVED), Guarantee(1.0, "the hair", Basis.PROVED))
    assert both.epsilon == pytest.approx(7.0), "identity and hair are one person's: no maximum of the two"
    assert compose(once, Guarantee(1.0, "the hair", Basis.PROVED)).epsilon is None, (
        "the attributes show the hair"
    )


def test_5_the_definition_as_printed_holds_for_everything() -> None:
    """P[M(X) in Y] over the whole range is 1 for each mechanism, also for one that publishes the photo."""

    def probability(inputs: Sequence[int], range_of_outputs: set[int]) -> float:
        return float(np.mean([x in range_of_outputs for x in inputs]))

    whole = {0, 1}
    assert probability([0], whole) <= math.exp(0.0) * probability([1], whole)
    assert probability([0], {0}) > math.exp(6.0) * probability([1], {0}), "over sets of outputs it does not"


def test_5_the_adversarial_loss_is_the_discriminators_to_raise() -> None:
    """Eq. 14 is larger for a discriminator that is right; the generator minimises it, and only its second
    term is of use.
    """

    def loss(real: float, fake: float) -> float:
        return math.log(real) + math.log(1 - fake)

    assert loss(0.9, 0.1) > loss(0.5, 0.5) > loss(0.1, 0.9)


def psnr(changed: NDArray[np.float64]) -> float:
    return float(skimage.metrics.peak_signal_noise_ratio(photo(), changed, data_range=255.0))


def in_the_face(changed: NDArray[np.float64]) -> NDArray[np.float64]:
    """The photo with its face region, dlib's box, from another picture."""
    shown = photo()
    shown[82:231, 49:197] = changed[82:231, 49:197]
    return shown


def test_6_noise_of_nine_levels_cannot_cost_so_much() -> None:
    noisy = photo() + 9 * np.random.default_rng(0).normal(size=photo().shape)
    assert 20 * math.log10(255 / 9) == pytest.approx(29.05, abs=0.01)
    assert psnr(noisy.clip(0, 255)) >= 29.0, "clamping only helps; printed are 23.831 dB"
    assert psnr(in_the_face(noisy.clip(0, 255))) > psnr(noisy.clip(0, 255)) + 3


def test_6_noise_that_overflows_costs_more_than_printed() -> None:
    """On a photo with dark and bright parts; so between clamped and overflowing bytes lies the printed
    figure.
    """
    noisy = photo() + 9 * np.random.default_rng(0).normal(size=photo().shape)
    assert psnr(in_the_face(noisy.round() % 256)) < 23.831 < psnr(in_the_face(noisy.clip(0, 255)))


def test_6_shrinking_to_seven_pixels_costs_more_than_to_nineteen() -> None:
    def shrunk(side: int) -> NDArray[np.float64]:
        small = skimage.transform.resize(photo(), (side, side), anti_aliasing=True)
        return skimage.transform.resize(small, (256, 256))

    assert psnr(shrunk(7)) < psnr(shrunk(19)), "printed are 27.405 dB for 7 x 7 and 24.829 dB for 19 x 19"
    assert psnr(shrunk(256 // 7)) > psnr(shrunk(256 // 19)), (
        "shrinking so many times costs as printed, more for 19"
    )
