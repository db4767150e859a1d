# SPDX-License-Identifier: Apache-2.0
"""What is kept, of folders of pictures: with a judge's file, with a parser, and without either."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from semveil.cli.main import main
from semveil.core.checkpoints import BadCheckpoint
from semveil.core.network_files import write_network
from semveil.data.judgements import JudgedFace, read_judgements
from semveil.experiments.identity_dp.evaluate import evaluate
from semveil.experiments.kit.reproduce import tables
from semveil.experiments.kit.utility import compare_faces, kept_by_judge, load_parser, utility_table
from semveil.recognition.face_parser import FaceParser


def face(shift: float = 0.0, **changes: Any) -> dict[str, Any]:
    points = np.random.default_rng(1).uniform(20, 80, (478, 3)) + np.array([shift, 0, 0])
    return {
        "mesh": points.tolist(),
        "age": 30.0,
        "sex": "male",
        "emotion": {"happy": 0.7, "sad": 0.3},
        **changes,
    }


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two photos, pictures of them at half and at full size, and what a judge says: in the second one it
    finds nobody.
    """
    photos, made = tmp_path / "photos", tmp_path / "made"
    lines = []
    for i, size in ((0, 50), (1, 100)):
        for folder, side in ((photos, 100), (made, size)):
            folder.mkdir(exist_ok=True)
            Image.new("RGB", (side, side)).save(folder / f"{i}.png")
    half = face(3.0)
    half["mesh"] = (np.array(half["mesh"]) / 2).tolist()
    lines = [
        {"file": "photos/0.png", "faces": [face(), face(500.0, age=80.0)]},
        {"file": "made/0.png", "faces": [half | {"age": 41.0, "emotion": {"happy": 0.1, "sad": 0.9}}]},
        {"file": "photos/1.png", "faces": [face()]},
        {"file": "made/1.png", "faces": [face(900.0)]},
    ]
    path = tmp_path / "faces.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return photos, made, path


def test_a_judge_compares_the_same_face_in_the_photos_pixels(pictures: tuple[Path, Path, Path]) -> None:
    photos, made, path = pictures
    judged = read_judgements(path)
    found = kept_by_judge(judged, [photos / "0.png", photos / "1.png"], [made / "0.png", made / "1.png"])
    assert found["judge_detected"] == [1.0, 0.0]
    assert found["judge_age_error"] == [11.0, None] and found["judge_expression_kept"] == [0.0, None]
    assert found["judge_sex_kept"] == [1.0, None] and found["judge_pose_degrees"][0] == pytest.approx(
        0, abs=1e-3
    )
    points = np.array(face()["mesh"])
    eyes = float(np.linalg.norm(points[468, :2] - points[473, :2]))
    assert found["judge_landmark_error"][0] == pytest.approx(3 / eyes, abs=1e-3)


def test_what_the_judge_was_not_asked_is_not_counted(pictures: tuple[Path, Path, Path]) -> None:
    photos, made, path = pictures
    judged = {
        name: faces for name, faces in read_judgements(path).items() if name != (made / "1.png").resolve()
    }
    found = kept_by_judge(judged, [photos / "1.png"], [made / "1.png"])
    assert all(values == [None] for values in found.values())
    nobody = {**judged, (photos / "0.png").resolve(): ()}
    assert kept_by_judge(nobody, [photos / "0.png"], [made / "0.png"])["judge_detected"] == [None]


def test_a_face_is_like_itself() -> None:
    one = JudgedFace(np.random.default_rng(0).uniform(0, 9, (478, 3)), 30.0, "female", {"happy": 1.0})
    found = compare_faces(one, one)
    assert found.pop("judge_expression_kept") == found.pop("judge_sex_kept") == 1.0
    assert all(value == pytest.approx(0, abs=1e-5) for value in found.values())


