# SPDX-License-Identifier: Apache-2.0
"""Pairs after the abstracts of the paper's successors: what their trainings lead to, for Bob and for Eves."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from semveil.channels import awgn, denormalise_power, normalise_power, pack, unpack
from semveil.core.checkpoints import BadCheckpoint
from semveil.methods.dp_semcom import DPSemCom, pair_settings
from semveil.methods.messages import heard, method_for_bob, to_message
from semveil.methods.pairs import pair_digest, pair_file, read_pair, write_pair
from semveil.models.face import load_model
from semveil.privacy.guarantee import Basis
from semveil.protection.encrypted_pair import EncryptedPair
from semveil.protection.pair import PairSettings, TrainedPair
from semveil.training.encrypted_pair import likeness, train_encrypted_pair
from semveil.training.learned_pair import BlockDiscriminator, train_learned_pair
from semveil.training.protector import TRAINERS

ENCRYPTED = PairSettings((0, 1, 2, 3), 8, 10.0, "as_published", 0.5, protection="nn-encrypted", noised=(0, 1))
LEARNED = PairSettings((0, 1), 8, 10.0, "as_published", 1.0, noise="fresh", protection="learned")


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def latents(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 4, 8, generator=rng(seed)) / 2


def received(pair: TrainedPair, codes: Tensor, snr_db: float = 20.0) -> tuple[Tensor, Tensor]:
    """What arrives of the pair's codes, and Bob's estimate."""
    private = list(pair.settings.codes)
    sent = codes.clone()
    sent[:, private] = pair.protect(codes[:, private])
    symbols, gains = normalise_power(pack(sent.flatten(1)))
    arrived = unpack(denormalise_power(awgn(symbols, snr_db, rng=rng(9)), gains)).view_as(codes)[:, private]
    return arrived, pair.deprotect(arrived)


def error(estimate: Tensor, codes: Tensor) -> float:
    return float((estimate - codes).square().mean() / codes.var(0).mean())


def test_encryption_is_undone_by_bob_and_hides_from_the_naive_eve() -> None:
    pair = train_encrypted_pair(latents(1500), ENCRYPTED, rng=rng(), epochs=20, batch=100, learning_rate=5e-3)
    codes = latents(500, seed=3)
    arrived, bob = received(pair, codes)
    assert error(bob, codes) < 0.15
    assert error(arrived, codes) > 1 and float(likeness(arrived, codes)) < 0.02
    untrained = train_encrypted_pair(latents(200), ENCRYPTED, rng=rng(), epochs=0)
    assert error(received(untrained, codes)[1], codes) > 0.5


def test_the_likeness_term_is_what_hides() -> None:
    seen = {}
    for weight in (0.0, 1.0):
        pair = train_encrypted_pair(
            latents(1000),
            ENCRYPTED,
            rng=rng(),
            epochs=10,
            batch=100,
            learning_rate=5e-3,
            likeness_weight=weight,
        )
        seen[weight] = float(likeness(received(pair, latents(500, seed=3))[0], latents(500, seed=3)))
    assert seen[1.0] < 0.5 * seen[0.0]


def test_the_pattern_grows_towards_the_noise_and_bob_takes_it_off() -> None:
    """The discriminator draws the pattern's spread towards genuine noise of standard deviation sqrt(2)."""
    spread, wrong = {}, {}
    for weight in (0.0, 0.05):
        pair = train_learned_pair(
            latents(1000),
            LEARNED,
            rng=rng(),
            epochs=20,
            batch=100,
            learning_rate=3e-3,
            adversarial_weight=weight,
        )
        codes = latents(500, seed=3)
        spread[weight] = float(pair.imitation(codes[:, :2]).std())
        wrong[weight] = error(received(pair, codes)[1], codes[:, :2])
    assert spread[0.05] > 1.5 * spread[0.0] and 0.7 < spread[0.05] < 2
    assert wrong[0.0] < 0.1 and wrong[0.05] < 0.4


