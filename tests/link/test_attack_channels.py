# SPDX-License-Identifier: Apache-2.0
"""Eve's channel in attacks on a message."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import semveil
from semveil.channels import Message, MessageError, parse_link
from semveil.link.attack import summary_of
from semveil.link.eves import Traffic, attacks_on, hear, listen
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.messages import carried, to_message
from semveil.models.face import FaceModel, load_model

FADING = "rayleigh:coherence=8,csi=mmse,pilots=4"


@pytest.fixture(scope="module")
def model(tiny_model_folder: Path) -> FaceModel:
    return load_model(str(tiny_model_folder))


@pytest.fixture(scope="module")
def message(model: FaceModel) -> Message:
    codes = model.public_latents(8, rng=torch.Generator().manual_seed(0))
    method = DPSemCom(model, protection="none")
    return to_message(method, method.send_codes(codes))


def pictures(message: Message, model: FaceModel, **options: object) -> Tensor:
    asked = {"attacks": "direct", "known": 100, "seed": 1, "model": model, "verifier": None, **options}
    (found,) = semveil.attack(message, **asked).results
    return found.images


def test_her_channel_decides_what_she_hears(model: FaceModel, message: Message) -> None:
    clean = pictures(message, model, snr_db=200.0)

    def error(channel: object, snr_db: float) -> float:
        return float((pictures(message, model, channel=channel, snr_db=snr_db) - clean).square().mean())

    assert error(FADING, 200.0) < 1e-3 < error("rayleigh:csi=none", 200.0)
    assert error(FADING, 10.0) > error(f"{FADING},antennas=8", 10.0)
    assert error(lambda symbols, snr_db, rng: (symbols, None), 0.0) < 1e-6  # any callable is a channel


def test_without_a_channel_it_is_the_same_as_awgn(model: FaceModel, message: Message) -> None:
    for attack in ("denoise", "linear"):
        plain = pictures(message, model, attacks=attack)
        torch.testing.assert_close(pictures(message, model, attacks=attack, channel="awgn"), plain)
        assert not torch.allclose(pictures(message, model, attacks=attack, channel=FADING), plain)


def test_the_result_names_the_channel(model: FaceModel, message: Message) -> None:
    asked = {"attacks": "direct", "known": 100, "seed": 1, "model": model, "verifier": None}
    for channel, words in ((FADING, FADING), (None, "awgn"), (parse_link(FADING), "Link")):
        assert summary_of(semveil.attack(message, channel=channel, **asked))["channel"] == words
    recorded = replace(message, snr_db=15.0)
    found = semveil.attack(recorded, **asked)
    assert (found.channel, found.snr_db) == ("recorded", 15.0)
    with pytest.raises(MessageError, match="passed a channel of 15 dB already"):
        semveil.attack(recorded, channel=FADING, **asked)
    with pytest.raises(ValueError, match="did you mean 'rayleigh'"):
        semveil.attack(message, channel="raleigh", **asked)


def test_whoever_stole_the_key_reads_the_message_over_fading(model: FaceModel) -> None:
    """The control: with the key the attack succeeds over this channel, without it does not."""
    alice = DPSemCom(model, protection="rotation")
    rng = torch.Generator().manual_seed(2)
    codes = model.public_latents(32, rng=rng)
    sent = carried(to_message(alice, alice.send_codes(codes)))
    link, public = parse_link(f"{FADING},antennas=2"), model.public_latents(100, rng=rng)
    heard, variance = hear(alice, sent, 25.0, rng, link)
    traffic = Traffic.of(alice, codes[:0], shots=1, known=public)
    eve = listen(
        alice, heard, traffic, snr_db=25.0, latents=public, rng=rng, channel=link, variance=variance.float()
    )
    spread = float(model.box.clip(codes).var(0).mean())
    errors = {
        attack.name: float(
            (attack(eve.observation, eve.public, pairs=eve.pairs, rng=rng) - model.box.clip(codes))
            .square()
            .mean()
        )
        / spread
        for attack in attacks_on(alice, sent, eve, ("direct", "stolen"))
    }
    assert errors["stolen"] < 0.1 < 0.7 < errors["direct"], errors
