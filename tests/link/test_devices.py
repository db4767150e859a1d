# SPDX-License-Identifier: Apache-2.0
"""The link's calls on another device: photos in, pictures, measurements and certificates out."""

from pathlib import Path

import pytest
import torch
from pretend_device import pretended

from semveil.bulk.protect import protect
from semveil.channels import Message
from semveil.core.device import CPU
from semveil.link.attack_message import attack_message
from semveil.link.receive import eavesdrop, receive
from semveil.link.send import send
from semveil.link.transmit import transmit
from semveil.methods.shared_key import SharedKey
from semveil.models.face import load_model


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs of nonces of their own."""
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path_factory.mktemp("home")))


def photo() -> torch.Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


def test_a_message_is_sent_from_one_device_and_read_on_another(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    model = load_model(str(tiny_model_folder))
    with pretended() as there:
        sent = send(photo(), tmp_path / "m.svl", model=model, protection="none", device=there)
        on_it = receive(tmp_path / "m.svl", tmp_path / "bob.png", model=model, seed=3, device=there)
        here = receive(sent.message, model=model, seed=3)
        assert (on_it.images.device, here.images.device.type) == (there, "cpu")
        torch.testing.assert_close(on_it.images.cpu(), here.images, atol=1e-4, rtol=0)
        assert eavesdrop(tmp_path / "m.svl", model=model, device=there).images.device == there
    assert (tmp_path / "bob.png").is_file()


def test_a_transmission_is_simulated_and_measured_on_a_device(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    model, told = load_model(str(tiny_model_folder)), []
    with pretended() as there:
        for device in (there, None):
            sent = transmit(
                photo(), tmp_path / str(device), model=model, protection="rotation", seed=1, device=device
            )
            told.append(sent.summary["images"][0]["bob"])
            assert sent.method.model.device == (there if device else model.device)
    assert told[0].keys() == told[1].keys()
    assert abs(told[0]["psnr"] - told[1]["psnr"]) < 0.05 and abs(told[0]["ssim"] - told[1]["ssim"]) < 0.01


@pytest.mark.parametrize("protection", ["none", "rotation"])
def test_a_message_is_attacked_on_a_device(tiny_model_folder: Path, protection: str) -> None:
    """Also by those who learn: what they are trained with follows the model."""
    model, key = load_model(str(tiny_model_folder)), None if protection == "none" else SharedKey.fresh()
    message = send(photo(), model=model, key=key, protection=protection).message
    assert isinstance(message, Message)
    told = []
    with pretended() as there:
        for device in (there, CPU):
            rng = torch.Generator().manual_seed(2)
            placed = model.to(device)
            latents = placed.public_latents(40, rng=rng)
            names = ("direct", "linear", "impute", "prior-search")
            told.append(
                attack_message(message, placed, latents=latents, known=100, names=names, rng=rng).results
            )
            assert {one.images.device for one in told[-1]} == {device}
    if protection == "none":  # under a key each of her own transmissions has a new one
        for on_it, here in zip(*told, strict=True):
            torch.testing.assert_close(on_it.images.cpu(), here.images, atol=1e-3, rtol=0)


def test_photos_are_protected_on_a_device(tiny_model_folder: Path) -> None:
    with pretended() as there:
        made = protect(photo(), method="latent-dp", model=str(tiny_model_folder), epsilon=50.0, device=there)
        assert made.images.device == there and made.certificates[0].guarantee.epsilon is not None


def test_a_shared_key_does_not_care_where_it_is_used(tiny_model_folder: Path, tmp_path: Path) -> None:
    model, key = load_model(str(tiny_model_folder)), SharedKey.fresh()
    with pretended() as there:
        for out, back in ((there, None), (None, there)):
            sent = send(photo(), model=model, key=key, device=out)
            received = receive(sent.message, model=model, key=key, seed=1, device=back)
            plain = receive(send(photo(), model=model, protection="none").message, model=model, seed=1)
            assert (received.images.cpu() - plain.images).abs().mean() < 0.1
