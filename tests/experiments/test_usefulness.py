# SPDX-License-Identifier: Apache-2.0
"""Privacy-utility comparison: every method is included, states the right claim,
and faces the same attackers.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from semveil.data.face_set import FaceSet
from semveil.experiments.all_methods.cases import all_cases
from semveil.experiments.all_methods.usefulness import USEFULNESS_PRESETS
from semveil.experiments.kit import inputs
from semveil.experiments.kit.photo_sets import DataMissing
from semveil.experiments.kit.reproduce import reproduce, tables
from semveil.experiments.kit.utility import compare_faces
from semveil.methods.registry import METHODS
from semveil.models.face import load_model
from semveil.models.identity import load_identity_model
from semveil.recognition.verifier import Verifier

pytestmark = pytest.mark.slow


class PixelVerifier(Verifier):
    """Compares pixels: for the paths through the code, not for numbers."""

    name, threshold = "pixels", 0.99

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(images.flatten(1), dim=1)

    def similarities(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b.T

    def similarity(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a * b).sum(1)


def load_pixels(name: str, *, resolution: int) -> tuple[Verifier, dict[str, Any]]:
    return PixelVerifier(), {
        "name": "pixels",
        "threshold": PixelVerifier.threshold,
        "threshold_from": "a test",
    }


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise pictures of three held-out people, two of each, and of twelve others."""
    rng = np.random.default_rng(3)
    people = np.array([*(f"Ann Example {i // 2}" for i in range(6)), *(f"Bob Other {i}" for i in range(12))])
    count = len(people)
    pixels = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    plane = np.full((count, 32, 32), 255, np.uint8)
    source = np.array([f"lfw/{person}/{i}.jpg" for i, person in enumerate(people)])
    split = np.where(np.arange(count) < 6, "development", "training")
    path = tmp_path_factory.mktemp("usefulness") / "set.npz"
    FaceSet(pixels, plane, plane, source, people, split).save(path)
    return path


def judgement(file: str, age: float) -> str:
    points = np.random.default_rng(1).uniform(20, 80, (478, 3))
    face = {"mesh": points.tolist(), "age": age, "sex": "male", "emotion": {"happy": 1.0}}
    return json.dumps({"file": file, "faces": [face]})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, people: Path) -> list[dict[str, Any]]:
    """The results of a run, and of the same one again when a judge has looked at some pictures."""
    out = tmp_path_factory.mktemp("run")
    small = replace(
        USEFULNESS_PRESETS["smoke"],
        split="development",
        attacked=3,
        gallery=4,
        public=5,
        faces=20,
        verifiers=("pixels",),
    )
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMVEIL_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setitem(USEFULNESS_PRESETS._entries, "smoke", small)
        patch.setattr(inputs, "load_verifier", load_pixels)
        for judged in (False, True):
            if judged:
                files = (
                    found[0]["cases"]["photo, as it is"]["files"],
                    found[0]["cases"]["latent-dp, gallery, epsilon 8"]["files"],
                )
                lines = [judgement(file, 30.0) for file in files[0]] + [judgement(files[1][0], 37.0)]
                (out / "faces.jsonl").write_text("\n".join(lines))
            figure = reproduce("all-methods/usefulness", "smoke", out, data=people, model=str(tiny_model))
            with Image.open(figure) as picture:
                assert picture.size[0] > 600
            found.append({**json.loads((out / "usefulness.json").read_text()), "folder": str(out)})
    return found


def test_all_methods_and_baselines_are_compared(runs: list[dict[str, Any]]) -> None:
    cases = runs[0]["cases"]
    assert {case["method"] for case in cases.values()} == {*METHODS, "photo", "inversion"}
    for name, case in cases.items():
        assert len(case["files"]) == len(case["face_detected"]) == 3, name
        with Image.open(Path(runs[0]["folder"]) / case["files"][0]) as picture:
            assert picture.size == (256, 256)


