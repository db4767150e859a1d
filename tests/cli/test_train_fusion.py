# SPDX-License-Identifier: Apache-2.0
"""`semveil train fusion` writes a whole model, resumes, and refuses what does not fit."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from semveil.data.face_set import FaceSet
from semveil.models.identity import load_identity_model
from semveil.recognition.identity_encoder import (
    IdentityEncoder,
    IdentityEncoderConfig,
    identity_encoder_digest,
    identity_encoder_file,
    save_identity_encoder,
)


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """An identity encoder with random weights for 32 px."""
    path = tmp_path / "identity.safetensors"
    sizes = IdentityEncoderConfig(
        size=32, top=8, left=8, side=16, widths=(4, 4, 4, 4), blocks=(1, 1, 1), dimensions=6
    )
    save_identity_encoder(path, IdentityEncoder(sizes), {})
    return path


@pytest.fixture
def trivial() -> list[str]:
    sizes = ("attribute_widths=[4, 4]", "fusion_widths=[4, 4, 4]", "discriminator_width=1")
    settings = ("steps=2", "batch=4", *sizes, "feature_loss=0")
    return [word for setting in settings for word in ("--set", setting)]


def test_a_model_is_trained_resumed_and_written(
    semveil: Callable, failed: Callable, face_set: Path, identity: Path, trivial: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    command = ("train", "fusion", face_set, "--identity", identity, "--out", out, *trivial)
    stopped = semveil(*command, "--minutes", "0", "--json")
    assert json.loads(stopped.stdout)["step"] == 0, stopped.stderr
    assert not out.exists()
    failed(semveil(*command, "--set", "batch=8"), 2, "other settings (batch)")
    done = semveil(*command, "--json")
    assert json.loads(done.stdout)["model"] == str(out), done.stderr
    model = load_identity_model(str(out))
    photo = torch.zeros(1, 3, 32, 32)
    assert model.fuse(model.identify(photo), model.attributes(photo)).shape == photo.shape
    assert model.card["trained_on"] == "11 aligned photos, 1 held out"
    assert (out / "identity_encoder.safetensors").read_bytes() == identity.read_bytes()

    again = (
        "train",
        "fusion",
        face_set,
        "--identity",
        identity,
        "--out",
        tmp_path / "again",
        *trivial,
        "--start",
        out,
    )
    done = semveil(*again, "--set", "steps=0", "--json")
    assert json.loads(done.stdout)["model"] == str(tmp_path / "again"), done.stderr
    a, b = (load_file(folder / "fusion.safetensors") for folder in (out, tmp_path / "again"))
    assert all(
        torch.equal(a[name], b[name]) for name in a if not name.endswith(("_mean", "_var", "_tracked"))
    )
    failed(semveil(*again, "--set", "fusion_widths=[4, 4, 8]"), 1, "the fusion to start from")


def test_the_papers_losses_and_a_second_encoder(
    semveil: Callable, failed: Callable, face_set: Path, identity: Path, trivial: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "paper"
    command = ("train", "fusion", face_set, "--identity", identity, "--out", out, *trivial)
    failed(semveil(*command, "--preset", "papers"), 2, "did you mean 'paper'")
    done = semveil(*command, "--preset", "paper", "--set", "sums=true", "--json")
    assert json.loads(done.stdout)["model"] == str(out), done.stderr
    card = load_identity_model(str(out)).card
    assert (
        card["preset"] == "paper" and card["settings"]["leak_loss"] == 0 and card["settings"]["sums"] is True
    )

    mine = (
        "train",
        "fusion",
        face_set,
        "--identity",
        identity,
        "--out",
        tmp_path / "mine",
        *trivial,
        "--second",
    )
    failed(semveil(*mine, identity_encoder_file()), 2, "--size 128")
    done = semveil(*mine, identity, "--json")
    assert json.loads(done.stdout)["model"] == str(tmp_path / "mine"), done.stderr
    assert load_identity_model(str(tmp_path / "mine")).card["second_encoder"] == identity_encoder_digest(
        identity
    )


def test_a_discriminator_on_features_needs_its_weights(
    semveil: Callable, failed: Callable, face_set: Path, identity: Path, trivial: list[str], tmp_path: Path
) -> None:
    command = ("train", "fusion", face_set, "--identity", identity, "--out", tmp_path / "mine", *trivial)
    failed(semveil(*command, "--set", "feature_loss=1"), 1, "squeezenet1_1")


def test_photos_that_do_not_fit_are_refused(
    semveil: Callable, failed: Callable, face_set: Path, identity: Path, trivial: list[str], tmp_path: Path
) -> None:
    unlabelled = FaceSet.load(face_set)
    unlabelled.with_labels(np.full_like(unlabelled.labels, 255)).save(tmp_path / "u.npz")
    command = ("--identity", identity, "--out", tmp_path / "mine", *trivial)
    failed(semveil("train", "fusion", tmp_path / "u.npz", *command), 2, "semveil train parser")
    failed(semveil("train", "fusion", identity, *command), 2, "it is no face set")
    failed(semveil("train", "fusion", face_set, *command[2:], "--identity", face_set), 1, "no weight file")
