# SPDX-License-Identifier: Apache-2.0
"""`semveil models`, and model folders that are broken or malicious."""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from cli.tiny import make_model
from safetensors.torch import load_file, save_file


class Payload:
    """What a malicious pickle does when it is loaded."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("pwned"),))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A model folder to break."""
    return make_model(tmp_path / "broken")


def test_list_info_and_verify(semveil: Callable) -> None:
    listed = json.loads(semveil("models", "list", "--json").stdout)
    assert "tiny" in [model["name"] for model in listed["models"]]
    assert "semantic-stylegan" in [entry["name"] for entry in listed["weights"]]
    assert "tiny" in semveil("models", "list").stdout
    card = json.loads(semveil("models", "info", "tiny", "--json").stdout)
    assert (card["size"], card["latent_shape"]) == (32, [28, 4])
    assert any("epsilon 10 (as_published)" in pair for pair in card["pairs"])
    assert "CC BY-NC-SA" in semveil("models", "info", "semantic-stylegan").stdout
    checks = json.loads(semveil("models", "verify", "tiny", "--json").stdout)["checks"]
    assert checks[0]["good"]
    assert checks[0]["sha256"] == card["digest"]


def test_models_of_every_method_are_known(semveil: Callable) -> None:
    listed = json.loads(semveil("models", "list", "--json").stdout)["models"]
    kinds = {model["name"]: model["kind"] for model in listed}
    assert (kinds["identity-128"], kinds["noise-image-32"]) == ("identity model", "noise-image model")
    for name, size in (("identity-128", 128), ("noise-image-32", 32)):
        card = json.loads(semveil("models", "info", name, "--json").stdout)
        assert card["size"] == size and card["card"]
        (check,) = json.loads(semveil("models", "verify", name, "--json").stdout)["checks"]
        assert check["good"] and check["sha256"] == card["digest"]
        in_folder = json.loads(semveil("models", "info", card["folder"], "--json").stdout)
        (check,) = json.loads(semveil("models", "verify", card["folder"], "--json").stdout)["checks"]
        assert in_folder["digest"] == check["sha256"] == card["digest"] and check["good"]


def test_the_official_model_is_listed_with_the_way_to_get_it(
    semveil: Callable, failed: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    listed = {
        model["name"]: model for model in json.loads(semveil("models", "list", "--json").stdout)["models"]
    }
    assert listed["celebamask-hq-512"]["path"] is None
    told = "face model of 512 px; its weights: semveil models get semantic-stylegan"
    assert re.search(rf"celebamask-hq-512 +{told} +-$", semveil("models", "list").stdout, re.MULTILINE)
    failed(semveil("models", "get", "celebamask-hq-512"), 2, "semveil models get semantic-stylegan")


def test_models_that_are_here_need_no_download(semveil: Callable, home: Path) -> None:
    got = semveil("models", "get", "faces-128")
    assert (got.code, got.stdout) == (0, "faces-128 is bundled with semveil; nothing to download.\n")
    assert f"tiny lies in {home / 'models' / 'tiny'}" in semveil("models", "get", "tiny").stdout


def test_unknown_names_suggest_near_ones(semveil: Callable, failed: Callable) -> None:
    for verb in ("info", "get"):
        failed(semveil("models", verb, "lpips-alx"), 2, "did you mean 'lpips-alex'")
    failed(semveil("models", "verify", "identity-12"), 2, "did you mean 'identity-128'")
    failed(semveil("models", "get", "arcface"), 1, "take the file from https://")
    failed(
        semveil("transmit", "x.jpg", "--model", "celebamask-hq-512"),
        1,
        "semveil models get semantic-stylegan",
    )


def test_nan_weights_are_refused(
    semveil: Callable, failed: Callable, broken: Path, photo: Path, tmp_path: Path
) -> None:
    file = broken / "generator.safetensors"
    state = load_file(file)
    next(value for value in state.values() if value.is_floating_point()).view(-1)[0] = torch.nan
    save_file(state, file)
    failed(semveil("send", photo, "--model", broken, "--out", tmp_path / "m.svl"), 1, "NaN or infinite")
    assert not (tmp_path / "m.svl").exists()
    answer = semveil("models", "verify", broken)
    assert answer.code == 1
    assert answer.stderr.startswith("semveil: error: not what they must be")


@pytest.mark.parametrize("file", ["generator.safetensors", "CelebAMask-HQ-512x512.pt"])
def test_a_malicious_pickle_is_never_run(
    semveil: Callable,
    failed: Callable,
    broken: Path,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    official = file.endswith(".pt")
    target = home / file if official else broken / file
    target.write_bytes(pickle.dumps({"g_ema": Payload()}, protocol=2))
    try:
        answer = semveil(
            "send",
            "x.jpg",
            "--model",
            "celebamask-hq-512" if official else broken,
            "--out",
            tmp_path / "m.svl",
        )
    finally:
        if official:
            target.unlink()
    failed(answer, 1, "refused to run it" if official else "damaged or no weight file")
    assert not (tmp_path / "pwned").exists()


def test_a_malicious_checkpoint_is_never_resumed(
    semveil: Callable,
    tmp_path: Path,
    failed: Callable,
    monkeypatch: pytest.MonkeyPatch,
    face_set: Path,
    quick: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.checkpoint").write_bytes(pickle.dumps(Payload(), protocol=2))
    failed(semveil("train", "generator", face_set, "--out", tmp_path / "new", *quick), 1, "refused to run it")
    assert not (tmp_path / "pwned").exists()


def test_a_card_is_told_in_lines_without_python_values(semveil: Callable) -> None:
    lines = semveil("models", "info", "faces-128").stdout.splitlines()
    assert {"Latent codes: 28 x 64", "Size: 128 x 128 px"} < set(lines)
    inversion = next(line for line in lines if line.startswith("Inversion: "))
    assert "steps 40, learning rate 0.3, squared error weight 1," in inversion
    assert all(line[0].isupper() or line.startswith("  ") for line in lines)
    assert not any("{" in line or "[" in line or "card" in line for line in lines)
    others = [
        semveil("models", "info", name).stdout for name in ("identity-128", "noise-image-32", "lpips-alex")
    ]
    assert "lpips_v0.1_alex.pth, alex.pth" in others[2] and "Classes: apple, aquarium fish," in others[1]
    assert not any(sign in text for text in others for sign in "{[")
    epsilons = [
        float(line.partition("nominal epsilon ")[2].split()[0])
        for line in lines
        if "nominal epsilon " in line
    ]
    assert epsilons == sorted(epsilons) and epsilons
