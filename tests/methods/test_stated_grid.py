# SPDX-License-Identifier: Apache-2.0
"""What a method releases on basis `proved` lies on the grid that its certificate states; noise drawn in
floats does not.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from semveil.mechanisms import SPHERE_MECHANISMS, ClipBox, ExactRelease
from semveil.methods.baselines import DPSVD, DPPix, PixelNoise
from semveil.methods.certificates import certificate_of
from semveil.methods.dp_image import DPImage
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel
from semveil.methods.messages import to_message
from semveil.methods.noise_image import NoiseImage
from semveil.methods.protections import PROTECTIONS
from semveil.methods.registry import image_methods
from semveil.models.face import FaceModel, load_model
from semveil.models.identity import IdentityModel
from semveil.models.noise_image import NoiseImageModel
from semveil.privacy.guarantee import Basis

NOISY = [name for name, kind in PROTECTIONS.items() if kind.genuine_noise]

Shown = tuple[Tensor, float | None, Basis]


def photos(method: Any) -> Tensor:
    return (
        torch.rand(
            8, 3, method.size, method.size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
        )
        * 2
        - 1
    )


def latents_inside(method: LatentDP) -> Shown:
    """Those that the second clipping did not move to an end of the box."""
    release = method.protect(photos(method))
    assert release.latents is not None
    inside = (release.latents > method.box.lower) & (release.latents < method.box.upper)
    assert inside.sum() > 20
    return release.latents[inside], method.certificate(release).grid_step, release.guarantee.basis


def latents(method: Any) -> Shown:
    release = method.protect(photos(method))
    return release.latents, method.certificate(release).grid_step, release.guarantee.basis


def pictures(method: Any) -> Shown:
    release = method.protect(photos(method))
    return release.images.double(), method.certificate(release).grid_step, release.guarantee.basis


def noisy(method: Any, numbers: Callable[[Tensor], Tensor]) -> Shown:
    """What a baseline put noise on, read off its pictures of levels (8, 3, S, S), up to the rounding of
    float64.
    """
    release = method.protect(photos(method))
    levels = (release.images + 1) * 127.5
    return (
        (numbers(levels) * 2**28).round() / 2**28,
        method.certificate(release).grid_step,
        release.guarantee.basis,
    )


METHODS: Mapping[str, Callable[[], Shown]] = {
    "dp-image": lambda: latents(DPImage(LatentModel.example(), epsilon=3.0)),
    "dp-image clip": lambda: latents(DPImage(LatentModel.example(), epsilon=3.0, clip=10.0)),
    "latent-dp": lambda: latents_inside(LatentDP(LatentModel.example(), epsilon=200.0)),
    **{
        f"identity-dp {name}": lambda name=name: latents(
            IdentityDP(IdentityModel.example(), epsilon=3.0, mechanism=name)
        )
        for name in SPHERE_MECHANISMS
    },
    "noise-image": lambda: pictures(NoiseImage(NoiseImageModel.example(), epsilon=3.0)),
    "pixel-noise": lambda: noisy(PixelNoise(size=16), Tensor.clone),
    # sums over cells
    "dp-pix": lambda: noisy(DPPix(size=16, block=4), lambda levels: 16 * levels[..., ::4, ::4]),
    "dp-svd": lambda: noisy(DPSVD(size=16, rank=2), lambda levels: torch.linalg.svdvals(levels)[..., :2]),
}
NO_NOISE = {"blur", "mosaic"}


def on_the_grid(shown: Shown) -> bool:
    values, step, basis = shown
    assert basis == Basis.PROVED and step is not None and step > 0
    return bool((values.double() % step == 0).all())


def in_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every exact release is replaced by the same law's simulation, under the same claim."""
    rng = torch.Generator().manual_seed(0)
    monkeypatch.setattr(ExactRelease, "__call__", lambda self, x: self.mechanism(x, rng=rng))
    for kind in map(SPHERE_MECHANISMS.__getitem__, SPHERE_MECHANISMS):
        monkeypatch.setattr(kind, "release", lambda self, x: self(x, rng=rng))


def test_every_method_is_here_or_has_no_noise() -> None:
    assert {name.split()[0] for name in METHODS} | NO_NOISE == set(image_methods())


@pytest.mark.parametrize("method", [PixelNoise(size=16), DPPix(size=16, block=4), DPSVD(size=16, rank=2)])
def test_simulated_noise_states_no_grid(method: Any) -> None:
    simulated = method.protect(photos(method), rng=torch.Generator().manual_seed(0))
    assert method.certificate(simulated).grid_step is None


@pytest.mark.parametrize("name", list(METHODS))
def test_released_numbers_lie_on_the_stated_grid_and_floats_do_not(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert on_the_grid(METHODS[name]())
    in_floats(monkeypatch)
    assert not on_the_grid(METHODS[name]())


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_model()


@pytest.mark.parametrize("protection", NOISY)
def test_symbols_lie_on_the_stated_grid(
    model: FaceModel, protection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = DPSemCom(model, private_codes=(0,), epsilon=3.0, protection=protection)
    codes = model.public_latents(1, rng=torch.Generator().manual_seed(0)).double()
    certificate = certificate_of(to_message(method, method.send_codes(codes.float())), method)

    def block() -> Shown:
        return (
            method.protector.protect(codes[:, [0]]).block,
            certificate.grid_step,
            certificate.guarantee.basis,
        )

    assert on_the_grid(block())
    in_floats(monkeypatch)
    assert not on_the_grid(block())


def test_one_method_that_bypasses_its_release_is_noticed() -> None:
    """latent-dp with noise of its mechanism instead of its release, still called proved."""
    method = LatentDP(LatentModel.example(), epsilon=200.0)
    assert method.noise is not None
    noise = method.noise
    step = method.release.step if method.release else None
    drawn = type("Floats", (ExactRelease,), {"__call__": lambda self, x: noise(x), "step": step})
    method.release = drawn(noise)
    assert not on_the_grid(latents_inside(method))


def test_the_controls_are_about_the_noise_alone() -> None:
    box = ClipBox(-1.0, 2.0, source="an example")
    method = DPImage(replace(LatentModel.example(), box=box), epsilon=3.0)
    assert on_the_grid(latents(method))
