# SPDX-License-Identifier: Apache-2.0
"""Every planted bug is caught, and the same game on the sound version passes.

Simulated noise is seeded. Games with keys or exact noise from the operating system raise a false alarm with
probability 1e-6 at most, each; a bug is missed with less (its bound lies several standard errors above the
claim).
"""

import os
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from semveil.audit import (
    Finding,
    Game,
    Verdict,
    bits_game,
    draw_rows,
    hidden_game,
    law_game,
    play,
    repeat_game,
)
from semveil.keys import KeyStream
from semveil.mechanisms import (
    ClipBox,
    CoordinateSensitivity,
    ExactRelease,
    Gaussian,
    L2Laplace,
    Laplace,
    PerCoordinateLaplace,
)
from semveil.privacy.guarantee import Guarantee, Sensitivity
from semveil.protection.modulo import Modulo
from semveil.protection.rotation import Rotation
from semveil.protection.rotation_space import RotationSpace

budgets = pytest.mark.parametrize("epsilon", [0.1, 1.0, 5.0])
ONE = np.zeros(1), np.ones(1)
L1, L2 = (Sensitivity(1.0, norm, 1, source="test") for norm in ("l1", "l2"))
EACH = CoordinateSensitivity(torch.ones(1), source="test")


def law(
    release: Callable[[Tensor], Tensor], claim: Guarantee, *, draws: int = 400_000, **more: object
) -> Finding:
    inputs = more.pop("inputs", ONE)
    return play(law_game("test", "test", release, inputs, claim, **more), draws=draws)


def plain(claim: Guarantee, inputs: tuple[np.ndarray, np.ndarray] = ONE) -> Game:
    """A game on additive noise, for others to build on."""
    return law_game("test", "test", lambda x: x, inputs, claim)


def hidden(protect: Callable[[Tensor], Tensor], claim: Guarantee) -> Game:
    """What is sent for the two corners; planted are what the protection claims to withstand."""
    norms = [float(np.linalg.norm(x)) for x in CORNERS] if claim.delta else None
    doubled = None
    if claim.epsilon:
        twice = Modulo(BOX, SHAPE, epsilon=2 * claim.epsilon)
        doubled = draw_rows(lambda x: protected(twice, x, lambda: os.urandom(32)), CORNERS)
    return hidden_game(
        "test", "test", draw_rows(protect, CORNERS), CORNERS, claim, norms=norms, doubled=doubled
    )


def verdicts(sound: Finding, broken: Finding) -> tuple[Verdict, Verdict]:
    return sound.verdict, broken.verdict


CAUGHT = Verdict.PASS, Verdict.VIOLATED


