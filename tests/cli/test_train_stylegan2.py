# SPDX-License-Identifier: Apache-2.0
"""A StyleGAN2 of one's own: trained, resumed, published, and used by the methods that can use it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

SETTINGS = {
    "steps": 2, "batch": 6, "perceptual": 0, "adversarial_from": 1, "discriminator_cap": 8,
    "generator.size": 32,
    "generator.style_dim": 4, "generator.mapping_layers": 1, "generator.widths": "[4,4,4,4]",
    "encoder_widths": "[4,4,4,4]", "fine_channels": 2, "coarse_channels": 2,
}  # fmt: skip
QUICK = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture
def trained(semveil: Callable, face_set: Path, tmp_path: Path) -> Path:
    """The folder of a model that was hardly trained, in two goes."""
    out = tmp_path / "mine"
    stopped = semveil("train", "stylegan2", face_set, "--out", out, *QUICK, "--minutes", "0", "--json")
    assert json.loads(stopped.stdout)["step"] == 0 and not out.exists(), stopped.stderr
    done = semveil("train", "stylegan2", face_set, "--out", out, *QUICK, "--json")
    assert json.loads(done.stdout)["model"] == str(out), done.stderr
    return out


def test_a_model_of_ones_own_is_used_by_name(
    semveil: Callable,
    trained: Path,
    photo: Path,
    face_set: Path,
    tmp_path: Path,
    failed: Callable,
    pixels: Callable,
) -> None:
    card = json.loads((trained / "model.json").read_text())
    assert card["architecture"] == "stylegan2" and card["generator"]["widths"] == [4, 4, 4, 4]
    assert semveil("models", "verify", trained).code == 0
    for method, option in (
        ("dp-image", ("--styles", "identity")),
        ("latent-dp", ("--budget", "coarse=2,others=4")),
    ):
        out = tmp_path / method
        made = semveil("protect", photo, "--method", method, "--model", trained, *option, "--out", out)
        assert made.code == 0, made.stderr
        (picture,) = out.glob("*.png")
        assert pixels(picture).shape == (32, 32, 3) and np.ptp(pixels(picture)) > 0
    refused = semveil("send", photo, "--model", trained, "--protection", "none", "--out", tmp_path / "m.svl")
    failed(refused, 2, "dp-semcom needs a model whose codes belong to face parts, such as faces-128")
    encoded = semveil(
        "train", "encoder", face_set, "--model", trained, "--out", tmp_path / "encoded",
        "--set", "steps=1", "--set", "batch=2", "--set", "perceptual=0", "--set", "input_size=32",
    )  # fmt: skip
    assert encoded.code == 0, encoded.stderr
    assert (tmp_path / "encoded" / "generator.safetensors").read_bytes() == (
        trained / "generator.safetensors"
    ).read_bytes()


def test_settings_that_do_not_fit_are_refused(
    semveil: Callable, face_set: Path, tmp_path: Path, failed: Callable
) -> None:
    wrong = (
        ("generator.size=64", "widths must name 5 widths, got 4"),
        ("generator.size=16", "widths must name 3"),
    )
    for override, words in wrong:
        failed(
            semveil("train", "stylegan2", face_set, "--out", tmp_path / "a", *QUICK, "--set", override),
            2,
            words,
        )
    larger = ("--set", "generator.size=64", "--set", "generator.widths=[4,4,4,4,4]")
    answer = semveil("train", "stylegan2", face_set, "--out", tmp_path / "a", *QUICK, *larger)
    failed(answer, 2, "prepare them with --size 64")
