# SPDX-License-Identifier: Apache-2.0
"""Eves after arXiv 2503.23103 and through fading: what each must break, and what none of them can."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from semveil.attacks import (
    Direct,
    GenerativePrior,
    GlassBox,
    Impute,
    KnownPairs,
    KnownPlaintext,
    Linear,
    Observation,
    PublicKnowledge,
    Recordings,
)
from semveil.attacks.forward_model import ForwardModel
from semveil.attacks.gaussian import GaussianPrior
from semveil.attacks.generative_prior import conjugate_gradients
from semveil.attacks.mixture import MixturePrior
from semveil.mechanisms import ClipBox
from semveil.protection.linear_pair import LinearPair, PairSettings


def affine(world: Any) -> LinearPair:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return LinearPair(PairSettings(tuple(world.private), 4, 10.0, "as_published", 1.0)).requires_grad_(
            False
        )


def protect(world: Any, block: Tensor) -> Tensor:
    return 3 * affine(world).protect(block)


def sent(world: Any, codes: Tensor, kind: str) -> Tensor:
    """The private block behind an affine map, or fresh noise in its place, which is what a rotation by a new
    key is to Eve.
    """
    out, block = codes.clone(), codes[:, world.private]
    out[:, world.private] = (
        protect(world, block) if kind == "affine" else torch.randn(block.shape, generator=world.rng)
    )
    return out


@dataclass
class Scene:
    """What Eve has of 300 photos, 800 known pairs and 1,500 recordings."""

    codes: Tensor
    heard: Observation
    pairs: KnownPairs


@pytest.fixture(params=["affine", "fresh"])
def scene(request: pytest.FixtureRequest, world: Any) -> tuple[str, Scene]:
    kind, variance = request.param, 1e-3
    known, codes = world.latents(800), world.latents(300)
    pairs = KnownPairs(world.hear(sent(world, known, kind), variance).received, known)
    heard = world.hear(sent(world, codes, kind), variance)
    recordings = world.hear(sent(world, world.latents(1500), kind), variance).received
    return kind, Scene(codes, Observation(heard.received, heard.noise_variance, recordings=recordings), pairs)


@pytest.mark.parametrize(
    "attack", [KnownPlaintext(), Recordings(), GenerativePrior()], ids=lambda attack: attack.name
)
def test_an_affine_protection_falls_and_fresh_noise_leaves_imputation(
    world: Any, scene: tuple[str, Scene], attack: Any
) -> None:
    kind, seen = scene
    floor = world.error(Impute()(seen.heard, world.public), seen.codes)
    found = world.error(attack(seen.heard, world.public, pairs=seen.pairs, rng=world.rng), seen.codes)
    if kind == "affine":
        assert found < 0.5 * floor
        assert found < (0.5 if attack.name == "recordings" else 0.05)
    else:
        assert 0.9 * floor < found < 1.15 * floor


def test_recordings_alone_need_codes_in_clear(world: Any) -> None:
    """Where nothing is sent in clear, nothing says what a recording shows,
    and the mean face is what remains.
    """
    everything = PublicKnowledge(range(6), world.box, world.public.latents[:500], lambda x: x)
    codes = world.latents(100)
    heard = Observation(codes.flip(1), torch.full((100,), 1e-3), recordings=world.latents(400).flip(1))
    found = Recordings()(heard, everything)
    assert float((found - codes).square().mean() / codes.var(0).mean()) == pytest.approx(1, abs=0.1)
    with pytest.raises(ValueError, match="recordings="):
        Recordings()(world.hear(codes, 1e-3), world.public)


def test_recordings_never_look_at_what_is_known(world: Any, scene: tuple[str, Scene]) -> None:
    _, seen = scene
    garbage = KnownPairs(torch.zeros_like(seen.pairs.received), torch.zeros_like(seen.pairs.codes))
    found = [Recordings()(seen.heard, world.public, pairs=pairs) for pairs in (None, seen.pairs, garbage)]
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_the_glass_box_inverts_alices_network_and_no_other(world: Any) -> None:
    codes = world.latents(60)
    heard = world.hear(sent(world, codes, "affine"), 1e-3)
    floor = world.error(Impute()(heard, world.public), codes)
    assert (
        world.error(GlassBox(lambda block: protect(world, block))(heard, world.public), codes)
        < 0.05
        < 0.5 * floor
    )
    nonlinear = codes.clone()
    bend = lambda block: protect(world, block) + 0.1 * protect(world, block) ** 3  # noqa: E731
    nonlinear[:, world.private] = bend(codes[:, world.private])
    bent = world.hear(nonlinear, 1e-3)
    assert world.error(GlassBox(bend)(bent, world.public), codes) < 0.3 * floor
    other = world.hear(sent(world, codes, "fresh"), 1e-3)
    assert world.error(GlassBox(lambda block: protect(world, block))(other, world.public), codes) > floor


def faded(world: Any, count: int, mean: float) -> tuple[Tensor, Observation]:
    """Photos behind the affine protection; the gain of each code is Rayleigh's, undone by its inverse."""
    codes = world.latents(count)
    variance = mean / torch.empty(count, 6).exponential_(generator=world.rng)
    noise = variance.sqrt()[:, :, None] * torch.randn(codes.shape, generator=world.rng)
    return codes, Observation(sent(world, codes, "affine") + noise, variance)