@budgets
@pytest.mark.parametrize(
    ("kind", "sensitivity"),
    [(Laplace, L1), (L2Laplace, L2), (Gaussian, L2), (PerCoordinateLaplace, EACH)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_noise_halved(kind: type, sensitivity: object, epsilon: float) -> None:
    rng = torch.Generator().manual_seed(1)
    mechanism = kind.calibrate(sensitivity, epsilon)
    claim, gaussian = mechanism.guarantee(sensitivity), kind is Gaussian
    draws = 1_800_000 if gaussian and epsilon < 1 else 400_000
    sound = law(lambda x: mechanism(x, rng=rng), claim, gaussian=gaussian, draws=draws)
    broken = law(lambda x: x + (mechanism(x, rng=rng) - x) / 2, claim, gaussian=gaussian, draws=draws)
    assert verdicts(sound, broken) == CAUGHT


@budgets
def test_norm_swapped(epsilon: float) -> None:
    """Laplace noise calibrated to the L2 diameter of a box, as [DPSC] does: true epsilon sqrt(n) times too
    large.
    """
    box, n, rng = ClipBox(0.0, 1.0), 8, torch.Generator().manual_seed(2)
    corners = np.zeros(n), np.ones(n)
    right = Laplace.calibrate(box.l1_sensitivity(n), epsilon)
    swapped = Laplace(box.l2_sensitivity(n).value / epsilon)
    claim = right.guarantee(box.l1_sensitivity(n))
    sound, broken = (
        law(lambda x, m=m: m(x, rng=rng), claim, inputs=corners, draws=1_000_000 if epsilon < 1 else 400_000)
        for m in (right, swapped)
    )
    assert not sound.alarm and sound.lower <= claim.epsilon
    assert broken.verdict == Verdict.VIOLATED


@budgets
def test_clip_left_out(epsilon: float) -> None:
    box, rng = ClipBox(0.0, 1.0), torch.Generator().manual_seed(3)
    mechanism = Laplace.calibrate(box.l1_sensitivity(1), epsilon)
    claim, outside = mechanism.guarantee(box.l1_sensitivity(1)), (np.array([-9.0]), np.array([10.0]))
    sound = law(lambda x: mechanism(box.clip(x), rng=rng), claim, inputs=outside, clipped=ONE)
    broken = law(lambda x: mechanism(x, rng=rng), claim, inputs=outside, clipped=ONE)
    assert verdicts(sound, broken) == CAUGHT


@budgets
def test_seed_fixed(epsilon: float) -> None:
    mechanism = Laplace.calibrate(L1, epsilon)
    claim, rng = mechanism.guarantee(L1), torch.Generator().manual_seed(4)
    records = [torch.from_numpy(x)[None] for x in ONE]

    def once(stream: Callable[[], torch.Generator]) -> Callable[[int], tuple[np.ndarray, bytes]]:
        return lambda world: (mechanism(records[world], rng=stream())[0].numpy(), b"")

    sound, broken = (
        play(repeat_game(plain(claim), once(stream), ONE, share=1.0), draws=16_000 if epsilon > 1 else 1_000)
        for stream in (lambda: rng, lambda: torch.Generator().manual_seed(4))
    )
    assert sound.powers[-1].caught and sound.lower <= claim.epsilon
    assert broken.verdict == Verdict.VIOLATED


def naive_laplace(scale: float, dtype: torch.dtype, rng: torch.Generator) -> Callable[[Tensor], Tensor]:
    """The textbook's inverse distribution function in floating point."""

    def release(x: Tensor) -> Tensor:
        u = torch.rand(x.shape, generator=rng, dtype=dtype) - 0.5
        return x - scale * u.sign() * torch.log1p(-2 * u.abs().clamp_max(0.5 - 2.0**-24))

    return release


@budgets
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_laplace_sampled_naively_in_floats(dtype: torch.dtype, epsilon: float) -> None:
    mechanism, rng = Laplace.calibrate(L1, epsilon), torch.Generator().manual_seed(5)
    claim = mechanism.guarantee(L1)
    naive = naive_laplace(mechanism.scale, dtype, rng)
    assert law(lambda x: naive(x.to(dtype)).double(), claim).verdict == Verdict.PASS, "its law is fine"
    assert play(bits_game(plain(claim), naive, ONE, dtype=dtype), draws=400_000).verdict == Verdict.VIOLATED
    release = ExactRelease(mechanism)
    game = plain(release.guarantee(L1))
    sound = play(bits_game(game, release, ONE, dtype=dtype, in_floats=naive), draws=24_000)
    assert not sound.alarm and sound.powers[-1].by_game > 0.95  # of the naive noise


@pytest.mark.parametrize(
    ("mechanism", "halved", "sensitivity"),
    [
        (Laplace(1.0), Laplace(0.5), L1),
        (Gaussian.calibrate(L2, 1.0), Gaussian(Gaussian.calibrate(L2, 1.0).sigma / 2), L2),
    ],
    ids=["laplace", "gaussian"],
)
def test_noise_of_a_release_halved(
    mechanism: Laplace | Gaussian, halved: Laplace | Gaussian, sensitivity: Sensitivity
) -> None:
    claim, gaussian = ExactRelease(mechanism).guarantee(sensitivity), isinstance(mechanism, Gaussian)
    sound, broken = (
        law(ExactRelease(m), claim, gaussian=gaussian, draws=30_000) for m in (mechanism, halved)
    )
    assert verdicts(sound, broken) == CAUGHT
    assert broken.alarm


SHAPE, BOX = (2, 4), ClipBox(-1.0, 1.0)
PROTECTIONS = [
    Rotation(RotationSpace.from_box(BOX, SHAPE), BOX),
    Modulo(BOX, SHAPE),
    Modulo(BOX, SHAPE, epsilon=0.5),
]
keyed = pytest.mark.parametrize("protection", PROTECTIONS, ids=["rotation", "modulo", "modulo 0.5"])
CORNERS = np.full(8, -1.0), np.concatenate([np.ones(3), np.full(5, -0.2)])


def protected(protection: Rotation | Modulo, rows: Tensor, key: Callable[[], bytes]) -> Tensor:
    return protection.protect(rows.view(-1, *SHAPE), [KeyStream(key()) for _ in rows]).sent.flatten(1)


@keyed
def test_nonce_reused(protection: Rotation | Modulo) -> None:
    """The same key stream in two messages shows whether they hold the same photo."""
    claim = protection.guarantee("the block")
    records = [torch.from_numpy(x)[None] for x in CORNERS]
    reused = os.urandom(32)

    def once(key: Callable[[], bytes]) -> Callable[[int], tuple[np.ndarray, bytes]]:
        return lambda world: (protected(protection, records[world], key)[0].numpy(), b"")

    sound, broken = (
        play(repeat_game(hidden(lambda x: x, claim), once(key), CORNERS, share=1.0), draws=300)
        for key in (lambda: os.urandom(32), lambda: reused)
    )
    assert broken.verdict == Verdict.VIOLATED and not sound.alarm
    # so few draws for noise
    assert sound.verdict == (Verdict.NOT_TESTABLE if claim.epsilon else Verdict.PASS)


@keyed
def test_one_key_stream_for_all_photos(protection: Rotation | Modulo) -> None:
    claim, reused = protection.guarantee("the block"), os.urandom(32)
    sound, broken = (
        play(hidden(lambda x, key=key: protected(protection, x, key), claim), draws=1_000)
        for key in (lambda: os.urandom(32), lambda: reused)
    )
    assert not sound.alarm and broken.verdict == Verdict.VIOLATED


def test_a_norm_that_is_not_hidden() -> None:
    """Rotation that leaves the block's length in what is sent."""
    space = RotationSpace.from_box(BOX, SHAPE)
    rotation = PROTECTIONS[0]

    def leaky(rows: Tensor) -> Tensor:
        length = space.to_coordinates(rows.view(-1, *SHAPE)).norm(dim=1, keepdim=True)
        return protected(rotation, rows, lambda: os.urandom(32)) * length

    assert play(hidden(leaky, rotation.guarantee("the block")), draws=2_000).alarm


def test_a_share_of_the_photo_mixed_in() -> None:
    """2 % of the block in what is sent; so many draws that the sound protection passes, since the fault would
    show.
    """
    modulo = PROTECTIONS[1]

    def sent(rows: Tensor) -> Tensor:
        return protected(modulo, rows, lambda: os.urandom(32))

    claim = modulo.guarantee("the block")
    sound, leaky = (
        play(hidden(f, claim), draws=40_000) for f in (sent, lambda rows: 0.98 * sent(rows) + 0.02 * rows)
    )
    assert verdicts(sound, leaky) == CAUGHT
