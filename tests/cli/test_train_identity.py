# SPDX-License-Identifier: Apache-2.0
"""`semveil train identity-encoder`: descriptors that are kept, a checkpoint, weights, and what it says of
itself.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from semveil.data.face_set import FaceSet
from semveil.recognition import load_identity_encoder
from semveil.training.teacher_descriptors import TeacherDescriptors

TINY = [
    "steps=2", "batch=8", "encoder.size=16", "encoder.top=0", "encoder.left=0", "encoder.side=16",
    "encoder.widths=[4, 4, 4, 4]", "encoder.blocks=[1, 1, 1]", "encoder.dimensions=3",
]  # fmt: skip


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """25 people of 2 photos of noise, all but three of them held out."""
    pixels = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), np.uint8)
    plane, names = np.zeros((50, 16, 16), np.uint8), np.repeat([f"p{i}" for i in range(25)], 2)
    source = np.array([f"lfw/{name}/{name}_{k % 2 + 1:04d}.jpg" for k, name in enumerate(names)])
    FaceSet(
        pixels, plane, plane, source, names, np.where(np.arange(50) >= 6, "development", "training")
    ).save(tmp_path / "faces.npz")
    vectors = np.random.default_rng(1).normal(size=(6, 8)).astype(np.float32)
    TeacherDescriptors(source[:6], vectors).save(tmp_path / "described.npz")
    return tmp_path / "faces.npz"


def test_it_trains_says_how_well_and_goes_on_from_its_checkpoint(
    semveil: Callable, failed: Callable, faces: Path, tmp_path: Path
) -> None:
    out, kept = tmp_path / "mine.safetensors", tmp_path / "described.npz"
    command = ["train", "identity-encoder", faces, "--photos", tmp_path, "--out", out, "--descriptors", kept]
    changed = [word for setting in TINY for word in ("--set", setting)]
    done = semveil(*command, *changed, "--json")
    said = json.loads(done.stdout)
    assert 0 <= said["held_out_accuracy"] <= 1 and said["photos"] == 6 and said["settings"]["steps"] == 2, (
        done.stderr
    )
    assert load_identity_encoder(out).config.dimensions == 3
    before = load_file(out)  # safetensors writes a file's metadata in any order
    assert semveil(*command, *changed).code == 0  # nothing was left to do
    assert all(torch.equal(value, before[name]) for name, value in load_file(out).items())
    failed(semveil(*command, *changed, "--set", "batch=4"), 2, "was made with other settings")
    kept.write_bytes(b"nothing")
    failed(semveil(*command, *changed), 2, "holds no descriptors of photos")
    kept.unlink()
    failed(semveil(*command, *changed), 1, "p0_0001.jpg")


def test_faces_of_another_size_are_refused(
    semveil: Callable, failed: Callable, faces: Path, tmp_path: Path
) -> None:
    wrong = semveil(
        "train", "identity-encoder", faces, "--photos", tmp_path, "--out", tmp_path / "a.safetensors"
    )
    failed(wrong, 2, "16 px")