def test_a_budget_is_that_of_the_whole_crop_where_a_method_covers_it(runs: list[dict[str, Any]]) -> None:
    asked = {name: case for name, case in runs[0]["cases"].items() if case["asked_epsilon"] is not None}
    in_part = {name for name, case in asked.items() if case["guarantee"]["whole_record_epsilon"] is None}
    assert {name.partition(", epsilon")[0] for name in in_part} == {
        "identity-dp, identity alone",
        "dp-svd, on singular values alone",
    }
    for name, case in asked.items():
        assert (
            case["guarantee"]["epsilon"] == pytest.approx(8.0, rel=1e-6)
            and case["guarantee"]["basis"] == "proved"
        ), name


def test_unprotected_photos_are_found_and_taken_for_their_person(runs: list[dict[str, Any]]) -> None:
    photo = runs[0]["cases"]["photo, as it is"]
    assert photo["kept"]["five_point_error"] == [None] * 3, "in noise there is no face"
    assert photo["protected pixels"] == [0.0] * 3 and photo["ssim"] == [1.0] * 3
    for case in runs[0]["cases"].values():
        found = case["reidentified"]
        assert found["people"] == 7 and set(found) == {"people", "pixels", "pixels, trained"}
        low, value, high = (found["pixels"]["rank 1"][i] for i in (1, 0, 2))
        assert 0 <= low <= value <= high <= 1


def test_a_judge_adds_its_columns_and_nothing_is_measured_anew(runs: list[dict[str, Any]]) -> None:
    first, second = runs
    assert first["cases"] == second["cases"] and first["key"] == second["key"] and "judged" not in first
    (judged,) = second["judged"].values()
    assert judged["latent-dp, gallery, epsilon 8"]["judge_age_error"] == [7.0, None, None]
    assert judged["photo, as it is"]["judge_detected"] == [1.0, 1.0, 1.0]
    (labelled,) = second["labelled"].values()
    same = labelled["photo, as it is"]
    assert set(same["mouth_opening_error"]) <= {0.0, None} and set(same["hair_overlap"]) <= {1.0, None}
    assert labelled.keys() == second["cases"].keys()
    without, having = tables(first), tables(second)
    assert "judge: expression preserved" in having and "judge: expression preserved" not in without
    assert "without an independent judge" in without and "chance is 1 in 7" in having
    assert "| latent-dp, gallery, epsilon 8 | 8 of all codes | proved |" in having


def test_real_people_need_data(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(DataMissing, match="--data"):
        reproduce("all-methods/usefulness", "small", tmp_path, model=str(tiny_model), verifier="dlib")


def test_attackers_and_victims_get_other_noise(tiny_model: Path) -> None:
    from semveil.experiments.all_methods.cases import Photos

    face = load_model(str(tiny_model))
    cases = all_cases(face, load_identity_model(), epsilons=(8.0,), ranks=(4,), gallery=20)
    photos = Photos(torch.zeros(2, 3, 32, 32), torch.zeros(2, *face.latent_shape))
    (noisy,) = [case for case in cases if case.name == "dp-image, subspace 4, epsilon 8"]
    assert torch.equal(noisy.make(photos, 0), noisy.make(photos, 0))
    assert not torch.equal(noisy.make(photos, 0), noisy.make(photos, 1_000_000))


def test_compare_is_what_the_judge_columns_are_made_of() -> None:
    from semveil.data.judgements import JudgedFace

    one = JudgedFace(
        np.random.default_rng(0).uniform(0, 9, (478, 3)), 30.0, "female", {"happy": 1.0, "sad": 0.0}
    )
    other = JudgedFace(one.mesh, 33.0, "male", {"happy": 0.0, "sad": 1.0})
    found = compare_faces(one, other)
    assert (found["judge_age_error"], found["judge_sex_kept"], found["judge_expression_kept"]) == (
        3.0,
        0.0,
        0.0,
    )
