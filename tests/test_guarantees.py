# SPDX-License-Identifier: Apache-2.0
"""What docs/guarantees.md says with numbers, and the weaknesses that it admits, shown to exist."""

import math
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from semveil.channels import awgn
from semveil.keys import Identity, initiate, respond
from semveil.keys.keystream import KeyStream
from semveil.mechanisms import ClipBox, costs
from semveil.methods.dp_semcom import PRIVATE_CODES, DPSemCom
from semveil.methods.shared_key import SharedKey
from semveil.models.face import FaceModel, load_model
from semveil.protection.code_rotation import STEP_ERROR, CodeRotation
from semveil.protection.haar import apply_haar, haar_normals
from semveil.protection.modulo import Modulo
from semveil.protection.rotation import Rotation
from semveil.protection.rotation_space import RotationSpace

Array = NDArray[np.float64]
PAGE = Path(__file__).parents[1] / "docs" / "guarantees.md"
BOX = ClipBox(-1.0, 1.0)


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_model()


def stream(key: bytes) -> KeyStream:
    return KeyStream(key)


def test_links_and_numbers_of_the_page(model: FaceModel) -> None:
    text = PAGE.read_text()
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    assert [target for target in targets if not (PAGE.parent / target).is_file()] == []
    anchors = re.findall(r"errata\.md#([\w-]+)\)", text)
    titles = re.findall(r"^### (.*)$", (PAGE.parent / "errata.md").read_text(), re.MULTILINE)
    assert anchors and set(anchors) <= {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles
    }
    here, paper = costs(model.box, 7 * 64, 1.0), costs(ClipBox(0.0, 2.939), 7 * 512, 1.0)
    for law in ("laplace", "l2-laplace", "gaussian"):
        assert f"| {here[law]:,.0f}; {paper[law]:,.0f}" in text
    everything = costs(model.box, 28 * 64, 1.0)
    ratios = [everything[law] / here[law] for law in ("laplace", "l2-laplace", "gaussian")]
    assert ratios == pytest.approx([4, 4, 2], rel=0.01)


@pytest.mark.parametrize(
    ("shape", "printed"), [((7, 64), 1.06e-9), ((28, 64), 2.5e-9), ((7, 512), 8.47e-8), ((28, 512), 1.7e-7)]
)
def test_the_rotations_delta(shape: tuple[int, int], printed: float) -> None:
    assert CodeRotation(RotationSpace.from_box(BOX, shape), BOX).delta == pytest.approx(printed, rel=0.02)


@pytest.mark.parametrize(("shape", "printed"), [((28, 64), 7.6e-7), ((28, 512), 1.2e-4)])
def test_the_delta_of_older_messages(shape: tuple[int, int], printed: float) -> None:
    assert Rotation(RotationSpace.from_box(BOX, shape), BOX).delta == pytest.approx(printed, rel=0.02)


def test_the_mean_square_error_of_a_pair_of_normals() -> None:
    """The integral of the proof, step (2), with the part below 8 u."""
    u = 2.0**-53
    grid = np.logspace(math.log10(8 * u), 2, 400_001)
    values = 2 * grid * (4.6 + 1.01 / grid) ** 2 * np.exp(-grid)
    assert np.trapezoid(values, grid) + 8 * 4.1 < 200
    assert 5.7 * math.sqrt(200 * 7 / 2) < STEP_ERROR < 151.5


def test_modulos_epsilon_is_that_of_the_closed_form() -> None:
    """n ln cosh(L / 2b), here from the wrapped law summed over windings; attained by two values half a circle
    apart.
    """
    modulo = Modulo(BOX, (7, 64), epsilon=10.0)
    circumference = 2.0 * (1 + modulo.guard)
    turns = np.arange(-2000, 2001) * circumference
    near, far = (
        np.exp(-np.abs(distance + turns) / modulo.scale).sum() for distance in (0.0, circumference / 2)
    )
    assert 7 * 64 * math.log(near / far) == pytest.approx(modulo.epsilon, rel=1e-6)
    assert circumference / 2 <= 2.0  # the box holds two such values
    assert Modulo(BOX, (7, 64)).epsilon == 0


