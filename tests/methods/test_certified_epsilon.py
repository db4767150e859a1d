# SPDX-License-Identifier: Apache-2.0
"""The epsilon of every certificate,
computed again from what the certificate says of noise and sensitivity.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from semveil.mechanisms import SPHERE_MECHANISMS, gaussian_delta
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
from semveil.models.face import FaceModel, load_model
from semveil.models.identity import IdentityModel
from semveil.models.noise_image import NoiseImageModel
from semveil.privacy.certificate import Certificate

NOISY = [name for name, kind in PROTECTIONS.items() if kind.genuine_noise]

Maker = Callable[[], Any]
IMAGES: Mapping[str, tuple[Maker, float]] = {  # the method, and how many draws it pays for
    "dp-image scale": (lambda: DPImage(LatentModel.example(), scale=4.0), 1),
    "dp-image epsilon": (lambda: DPImage(LatentModel.example(), epsilon=3.0), 1),
    "dp-image clip": (lambda: DPImage(LatentModel.example(), scale=4.0, clip=10.0), 1),
    "dp-image draws": (lambda: DPImage(LatentModel.example(), scale=4.0, accept="face", draws=3), 3),
    "latent-dp": (lambda: LatentDP(LatentModel.example(), epsilon=3.0), 1),
    "latent-dp weights": (lambda: LatentDP(LatentModel.example(), epsilon=3.0, weights="least-variance"), 1),
    "latent-dp budget": (lambda: LatentDP(LatentModel.example(), budget="red=1,green-blue=2"), 1),
    "latent-dp exponential": (
        lambda: LatentDP(LatentModel.example(), epsilon=3.0, mechanism="exponential", gallery=5),
        1,
    ),
    **{
        f"identity-dp {name}": (
            lambda name=name: IdentityDP(IdentityModel.example(), epsilon=3.0, mechanism=name),
            1,
        )
        for name in SPHERE_MECHANISMS
    },
    "identity-dp as published": (
        lambda: IdentityDP(
            IdentityModel.example(), epsilon=3.0, calibration="as_published", observed_sensitivity=1.0
        ),
        1,
    ),
    "noise-image": (lambda: NoiseImage(NoiseImageModel.example(), epsilon=3.0), 1),
    "pixel-noise": (lambda: PixelNoise(sigma=300.0, size=8), 1),
    "dp-pix": (lambda: DPPix(block=4, size=8), 1),
    "dp-svd": (lambda: DPSVD(size=8), 1),
}


def claims_what_was_drawn(certificate: Certificate, draws: float = 1) -> bool:
    """Epsilon follows from scale and sensitivity where both are stated, and else is the budget that was asked
    for.
    """
    claim, scale, sensitivity = certificate.guarantee, certificate.scale, certificate.sensitivity
    assert claim.epsilon is not None
    if certificate.mechanism == "gaussian":
        assert scale is not None and sensitivity is not None
        return gaussian_delta(claim.epsilon, scale / sensitivity.value) == pytest.approx(
            claim.delta, rel=1e-3
        )
    if scale is not None and sensitivity is not None:
        expected = draws * sensitivity.value / scale
    else:
        assert certificate.nominal_epsilon is not None
        expected = draws * certificate.nominal_epsilon
    return math.isclose(claim.epsilon, expected, rel_tol=1e-6)


def certified(made: tuple[Maker, float], monkeypatch: pytest.MonkeyPatch) -> Certificate:
    monkeypatch.setattr("semveil.methods.dp_image.ACCEPTANCE", {"face": lambda picture: False})
    method = made[0]()
    release = method.protect(torch.zeros(1, 3, method.size, method.size))
    certificate = method.certificate(release)
    assert certificate.guarantee == release.guarantee == method_claim(method, release)
    return certificate


def method_claim(method: Any, release: Any) -> Any:
    return method.guarantee() if hasattr(method, "guarantee") else release.guarantee


def halved(certificate: Certificate) -> Certificate:
    claim, parts = (
        certificate.guarantee,
        {part: epsilon / 2 for part, epsilon in certificate.part_budgets.items()},
    )
    return replace(
        certificate, guarantee=replace(claim, epsilon=(claim.epsilon or 0.0) / 2), part_budgets=parts
    )


@pytest.mark.parametrize("name", list(IMAGES))
def test_epsilon_follows_from_the_noise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = certified(IMAGES[name], monkeypatch)
    assert claims_what_was_drawn(certificate, IMAGES[name][1])
    assert not claims_what_was_drawn(halved(certificate), IMAGES[name][1])


@pytest.mark.parametrize("name", list(IMAGES))
def test_a_method_that_certifies_half_its_epsilon_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(IMAGES[name][0]())
    honest = kind.certificate
    monkeypatch.setattr(kind, "certificate", lambda self, release: halved(honest(self, release)))
    with pytest.raises(AssertionError):
        certified(IMAGES[name], monkeypatch)


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_model()


@pytest.mark.parametrize("protection", [*NOISY, "laplace by part", "modulo"])
def test_a_messages_epsilon_follows_from_the_noise(model: FaceModel, protection: str) -> None:
    options: dict[str, Any] = {"protection": protection, "private_codes": (0, 1), "epsilon": 3.0}
    if protection == "laplace by part":
        options = {"budget": {"skin": 1.0, "eyes": 2.0}}
    method = DPSemCom(model, **options)
    codes = model.public_latents(1, rng=torch.Generator().manual_seed(0))
    certificate = certificate_of(to_message(method, method.send_codes(codes)), method)
    assert claims_what_was_drawn(certificate)
    assert not claims_what_was_drawn(halved(certificate))
