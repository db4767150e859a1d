# SPDX-License-Identifier: Apache-2.0
"""Attacks that learn from known pairs: what they must break, what no pairs can break, and what they cost."""

from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from semveil.attacks import ATTACKS, Impute, KnownPairs, LearnedDeep, LearnedSame, Linear, Stolen
from semveil.attacks.networks import NetworkSettings, train_regressor
from semveil.models.face import load_model
from semveil.protection.linear_pair import LinearPair, PairSettings

SMALL = NetworkSettings(steps=600, batch=64, learning_rate=3e-3, dropout=0.0, weight_decay=0.0)
DEEP = NetworkSettings(
    hidden=(64, 64), steps=600, batch=64, learning_rate=3e-3, dropout=0.0, weight_decay=0.0
)
LEARNERS = (Linear(), LearnedSame(SMALL), LearnedDeep(DEEP))


def affine(world) -> LinearPair:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return LinearPair(PairSettings(tuple(world.private), 4, 10.0, "as_published", 1.0))


def protected(world, codes: Tensor, kind: str) -> Tensor:
    """Signals with the private block behind an affine map, a fixed nonlinear one, or fresh noise alone."""
    sent, block = codes.clone(), codes[:, world.private]
    if kind == "affine":
        block = 3 * affine(world).protect(block).detach()
    elif kind == "nonlinear":
        block = 3 * (4 * affine(world).protect(block).detach()).cos()
    else:
        block = torch.randn(block.shape, generator=world.rng)
    sent[:, world.private] = block
    return sent


def world_error(world, attack, kind: str, *, count: int, variance: float = 1e-3) -> float:
    known, codes = world.latents(count), world.latents(300)
    pairs = KnownPairs(world.hear(protected(world, known, kind), variance).received, known)
    heard = world.hear(protected(world, codes, kind), variance)
    return world.error(attack(heard, world.public, pairs=pairs, rng=world.rng), codes)


def imputed(world) -> float:
    codes = world.latents(300)
    return world.error(Impute()(world.hear(protected(world, codes, "noise"), 1e-3), world.public), codes)


@pytest.mark.parametrize("attack", LEARNERS, ids=lambda attack: attack.name)
def test_an_affine_protection_falls(world, attack):
    assert world_error(world, attack, "affine", count=1000) < 0.1 < 0.5 * imputed(world)


def test_linear_needs_few_pairs(world):
    """About as many as the block has numbers (12), not many times more."""
    assert world_error(world, Linear(), "affine", count=40) < 0.5 * imputed(world)


@pytest.mark.parametrize("attack", LEARNERS, ids=lambda attack: attack.name)
def test_fresh_noise_does_not_fall_and_leaves_imputation_at_best(world, attack):
    floor, got = imputed(world), world_error(world, attack, "noise", count=1000)
    assert got > 0.9 * floor
    if attack.name != "learned-same":  # which looks at the private block only
        assert got < 1.1 * floor


def test_only_a_deeper_network_gains_on_a_nonlinear_protection(world):
    linear, deep = (
        world_error(world, attack, "nonlinear", count=3000) for attack in (Linear(), LearnedDeep(DEEP))
    )
    assert deep < 0.9 * linear


def test_a_stolen_network_reads_what_bob_reads(world):
    codes, pair = world.latents(50), affine(world)
    with torch.no_grad():
        inverse, offset = pair.protection.weight.inverse(), pair.protection.bias.clone()
    undo = lambda block: ((block.flatten(1) / 3 - offset) @ inverse.T).view_as(block).detach()  # noqa: E731
    heard = world.hear(protected(world, codes, "affine"), 0.0)
    assert world.error(Stolen(undo)(heard, world.public), codes) < 1e-3
    other = world.hear(protected(world, codes, "noise"), 0.0)
    assert world.error(Stolen(undo)(other, world.public), codes) > 0.8


