# SPDX-License-Identifier: Apache-2.0
"""`--device` of every verb that computes with networks, sheets of a training, and what torchrun may start."""

import json
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.slow

VERBS = [
    ("send", "{photo}", "--protection", "none", "--out", "{out}/m.svl"),
    ("transmit", "{photo}", "--protection", "none", "--out", "{out}/t"),
    ("receive", "{photo}", "--out", "{out}/bob.png"),
    ("eavesdrop", "{photo}", "--out", "{out}/eve.png"),
    ("invert", "{photo}", "--out", "{out}/l.safetensors"),
    ("protect", "{photo}", "--method", "blur", "--out", "{out}/p"),
    ("attack", "{photo}", "--out", "{out}/a"),
    ("audit", "--all"),
    ("evaluate", "{out}", "--out", "{out}/e"),
    ("demo", "--out", "{out}/d"),
    ("reproduce", "dp-semcom/fig3", "--out", "{out}/r"),
    ("web",),
    ("classify", "{photo}", "--model", "explainer"),
    ("train", "generator", "{faces}", "--out", "{out}/a"),
    ("train", "stylegan2", "{faces}", "--out", "{out}/b"),
    ("train", "fusion", "{faces}", "--out", "{out}/c"),
    ("train", "encoder", "{faces}", "--model", "tiny", "--out", "{out}/d"),
    ("train", "parser", "{faces}", "--out", "{out}/e.safetensors"),
    ("train", "identity-encoder", "{faces}", "--photos", "{out}", "--out", "{out}/f.safetensors"),
    ("train", "protector", "--model", "tiny", "--epsilon", "77"),
    ("train", "quantiles", "{faces}", "--model", "tiny", "--out", "{out}/g.safetensors"),
    ("train", "noise-image", "{out}", "--out", "{out}/h"),
]
NAMES = [" ".join(words[:2] if words[0] == "train" else words[:1]) for words in VERBS]


@pytest.mark.parametrize("verb", VERBS, ids=NAMES)
def test_a_device_that_is_not_there_is_named_with_those_that_are(
    verb: tuple[str, ...],
    semveil: Callable,
    failed: Callable,
    photo: Path,
    face_set: Path,
    quick: list[str],
    tmp_path: Path,
) -> None:
    words = [word.format(photo=photo, faces=face_set, out=tmp_path) for word in verb]
    if verb[:2] == ("train", "generator"):
        words += quick
    with mock.patch.multiple(torch.cuda, is_available=lambda: True, device_count=lambda: 2):
        failed(
            semveil(*words, "--device", "cuda:7"), 2, "no device 'cuda:7' here; there is cpu, cuda:0, cuda:1"
        )


def test_a_training_leaves_sheets_beside_its_state(
    semveil: Callable, face_set: Path, quick: list[str], tmp_path: Path
) -> None:
    command = ("train", "generator", face_set, *quick, "--device", "cpu", "--json")
    done = semveil(*command, "--out", tmp_path / "mine", "--sheet-minutes", "1e-9")
    assert json.loads(done.stdout)["step"] == 2, done.stderr
    sheets = sorted(tmp_path.glob("*.png"))
    assert [path.name for path in sheets] == ["mine.checkpoint.sheet-1.png", "mine.checkpoint.sheet-2.png"]
    assert np.asarray(Image.open(sheets[0])).shape == (3 * 32, 12 * 32, 3)
    assert {path.stat().st_mode & 0o777 for path in sheets} == {0o600}  # they show photos
    semveil(*command, "--out", tmp_path / "other" / "mine", "--sheet-minutes", "0")
    assert not list((tmp_path / "other").glob("*.png"))


def test_a_training_tells_a_log_how_fast_it_is(
    semveil: Callable, face_set: Path, quick: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semveil.cli.console.TELL_EVERY", 0.0)
    told = semveil("train", "generator", face_set, *quick, "--out", tmp_path / "mine").stderr.splitlines()
    last = [line.split(",")[0] for line in told if "mse" in line]
    assert last == [f"semveil: note: Training the generator: {step} of 2" for step in (1, 2)]
    assert all("photos/s" in line and "left" in line for line in told if "mse" in line)


def test_only_two_trainings_run_in_several_processes(
    semveil: Callable, face_set: Path, tmp_path: Path, failed: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for verb in ("parser", "encoder", "stylegan2"):
        out = tmp_path / f"{verb}.safetensors"
        size = (
            ("--set", "generator.size=32", "--set", "generator.widths=[8,8,8,8]")
            if verb == "stylegan2"
            else ()
        )
        failed(
            semveil("train", verb, face_set, "--out", out, *size), 2, "only train generator and train fusion"
        )