def test_the_discriminator_knows_genuine_noise() -> None:
    from semveil.mechanisms import Laplace

    generator = rng()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        judge = BlockDiscriminator(16, scale=1.0)
    optimiser = torch.optim.Adam(judge.parameters(), 3e-3)
    draw = lambda: Laplace(1.0)(torch.zeros(200, 2, 8), rng=generator)  # noqa: E731
    for _ in range(100):
        loss = torch.relu(1 - judge(draw())).mean() + torch.relu(1 + judge(draw() / 4)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float((judge(draw()) > judge(draw() / 4)).float().mean()) > 0.95
    assert float((judge(draw()) > judge(draw())).float().mean()) == pytest.approx(0.5, abs=4 * 0.5 / 200**0.5)


def test_decryption_starts_as_the_inverse_of_encryption() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pair = EncryptedPair(ENCRYPTED).requires_grad_(False)
    codes = latents(50)
    torch.testing.assert_close(pair.decryption(pair.encryption(codes)), codes, atol=1e-4, rtol=1e-4)
    assert error(pair.encryption(codes), codes) > 0.5


@pytest.mark.parametrize("settings", [ENCRYPTED, LEARNED], ids=lambda settings: settings.protection)
def test_a_pair_is_deterministic_reproducible_and_read_as_written(
    settings: PairSettings, tmp_path: Path
) -> None:
    train = TRAINERS[settings.protection]
    pair, again, other = (train(latents(64), settings, rng=rng(seed), epochs=1) for seed in (5, 5, 6))
    assert pair_digest(pair) == pair_digest(again) != pair_digest(other)
    block = latents(8)[:, list(settings.codes)]
    assert torch.equal(pair.protect(block), pair.protect(block))
    path = pair_file(tmp_path, settings)
    write_pair(path, pair)
    stored = read_pair(path)
    assert (
        stored.settings == settings
        and pair_digest(stored) == pair_digest(pair)
        and path.name.startswith(settings.protection)
    )
    write_pair(path, _relabelled(pair, "rotation"))
    with pytest.raises(BadCheckpoint, match="no protection pair"):
        read_pair(path)


def _relabelled(pair: TrainedPair, protection: str) -> TrainedPair:
    pair.settings = dataclasses.replace(pair.settings, protection=protection)
    return pair


@pytest.mark.parametrize("settings", [ENCRYPTED, LEARNED], ids=lambda settings: settings.protection)
def test_wrong_trainings_are_refused(settings: PairSettings) -> None:
    train = TRAINERS[settings.protection]
    with pytest.raises(ValueError, match="noise must be"):
        train(latents(8), dataclasses.replace(settings, noise="old"), rng=rng())
    with pytest.raises(ValueError, match="latents must be"):
        train(latents(1), settings, rng=rng())


@pytest.mark.parametrize("protection", ["nn-encrypted", "learned"])
def test_messages_go_from_alice_to_bob_and_claim_nothing(protection: str, tiny_model_folder: Path) -> None:
    model = load_model(str(tiny_model_folder))
    settings = pair_settings(model, epsilon=100.0, protection=protection)
    codes = model.public_latents(200, rng=rng())
    pair = TRAINERS[protection](codes, settings, rng=rng(), epochs=1)
    method = DPSemCom(model, pair=pair)
    assert (method.protection, method.nominal_epsilon) == (protection, 100.0)
    assert method.guarantee().basis is Basis.NONE and method.guarantee().epsilon is None
    sent = method.send_codes(codes[:2])
    message = to_message(method, sent)
    bob = method_for_bob(message, model, pair=pair)
    arrived = heard(message, snr_db=60.0, rng=rng())
    assert torch.equal(bob.receive_codes(arrived), method.receive_codes(arrived))
    assert method.noise_calibration(codes) is not None
    everything = protection == "nn-encrypted"
    assert (len(method.private_codes) == 28) is everything and method.noised_codes == (0, 1, 4, 5, 6, 7, 8)
    with pytest.raises(ValueError, match="trained for protection"):
        DPSemCom(model, protection="nn", pair=pair)
    if everything:
        with pytest.raises(ValueError, match="changes all codes; leave"):
            DPSemCom(model, protection=protection, private_codes=(0, 1), pair=pair)


@pytest.mark.parametrize("protection", ["nn", "nn-encrypted", "learned"])
def test_a_pair_for_codes_of_28_by_64_numbers_has_at_most_two_megabytes(
    protection: str, tmp_path: Path
) -> None:
    from semveil.methods.protections import PROTECTIONS

    settings = pair_settings(load_model(), protection=protection)
    network = PROTECTIONS[protection].trained
    assert network is not None
    write_pair(tmp_path / "pair.safetensors", network(settings))
    assert (tmp_path / "pair.safetensors").stat().st_size < 2_000_000