def test_modulos_scale_on_the_page_is_that_of_the_bundled_model(model: FaceModel) -> None:
    modulo = Modulo(model.box, (28, 64), epsilon=10.0)
    circumference = float(model.box.upper - model.box.lower) * (1 + modulo.guard)
    text = " ".join(PAGE.read_text().split())
    assert f"scale $b$ is {modulo.scale:.1f} on a circle of {circumference:.2f}" in text


def test_one_rotation_for_two_images_would_keep_their_angle() -> None:
    rng, n = np.random.default_rng(0), 32
    a, b = rng.normal(size=(2, 1, n))
    same, other = (rng.normal(size=(1, haar_normals(n))) for _ in range(2))
    assert apply_haar(same, a)[0] @ apply_haar(same, b)[0] == pytest.approx(a[0] @ b[0])
    assert apply_haar(same, a)[0] @ apply_haar(other, b)[0] != pytest.approx(a[0] @ b[0], abs=0.1)


def test_without_the_key_modulo_can_be_shifted() -> None:
    """Eve adds a vector of her choice to what Bob will read."""
    key = os.urandom(32)
    modulo = Modulo(BOX, (2, 8))
    block = torch.linspace(-0.5, 0.5, 16).view(1, 2, 8)
    change = torch.full_like(block, 0.25)
    protected = modulo.protect(block, [stream(key)])
    read = modulo.deprotect(protected.sent + change, protected.side, [stream(key)])
    torch.testing.assert_close(read, block + change, atol=1e-3, rtol=0)


def test_without_the_key_a_rotated_block_can_be_mirrored_but_not_steered() -> None:
    key = os.urandom(32)
    space = RotationSpace.from_box(BOX, (7, 64))
    rotation = CodeRotation(space, BOX)
    block = 0.3 * torch.randn(1, 7, 64, generator=torch.Generator().manual_seed(1))
    protected = rotation.protect(block, [stream(key)])

    def read(heard: Tensor) -> Tensor:
        return rotation.deprotect(heard, protected.side, [stream(key)])

    centre = space.mean.float()
    original = read(protected.sent) - centre
    mirrored = read(-protected.sent) - centre
    assert cosine(mirrored, -original) > 0.98  # the mask is subtracted as it was
    torch.testing.assert_close(read(3 * protected.sent), read(protected.sent), atol=0.1, rtol=0)
    push = torch.ones_like(block) * protected.sent.norm() / block.numel() ** 0.5
    moved = read(protected.sent + push) - centre
    n = block.numel()
    # where she pushed, nothing is
    assert abs(cosine(moved - original * cosine(moved, original), push)) < 5 / math.sqrt(n)


def cosine(a: Tensor, b: Tensor) -> float:
    return float((a * b).sum() / (a.norm() * b.norm()))


@pytest.mark.parametrize("protection", ["rotation", "modulo"])
def test_a_deniable_message_is_not_deniable(model: FaceModel, protection: str) -> None:
    """Codes from the public prior, sent at 20 dB: the prior likes what the true key opens better than what 5
    wrong ones do.
    """
    faces, key = model.public_latents(48, rng=torch.Generator().manual_seed(2)), SharedKey.fresh()
    method = DPSemCom(model, protection=protection, private_codes=PRIVATE_CODES, key=key, authenticate=False)
    sent = method.send_codes(faces)
    sent = replace(sent, symbols=awgn(sent.symbols, 20.0, rng=torch.Generator().manual_seed(3)))
    private = list(method.private_codes)

    def likelihood(candidate: SharedKey) -> Tensor:
        bob = DPSemCom(
            model, protection=protection, private_codes=PRIVATE_CODES, key=candidate, authenticate=False
        )
        codes = bob.heard_codes(sent)
        codes[:, private] = bob.protector.deprotect(codes[:, private], sent.keyed, sent.bound())
        return log_prior(model, codes)

    true = likelihood(key)
    wrong = torch.stack([likelihood(SharedKey.fresh()) for _ in range(5)])
    assert (true > wrong.max(0).values).all()


