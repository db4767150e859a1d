# SPDX-License-Identifier: Apache-2.0
"""`semveil train quantiles`: bounds of every coordinate from photos or from latents, and that latent-dp uses
them.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from semveil.data.latents import LatentSet
from semveil.methods.latent_model import load_latent_model
from semveil.models.face import load_model


@pytest.fixture
def model(tiny_model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_folder, tmp_path / "mine"))


def test_bounds_from_latents_are_used_by_the_model(semveil: Callable, model: Path, tmp_path: Path) -> None:
    codes = torch.rand(20, 28, 8, generator=torch.Generator().manual_seed(0)) + 3
    source = tmp_path / "latents.safetensors"
    LatentSet(codes, tuple(map(str, range(20))), load_model(str(model)).digest).save(source)
    done = semveil("train", "quantiles", source, "--model", model, "--json")
    said = json.loads(done.stdout)
    assert (said["latents"], said["written"]) == (20, str(model / "quantiles.safetensors"))
    box = load_latent_model(str(model)).quantiles(0)
    assert torch.equal(box.clip(codes), codes) and torch.as_tensor(box.lower).min() > 2.9


def test_bounds_from_photos(semveil: Callable, face_set: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "bounds.safetensors"
    done = semveil("train", "quantiles", face_set, "--model", model, "--photos", "4", "--out", out, "--json")
    assert json.loads(done.stdout)["latents"] >= 2, done.stderr
    assert out.is_file() and not (model / "quantiles.safetensors").exists()


def test_wrong_sources_are_refused(semveil: Callable, failed: Callable, model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    LatentSet(torch.zeros(2, 28, 8), ("a", "b"), "0" * 64).save(other)
    failed(semveil("train", "quantiles", other, "--model", model), 1, "latents of another model")
    failed(semveil("train", "quantiles", tmp_path / "none.npz", "--model", model), 2, "semveil data prepare")