@pytest.mark.parametrize("with_files", [False, True])
def test_anybodys_folder_is_evaluated(
    with_files: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, made = tmp_path / "photos", tmp_path / "made"
    photos.mkdir(), made.mkdir()
    astronaut = Image.fromarray(data.astronaut()).resize((256, 256))
    astronaut.save(photos / "a.png")
    astronaut.save(made / "a.png")
    options: dict[str, Any] = {}
    if with_files:
        write_network(tmp_path / "parser.safetensors", FaceParser())
        lines = [{"file": str(folder / "a.png"), "faces": [face()]} for folder in (photos, made)]
        (tmp_path / "faces.jsonl").write_text("\n".join(map(json.dumps, lines)))
        options = {"judgements": tmp_path / "faces.jsonl", "parser": tmp_path / "parser.safetensors"}
    path, _ = evaluate(photos, {"copy": made}, tmp_path / "out", verifiers=["dlib"], **options)
    result = json.loads(path.read_text())
    copied = result["rows"][0]["kept"]
    assert copied["five_point_error"] == [0.0]
    assert ("judge_landmark_error" in copied) == with_files
    # the bundled parser labels them if no other is named
    assert copied["hair_overlap"] == [1.0] or with_files
    assert len(copied["mouth_opening_error"]) == len(copied["eye_opening_error"]) == 1
    assert result["judged"] == ({"photos": 1, "pictures": {"copy": 1}} if with_files else None)
    if with_files:
        assert copied["judge_landmark_error"] == [0.0] and copied["judge_detected"] == [1.0]
        assert "judge_detected" not in result["rows"][1]["kept"], (
            "identity-dp's own rows are no files that a judge has seen"
        )
    other = [row["kept"]["five_point_error"][0] for row in result["rows"][1:]]
    assert any(value is None or value > 0 for value in other)
    words = tables(result)
    assert (
        "landmark error / eye distance (five points)" in words
        and ("judge: expression preserved" in words) == with_files
    )


@pytest.mark.parametrize("content", ["", '{"file": "elsewhere.png", "faces": []}'])
def test_judgements_of_other_pictures_are_refused(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("photos", "made"):
        (tmp_path / folder).mkdir()
        Image.fromarray(data.astronaut()).resize((256, 256)).save(tmp_path / folder / "a.png")
    (tmp_path / "faces.jsonl").write_text(content)
    words = ["evaluate", tmp_path / "photos", "--output", f"copy={tmp_path / 'made'}", "--verifier", "dlib"]
    words += ["--judgements", tmp_path / "faces.jsonl", "--out", tmp_path / "out"]
    assert main([str(word) for word in words]) == 1
    assert "of 0 of 1 photos and of 0 of 1 pictures" in capsys.readouterr().err


def test_the_number_of_judged_pictures_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = []
    for folder in ("photos", "made"):
        (tmp_path / folder).mkdir()
        Image.fromarray(data.astronaut()).resize((256, 256)).save(tmp_path / folder / "a.png")
        lines.append({"file": f"{folder}/a.png", "faces": [face()]})
    (tmp_path / "faces.jsonl").write_text("\n".join(map(json.dumps, lines)))
    words = ["evaluate", tmp_path / "photos", "--output", f"copy={tmp_path / 'made'}", "--verifier", "dlib"]
    words += ["--judgements", tmp_path / "faces.jsonl", "--out", tmp_path / "out"]
    assert main([str(word) for word in words]) == 0
    said = capsys.readouterr()
    assert "judged: 1 of 1 photos; pictures: 1 of copy" in said.err and "mouth opening error" in said.out


def test_a_sex_that_the_judge_does_not_tell_is_not_compared() -> None:
    one = JudgedFace(np.random.default_rng(0).uniform(0, 9, (478, 3)), 30.0, "female", {"happy": 1.0})
    assert "judge_sex_kept" not in compare_faces(one, JudgedFace(one.mesh, 30.0, "unknown", one.emotion))


def test_other_weights_are_no_parser(tmp_path: Path) -> None:
    write_network(tmp_path / "other.safetensors", torch.nn.Linear(2, 2))
    with pytest.raises(BadCheckpoint):
        load_parser(tmp_path / "other.safetensors")


def test_a_table_says_of_how_many_photos_a_mean_is() -> None:
    text = utility_table([("one", {"five_point_error": [0.1, None, 0.3]}), ("two", {})])
    assert "0.200 [0.100, 0.300] (2)" in text and "not measured" in text and "judge" not in text