def log_prior(model: FaceModel, codes: Tensor) -> Tensor:
    """ln density, up to a constant, of codes heard with the channel's noise, under the model's Gaussian
    prior.
    """
    prior = model.prior
    assert prior is not None
    factors, variance = prior.factors.double().flatten(1), prior.residual.double().flatten().square() + 0.01
    centred = (codes.double() - prior.mean.double()).flatten(1)
    inside = (centred / variance) @ factors.T
    information = torch.eye(len(factors), dtype=torch.float64) + (factors / variance) @ factors.T
    explained = torch.linalg.solve(information, inside.T).T
    return -0.5 * ((centred.square() / variance).sum(1) - (inside * explained).sum(1))


def test_who_stole_bobs_identity_can_write_to_him_as_alice() -> None:
    """Everything that `initiate` takes of Alice's, beside her public file, Bob's secret gives too."""
    from semveil.keys.agreement import X25519PrivateKey, X25519PublicKey

    alice, bob = Identity.generate(), Identity.generate()
    secret, offer = initiate(alice, bob.public)
    assert respond(bob, alice.public, offer) == secret  # old offers too: no forward secrecy against Bob's key
    as_bob, as_alice = (
        X25519PrivateKey.from_private_bytes(bob.x25519),
        X25519PrivateKey.from_private_bytes(alice.x25519),
    )
    static = as_bob.exchange(X25519PublicKey.from_public_bytes(alice.public.x25519))
    assert static == as_alice.exchange(X25519PublicKey.from_public_bytes(bob.public.x25519))
    stranger = Identity.generate()
    assert respond(bob, stranger.public, offer) != secret  # control: bound to the sender


class Likelihood:
    """Log density of codes under the public prior, up to a constant."""

    def __init__(self, model: FaceModel) -> None:
        assert model.prior is not None
        mean, factors, residual = (
            part.double().flatten(-2)
            for part in (model.prior.mean, model.prior.factors, model.prior.residual)
        )
        self.mean, self.root = mean, torch.linalg.cholesky(factors.T @ factors + torch.diag(residual**2))

    def __call__(self, codes: Tensor) -> Tensor:
        apart = (codes.double().flatten(1) - self.mean).T
        return -torch.linalg.solve_triangular(self.root, apart, upper=False).square().sum(0) / 2


@pytest.mark.parametrize(
    ("protection", "private", "found"),
    [
        ("rotation", PRIVATE_CODES, True),
        ("modulo", PRIVATE_CODES, True),
        ("modulo", None, True),
        ("rotation", None, False),
    ],
)
def test_codes_of_a_wrong_key_are_unlike_a_face_unless_all_are_rotated(
    model: FaceModel, protection: str, private: tuple[int, ...] | None, found: bool
) -> None:
    """What deniability is worth: the public prior tells the true key from five wrong ones."""

    def method() -> DPSemCom:
        key = SharedKey.fresh()
        return DPSemCom(model, protection=protection, private_codes=private, key=key, authenticate=False)

    codes = model.box.clip(model.public_latents(16, rng=torch.Generator().manual_seed(0)))
    alice, likelihood = method(), Likelihood(model)
    sent = alice.send_codes(codes)
    heard = replace(sent, symbols=awgn(sent.symbols, 20.0, rng=torch.Generator().manual_seed(1)))
    true = likelihood(alice.receive_codes(heard))
    wrong = torch.stack([likelihood(method().receive_codes(heard)) for _ in range(5)])
    assert bool((true > wrong).all()) is found
    if not found:
        assert wrong.mean() > 1.3 * true.mean()  # both negative: nearly as likely