def test_pairs_may_be_public_faces(world):
    """A regression that met its own training rows again would trust imputation too much."""
    known = world.public.latents[:200]
    pairs = KnownPairs(world.hear(protected(world, known, "affine"), 1e-3).received, known)
    codes = world.latents(300)
    heard = world.hear(protected(world, codes, "affine"), 1e-3)
    assert world.error(Linear()(heard, world.public, pairs=pairs, rng=world.rng), codes) < 0.1


def test_all_codes_may_be_private(world):
    from semveil.attacks import PublicKnowledge

    everything = PublicKnowledge(range(6), world.box, world.public.latents[:500], lambda x: x)
    codes = world.latents(100)
    pairs = KnownPairs(world.public.latents[:500], world.public.latents[:500])
    heard = world.hear(codes, 1e-3)
    assert world.error(Linear()(heard, everything, pairs=pairs, rng=world.rng), codes) < 0.05
    assert world.error(Impute()(heard, everything), codes) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", [name for name in ATTACKS if "pairs" in ATTACKS[name].needs])
def test_missing_pairs_are_named(world, name):
    with pytest.raises(ValueError, match="pairs=KnownPairs"):
        ATTACKS[name]()(world.hear(world.latents(2), 0.1), world.public)


def test_training_repeats_and_leaves_the_global_stream_alone():
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    before = torch.random.get_rng_state()
    runs = [train_regressor(x, x[:, :2], SMALL, rng=torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(runs[0](x), runs[1](x)) and runs[0].error < 0.3
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_eve_trains_where_the_caller_needs_no_gradients(mode):
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    expected = train_regressor(x, x[:, :2], SMALL, rng=torch.Generator().manual_seed(7))
    with mode():
        found = train_regressor(x + 0, x[:, :2] + 0, SMALL, rng=torch.Generator().manual_seed(7))
    assert found.error == expected.error


def test_training_leaves_the_streams_of_gpus_alone(monkeypatch):
    restored = []

    @contextmanager
    def recorded(devices):
        restored.extend(devices)
        with fork(devices=[]):
            yield

    fork = torch.random.fork_rng
    monkeypatch.setattr(torch.random, "fork_rng", recorded)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    train_regressor(torch.randn(20, 2), torch.randn(20, 1), NetworkSettings(steps=1))
    assert restored == [0, 1]


def test_a_network_that_finds_nothing_changes_nothing():
    rng = torch.Generator().manual_seed(1)
    found = train_regressor(
        torch.randn(60, 20, generator=rng), torch.randn(60, 3, generator=rng), SMALL, rng=rng
    )
    assert found.error == pytest.approx(1, abs=0.05)


def test_the_bundled_pair_falls_to_linear_regression():
    """The shipped protection network at epsilon 10 and 20 dB: with 600 pairs Eve is near Bob."""
    from semveil.attacks import Observation, PublicKnowledge
    from semveil.channels import awgn, denormalise_power, noise_power, normalise_power, pack, unpack
    from semveil.methods.dp_semcom import PRIVATE_CODES
    from semveil.methods.pairs import read_pair

    model, rng = load_model(), torch.Generator().manual_seed(0)
    pair = read_pair(next((model.folder / "pairs").glob("*10*.safetensors")))
    faces, private = model.public_latents(1000, rng=rng), list(PRIVATE_CODES)
    sent = faces.clone()
    sent[:, private] = pair.protect(faces[:, private])
    symbols, gains = normalise_power(pack(sent.flatten(1)))
    received = unpack(denormalise_power(awgn(symbols, 20.0, rng=rng), gains)).view_as(faces)
    variance = noise_power(20.0).float() / (2 * gains**2)
    known = PublicKnowledge(PRIVATE_CODES, model.box, faces[:600], model.generator.synthesize)
    pairs = KnownPairs(received[:600], faces[:600])
    estimate = Linear()(Observation(received[600:], variance[600:]), known, pairs=pairs, rng=rng)
    clean, heard = faces[600:, private], received[600:, private]
    error = lambda guess: float((guess - clean).square().mean() / (clean - clean.mean(0)).square().mean())  # noqa: E731
    assert error(estimate[:, private]) < error(pair.deprotect(heard)) + 0.1 < 0.2
    assert error(heard) > 1
