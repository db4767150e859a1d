# SPDX-License-Identifier: Apache-2.0
"""dp-image: noise, sensitivities, draws, certificates."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from semveil.methods.acceptance import ACCEPTANCE
from semveil.methods.dp_image import DPImage
from semveil.methods.latent_model import LatentModel, load_latent_model
from semveil.methods.options import read_options
from semveil.methods.registry import load_method
from semveil.methods.release import ImageMethod, Reconstructing
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import Certificate
from semveil.privacy.explain import explain
from semveil.privacy.guarantee import Basis

MODEL = LatentModel.example()
FALSE_ALARM = 1e-5


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_is_a_method_like_the_others() -> None:
    method = DPImage(MODEL)
    assert isinstance(method, ImageMethod) and isinstance(method, Reconstructing)
    photos = torch.rand(3, 3, 2, 2) - 0.5
    torch.testing.assert_close(method.reconstruct(photos), photos)
    assert len(method.protect(photos)) == 3


@pytest.mark.parametrize("simulated", [False, True])
def test_noise_is_laplace_of_the_scale_on_clipped_latents(simulated: bool) -> None:
    method = DPImage(MODEL, scale=0.7)
    latents = torch.tensor([-9.0, 0.5, 9.0]).repeat(4).view(1, 3, 4).expand(4000, -1, -1)
    shown = method.protect_latents(latents, rng=rng() if simulated else None).latents
    assert shown is not None
    noise = (shown - latents.clamp(-1, 2)).flatten().numpy()
    assert stats.kstest(noise, stats.laplace(scale=0.7).cdf).pvalue > FALSE_ALARM
    assert stats.kstest(noise, stats.laplace(scale=0.65).cdf).pvalue < FALSE_ALARM


def test_identity_styles_leave_the_other_codes_as_they_are() -> None:
    method = DPImage(MODEL, styles="identity")
    latents = torch.zeros(2, 3, 4)
    shown = method.protect_latents(latents).latents
    assert shown is not None
    assert bool((shown[:, 0] != 0).all()) and not shown[:, 1:].any()
    claim = method.guarantee()
    assert claim.epsilon == pytest.approx(4 * 3 / 0.5) and claim.whole_record_epsilon is None


def test_epsilon_follows_from_scale_and_box_and_back() -> None:
    assert DPImage(MODEL, scale=0.5).guarantee().epsilon == pytest.approx(12 * 3 / 0.5)
    method = DPImage(MODEL, epsilon=6.0)
    assert method.scale == pytest.approx(12 * 3 / 6.0)
    box = DPImage(MODEL, epsilon=6.0, clip=10.0).box
    assert box is not None
    widths = torch.as_tensor(box.upper) - torch.as_tensor(box.lower)
    assert DPImage(MODEL, epsilon=6.0, clip=10.0).scale == pytest.approx(widths.sum().item() / 6.0)


def test_the_three_readings_of_the_sensitivity() -> None:
    boxed, observed, metric = (
        DPImage(MODEL, scale=1.0, sensitivity=kind).guarantee() for kind in ("box", "observed", "metric")
    )
    assert boxed.basis == Basis.PROVED and boxed.epsilon == pytest.approx(36.0)
    assert observed.basis == Basis.OBSERVED_SENSITIVITY and observed.epsilon == MODEL.bounds().observed["all"]
    assert metric.epsilon is None and metric.metric is not None and metric.metric.rate == pytest.approx(1.0)
    assert not any("clipped to" in text for text in (*observed.assumptions, *metric.assumptions))
    far = torch.full((1, 3, 4), 50.0)
    shown = DPImage(MODEL, scale=1.0, sensitivity="observed").protect_latents(far).latents
    assert shown is not None and shown.mean() > 40, "nothing is clipped"


def brighter(picture: Tensor) -> bool:
    return bool(picture.sum() > 0)


def always(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    monkeypatch.setattr("semveil.methods.dp_image.ACCEPTANCE", {"face": lambda picture: answer})


def test_limited_draws_cost_as_many_epsilons_and_always_end(monkeypatch: pytest.MonkeyPatch) -> None:
    always(monkeypatch, False)
    release = DPImage(MODEL, accept="face", draws=4).protect(torch.zeros(2, 3, 2, 2))
    assert len(release) == 2
    assert release.guarantee.epsilon == pytest.approx(4 * 72.0)


def test_draws_until_accepted_are_accepted_and_cost_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semveil.methods.dp_image.ACCEPTANCE", {"face": brighter})
    release = DPImage(MODEL, accept="face", draws=0).protect(torch.zeros(20, 3, 2, 2))
    assert all(map(brighter, release.images))
    assert release.guarantee.epsilon == pytest.approx(2 * 72.0)
    plain = DPImage(MODEL).protect(torch.zeros(20, 3, 2, 2))
    assert not all(map(brighter, plain.images))


def test_a_test_that_nothing_passes_is_refused_instead_of_drawn_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    always(monkeypatch, False)
    with pytest.raises(ValueError, match="accepts none of 24 public faces"):
        DPImage(MODEL, accept="face", draws=0).protect(torch.zeros(1, 3, 2, 2))


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 1.0, "epsilon": 1.0},
        {"scale": -1.0},
        {"styles": "some"},
        {"sensitivity": "guessed"},
        {"sensitivity": "observed", "clip": 10.0},
        {"sensitivity": "metric", "epsilon": 1.0},
        {"clip": 11.0},
        {"draws": 2},
        {"accept": "face"},
        {"accept": "face", "draws": -1},
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict) -> None:
    with pytest.raises(ValueError):
        DPImage(MODEL, **options)


def test_photos_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"takes images \(B, 3, 2, 2\)"):
        DPImage(MODEL).protect(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match="got NaN"):
        DPImage(MODEL).protect(torch.full((1, 3, 2, 2), math.nan))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"styles": "identity"},
        {"sensitivity": "observed"},
        {"sensitivity": "metric"},
        {"clip": 25.0, "epsilon": 3.0},
    ],
)
def test_certificates_say_what_was_done(options: dict) -> None:
    method = DPImage(MODEL, **options)
    made = method.certificate(method.protect(torch.zeros(1, 3, 2, 2)))
    assert Certificate.from_json(made.to_json()) == made
    assert explain(made)
    assert (made.scale, made.model, made.model_hash) == (method.scale, "example", MODEL.digest)
    assert made.grid_step == method.release.step
    assert (Caveat.CODES_IN_CLEAR in made.caveats) == (options.get("styles") == "identity")
    assert (made.bounds is None) == ("sensitivity" in options)
    simulated = method.certificate(method.protect(torch.zeros(1, 3, 2, 2), rng=rng()))
    assert simulated.grid_step is None and simulated.guarantee.basis == Basis.SIMULATION


def test_options_come_from_the_command_line() -> None:
    chosen = read_options(DPImage, {"--scale": "0.25", "--styles": "identity", "--clip": "25"})
    assert chosen == {"scale": 0.25, "styles": "identity", "clip": 25.0}


def test_the_bundled_model_makes_pictures() -> None:
    model = load_latent_model()
    method = load_method("dp-image", scale=0.1)
    latents = model.public_latents(2, rng(3))
    release = method.protect_latents(latents)
    assert release.images.shape == (2, 3, 128, 128)
    assert release.guarantee.epsilon == pytest.approx(1792 * 6.965517 / 0.1, rel=1e-4)
    assert ACCEPTANCE["face"](model.synthesize(model.public_latents(1, rng(5)))[0])
    quick = replace(model, encode=lambda images: latents)
    assert not np.allclose(DPImage(quick).protect(torch.zeros(2, 3, 128, 128)).images, release.images)
