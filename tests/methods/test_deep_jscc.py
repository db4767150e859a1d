# SPDX-License-Identifier: Apache-2.0
"""DeepJSCC: training through noise, its latents under a key, files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from semveil.attacks import Linear
from semveil.core.checkpoints import BadCheckpoint
from semveil.core.errors import KeyProblem
from semveil.data.face_set import FaceSet
from semveil.encoders.deep_jscc import DeepJSCC, DeepJSCCConfig
from semveil.link.eves import Traffic, attacks_on, listen, over_the_air
from semveil.methods.deep_jscc import DeepJSCCLink, DeepJSCCModel, load_deep_jscc, save_deep_jscc
from semveil.methods.dp_semcom import pair_settings
from semveil.methods.pairs import write_pair
from semveil.methods.shared_key import SharedKey
from semveil.models.face import load_model
from semveil.privacy.guarantee import Basis
from semveil.protection.linear_pair import LinearPair
from semveil.training.deep_jscc import DeepJSCCTrainer, DeepJSCCTraining

TINY = DeepJSCCConfig(size=16, codes=12, style_dim=16, width=16, cap=16)


def faces() -> FaceSet:
    """64 smooth pictures of 16 px, eight of them held out."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(30, 226, (64, 4, 4, 3), np.uint8)
    pixels = coarse.repeat(4, 1).repeat(4, 2)
    names, plane = np.array([f"lfw/{i}" for i in range(64)]), np.full((64, 16, 16), 255, np.uint8)
    return FaceSet(pixels, plane, plane, names, names, np.where(np.arange(64) >= 56, "test", "training"))


def trainer(steps: int, *, seed: int = 0) -> DeepJSCCTrainer:
    settings = DeepJSCCTraining(network=TINY, steps=steps, batch=16, learning_rate=4e-3)
    rng = torch.Generator().manual_seed(seed)
    return DeepJSCCTrainer(faces(), settings, perceptual=lambda a, b: a.new_zeros(len(a)), rng=rng)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DeepJSCCModel:
    run = trainer(250)
    losses: list[float] = []
    run.run(report=lambda step, loss: losses.append(loss["mse"]))
    assert np.mean(losses[-20:]) < 0.25 * np.mean(losses[:3])
    path = tmp_path_factory.mktemp("jscc") / "tiny.safetensors"
    save_deep_jscc(path, *run.finished(), {"trained_on": "smooth noise"})
    return load_deep_jscc(path)


def photos() -> torch.Tensor:
    return torch.from_numpy(faces().pixels[56:]).permute(0, 3, 1, 2).float() / 127.5 - 1


def error(images: torch.Tensor) -> float:
    return float((images - photos()).square().mean() / photos().var())


def test_its_weights_number_two_million_and_its_symbols_a_face_models() -> None:
    config = DeepJSCCConfig()
    assert sum(p.numel() for p in DeepJSCC(config).parameters()) == pytest.approx(2e6, rel=0.1)
    assert config.codes * config.style_dim == 28 * 64
    with pytest.raises(ValueError, match="do not fit"):
        DeepJSCCConfig(style_dim=60)


def test_bob_sees_the_photo_with_and_without_a_key_and_eve_without_only(model: DeepJSCCModel) -> None:
    plain, keyed = (DeepJSCCLink(model, protection=name) for name in ("none", "rotation"))
    assert plain.guarantee().basis is Basis.NONE
    assert keyed.guarantee().basis is Basis.COMPUTATIONAL and keyed.guarantee().epsilon == 0
    rng = torch.Generator().manual_seed(1)
    open_air, sealed = (over_the_air(link.send(photos()), 20.0, rng) for link in (plain, keyed))
    clear = error(plain.receive(open_air))
    assert clear < 0.3
    assert error(keyed.receive(sealed)) < 1.5 * clear
    assert torch.equal(plain.eavesdrop(open_air), plain.receive(open_air))
    assert error(keyed.eavesdrop(sealed)) > 0.8
    with pytest.raises(KeyProblem):
        DeepJSCCLink(model, protection="rotation", key=SharedKey.fresh()).receive(sealed)
    with pytest.raises(ValueError, match=r"under a key \(rotation, modulo\)"):
        DeepJSCCLink(model, protection="nn")


def test_eves_attack_it_as_any_link(model: DeepJSCCModel) -> None:
    """One who knows other photos reads unprotected latents and learns nothing under a key; whoever steals it
    reads all.
    """
    rng, found = torch.Generator().manual_seed(2), {}
    for name in ("none", "rotation"):
        link = DeepJSCCLink(model, protection=name)
        codes = link.encode(photos())
        sent = link.send_codes(codes)
        traffic = Traffic.of(link, codes, shots=1, known=model.public_latents(150, rng=rng))
        eve = listen(
            link,
            over_the_air(sent, 20.0, rng),
            traffic,
            snr_db=20.0,
            latents=model.public_latents(150, rng=rng),
            rng=rng,
        )
        for attack in attacks_on(link, sent, eve, (Linear.name, "stolen", "glass-box")):
            guess = attack(eve.observation, eve.public, pairs=eve.pairs, rng=rng)
            found[name, attack.name] = float((guess - codes).square().mean() / codes.var(0).mean())
    assert found["none", "linear"] < 0.3 and found["none", "glass-box"] < 0.3
    assert found["rotation", "linear"] > 0.8 and found["rotation", "stolen"] < 0.1
    assert ("rotation", "glass-box") not in found and ("none", "stolen") not in found


def test_a_run_goes_on_where_it_broke_off() -> None:
    whole = trainer(4)
    whole.run(report=lambda step, loss: None)
    first, second = trainer(4), trainer(4, seed=7)
    while first.step < 2:
        first._train_step()
        first.step += 1
    second.load_state(first.state())
    second.run(report=lambda step, loss: None)
    for a, b in zip(whole.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_foreign_files_are_refused(tmp_path: Path, model: DeepJSCCModel) -> None:
    (tmp_path / "no.safetensors").write_bytes(b"something else")
    with pytest.raises(BadCheckpoint):
        load_deep_jscc(tmp_path / "no.safetensors")
    save_deep_jscc(
        tmp_path / "a.safetensors",
        model.network,
        model.public_latents(40, rng=torch.Generator().manual_seed(0)),
        {},
    )
    assert load_deep_jscc(tmp_path / "a.safetensors").latent_shape == (12, 16)
    write_pair(tmp_path / "pair.safetensors", LinearPair(pair_settings(load_model())))
    with pytest.raises(BadCheckpoint, match="holds no DeepJSCC"):
        load_deep_jscc(tmp_path / "pair.safetensors")
