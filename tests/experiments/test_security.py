# SPDX-License-Identifier: Apache-2.0
"""Every protection against every adversary, on a tiny model; who plays which part among real people."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from experiments import revisions

from semveil.data.face_set import FaceSet
from semveil.experiments.dp_semcom.security import CASES, EVES, PRESETS
from semveil.experiments.kit.photo_sets import DataMissing
from semveil.experiments.kit.reproduce import reproduce, tables
from semveil.experiments.kit.security_faces import real_faces
from semveil.models.face import load_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    out = tmp_path_factory.mktemp("security")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMVEIL_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setitem(PRESETS._entries, "smoke", _without_pairs())
        reproduce("dp-semcom/security", "smoke", out, model=str(tiny_model))
    return out


def _without_pairs():
    from dataclasses import replace

    return replace(PRESETS["smoke"], cases=("none", "rotation, paper's codes"), attacked=4, public=200)


def test_all_attacks_run_on_all_cases(folder: Path) -> None:
    result = json.loads((folder / "security.json").read_text())
    assert list(result["cases"]) == ["none", "rotation, paper's codes"]
    for name, case in result["cases"].items():
        expected = set(EVES) - ({"stolen"} if name == "none" else set())
        assert {eve["attack"] for eve in case["eves"]} == expected
        assert all(len(eve["psnr"] if "psnr" in eve else eve["fppsr"]) == 4 for eve in case["eves"])
    assert (folder / "security.png").stat().st_size > 10_000


def test_controls_break_what_they_must_and_keys_hold(folder: Path) -> None:
    """Error of the private codes over their variance: who has the key gets far below everybody else."""
    cases = json.loads((folder / "security.json").read_text())["cases"]
    errors = {
        (name, eve["attack"]): float(np.mean(eve["private_error"]))
        for name, case in cases.items()
        for eve in case["eves"]
    }
    name = "rotation, paper's codes"
    others = min(error for (case, attack), error in errors.items() if case == name and attack != "stolen")
    assert errors[name, "stolen"] < 0.5 * others
    assert errors["none", "direct"] < 0.5 * others


def test_numbers_are_those_of_the_revision(folder: Path) -> None:
    """Without the keyed case, whose key is new in every run."""
    result = json.loads((folder / "security.json").read_text())
    revisions.check({**result, "cases": {"none": result["cases"]["none"]}})


def test_tables_are_made_of_it(folder: Path) -> None:
    text = tables(json.loads((folder / "security.json").read_text()))
    assert "| rotation, paper's codes | computational | Bob |" in text


def test_every_case_can_be_built() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    for preset in PRESETS:
        assert set(PRESETS[preset].cases) <= {case.name for case in CASES}


@pytest.fixture
def face_set(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    person = np.array([f"held {i % 40}" for i in range(70)] + [f"other {i % 60}" for i in range(150)])
    faces = FaceSet(
        pixels=rng.integers(0, 256, (220, 32, 32, 3), dtype=np.uint8),
        inside=np.full((220, 32, 32), 255, np.uint8),
        labels=rng.integers(0, 13, (220, 32, 32), dtype=np.uint8),
        source=np.array([f"lfw/{i}" for i in range(220)]),
        person=person,
        split=np.array([*("development" if i % 40 < 12 else "test" for i in range(70)), *["training"] * 150]),
    )
    faces.save(tmp_path / "faces.npz")
    return tmp_path / "faces.npz"


def test_nobody_plays_two_parts(face_set: Path, tiny_model: Path) -> None:
    faces = FaceSet.load(face_set)
    person_of = {faces.pixels[i].tobytes(): str(faces.person[i]) for i in range(len(faces))}

    def people(images: torch.Tensor) -> list[str]:
        pixels = ((images.permute(0, 2, 3, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
        return [person_of[image.tobytes()] for image in pixels]

    model = load_model(str(tiny_model))
    splits = {
        split: real_faces(face_set, model, split=split, attacked=30, gallery=10, public=50)
        for split in ("development", "held-out")
    }
    attacked = {split: people(found.attacked) for split, found in splits.items()}
    # the face set's own splits, by person
    for split, name in (("development", "development"), ("held-out", "test")):
        assert set(attacked[split]) == set(faces.person[faces.split == name])
    faces.split[faces.split == "test"] = "development"
    faces.save(face_set)
    with pytest.raises(DataMissing, match="nobody of the test split"):
        real_faces(face_set, model, split="held-out", attacked=30, gallery=10, public=50)
    for split, found in splits.items():
        gallery, public = people(found.gallery), people(found.public)
        assert len(set(attacked[split])) == len(attacked[split]) and len(set(gallery)) == len(gallery)
        assert not set(public) & ({*gallery} | {*attacked[split]})
        for who, mate, photo in zip(attacked[split], found.mates.tolist(), found.attacked, strict=True):
            assert (who in gallery) == (mate >= 0)
            if mate >= 0:
                assert gallery[mate] == who and not torch.equal(found.gallery[mate], photo)