def test_known_plaintext_through_fading_weighs_how_each_code_was_heard(world: Any) -> None:
    known, through = faded(world, 400, 0.05)
    codes, heard = faded(world, 200, 0.05)
    aware = KnownPairs(through.received, known, through.noise_variance)
    error = {
        name: world.error(attack(heard, world.public, pairs=pairs, rng=world.rng), codes)
        for name, attack, pairs in (
            ("aware", KnownPlaintext(), aware),
            ("unaware", KnownPlaintext(), KnownPairs(through.received, known)),
            ("linear", Linear(), aware),
            ("impute", Impute(), None),
        )
    }
    assert error["aware"] < 0.8 * error["unaware"] and error["aware"] < 0.8 * error["linear"]
    assert error["aware"] < 0.8 * error["impute"]


def test_what_the_map_does_not_explain_is_measured(world: Any) -> None:
    known = world.latents(800)
    block = known[:, world.private]
    out = known.clone()
    out[:, world.private] = protect(world, block) + 0.3 * torch.randn(block.shape, generator=world.rng)
    heard = world.hear(out, 0.04)
    fitted = ForwardModel.fit(KnownPairs(heard.received, known, heard.noise_variance), world.public)
    place = torch.arange(24).view(6, 4)[world.private].flatten()
    assert float(fitted.unexplained[place].mean()) == pytest.approx(0.09, rel=0.25)
    assert float(fitted.unexplained.sum()) == pytest.approx(float(fitted.unexplained[place].sum()))
    learnt = (known.flatten(1) @ fitted.matrix.T + fitted.offset).view_as(known)[:, world.private]
    assert float((learnt - protect(world, block)).square().mean()) < 0.02


def test_a_generative_prior_knows_more_than_a_gaussian() -> None:
    """Faces of two kinds, far apart in every number: between them there is nobody, which no Gaussian says."""
    rng = torch.Generator().manual_seed(0)

    def faces(count: int) -> Tensor:
        kind = torch.randint(0, 2, (count, 1, 1), generator=rng) * 2.0 - 1
        return kind + 0.2 * torch.randn(count, 4, 4, generator=rng)

    public = PublicKnowledge([1, 2], ClipBox(-3.0, 3.0), faces(1500), lambda codes: codes)
    clean, size = faces(300), 1.5
    noisy = clean + size * torch.randn(clean.shape, generator=rng)
    wiener = public.prior.filter(range(4), torch.full((300, 4), size**2))(noisy).flatten(1)
    error = lambda guess: float((guess - clean.flatten(1)).square().mean())  # noqa: E731
    mixture = MixturePrior.fit(public.latents, public.prior, rng=rng)
    assert error(mixture.denoised(noisy.flatten(1), size)) < 0.6 * error(wiener)
    one = MixturePrior(public.prior, torch.ones(1), torch.zeros(1, 16), torch.ones(16))
    torch.testing.assert_close(one.denoised(noisy.flatten(1), size), wiener, atol=1e-3, rtol=1e-3)
    blind = Observation(
        torch.cat([noisy[:, :1], torch.zeros(300, 2, 4), noisy[:, 3:]], 1), torch.full((300,), size**2)
    )
    fresh = KnownPairs(
        torch.cat([faces(400)[:, :1], torch.randn(400, 2, 4, generator=rng), faces(400)[:, 3:]], 1),
        faces(400),
    )
    assert error(GenerativePrior()(blind, public, pairs=fresh, rng=rng).flatten(1)) < 0.8 * error(
        Impute()(blind, public).flatten(1)
    )


def test_kinds_are_found_only_where_there_are_some() -> None:
    gaussian = torch.randn(800, 4, 4, generator=torch.Generator().manual_seed(0))
    fitted = MixturePrior.fit(gaussian, GaussianPrior.fit(gaussian), rng=torch.Generator().manual_seed(1))
    assert len(fitted.shares) == 1


def test_conjugate_gradients_solve_and_the_posterior_agrees_with_its_other_form() -> None:
    rng = torch.Generator().manual_seed(2)
    root = torch.randn(6, 6, generator=rng, dtype=torch.float64)
    matrix = root @ root.T + torch.eye(6, dtype=torch.float64)
    target = torch.randn(3, 6, generator=rng, dtype=torch.float64)
    found = conjugate_gradients(lambda x: x @ matrix, target, torch.zeros_like(target), steps=20)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, target.T).T, rtol=1e-5, atol=1e-5)
    prior = GaussianPrior(torch.zeros(2, 3, dtype=torch.float64), matrix)
    mixing = torch.randn(6, 6, generator=rng, dtype=torch.float64)
    precision = matrix.inverse() + mixing.T @ mixing / 0.5
    expected = torch.linalg.solve(precision, mixing.T @ target.T / 0.5).T
    zeros, variance = torch.zeros(6, dtype=torch.float64), torch.full((3, 6), 0.5, dtype=torch.float64)
    heard = prior.behind(target.view(3, 2, 3), mixing, zeros, variance)
    torch.testing.assert_close(heard.flatten(1), expected, rtol=1e-3, atol=1e-3)


def test_the_naive_eve_sees_none_of_it(world: Any, scene: tuple[str, Scene]) -> None:
    """What is heard as it is is worse than the mean face, so the others do learn."""
    _, seen = scene
    assert world.error(Direct()(seen.heard, world.public), seen.codes) > 1
