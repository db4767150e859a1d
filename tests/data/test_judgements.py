# SPDX-License-Identifier: Apache-2.0
"""Files of judgements are read strictly, and whose pictures they are about is found."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semveil.data.judgements import BadJudgements, read_judgements


def face(**changes: Any) -> dict[str, Any]:
    mesh = np.random.default_rng(0).uniform(10, 90, (478, 3)).round(1).tolist()
    return {
        "mesh": mesh,
        "age": 31.5,
        "sex": "female",
        "emotion": {"happy": 0.9, "sad": 0.1},
        "gaze": None,
        **changes,
    }


def write(path: Path, *lines: Any) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return path


def test_faces_are_found_by_their_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "judge").mkdir()
    (tmp_path / "here.png").touch()
    (tmp_path / "judge" / "beside.png").touch()
    monkeypatch.chdir(tmp_path)
    path = write(
        tmp_path / "judge" / "faces.jsonl",
        {"file": "here.png", "faces": [face()]},
        "",
        {"file": "beside.png", "faces": []},
        {"file": str(tmp_path / "absolute.png"), "faces": [face(age=50), face(sex="male")]},
    )
    found = read_judgements(path)
    names = [tmp_path / "here.png", tmp_path / "judge" / "beside.png", tmp_path / "absolute.png"]
    assert [len(found[name.resolve()]) for name in names] == [1, 0, 2]
    one = found[names[0].resolve()][0]
    assert (one.age, one.sex, one.emotion["happy"]) == (31.5, "female", 0.9)
    assert one.box == (*one.mesh[:, :2].min(0), *one.mesh[:, :2].max(0))


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        {"faces": []},
        {"file": "", "faces": []},
        {"file": "a.png"},
        {"file": "a.png", "faces": [face(mesh=[[1, 2, 3]])]},
        {"file": "a.png", "faces": [face(mesh=[[1.0, 2.0, 3.0]] * 478)]},
        {"file": "a.png", "faces": [face(mesh=[[float("inf")] * 3] * 478)]},
        {"file": "a.png", "faces": [face(age="old")]},
        {"file": "a.png", "faces": [face(age=True)]},
        {"file": "a.png", "faces": [face(sex="other words")]},
        {"file": "a.png", "faces": [face(emotion={})]},
        {"file": "a.png", "faces": [face(emotion={"happy": -1})]},
        {"file": "a.png", "faces": [face(emotion={"happy": None})]},
        "[" * 100_000,
    ],
    ids=lambda line: str(line)[:40],
)
def test_damaged_lines_are_named(line: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "faces.jsonl", {"file": "good.png", "faces": [face()]}, line)
    with pytest.raises(BadJudgements, match=r"line 2 of faces\.jsonl"):
        read_judgements(path)


def test_a_picture_judged_twice_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    twice = {"file": "a.png", "faces": []}
    with pytest.raises(BadJudgements, match="a second time"):
        read_judgements(write(tmp_path / "faces.jsonl", twice, twice))
    with pytest.raises(BadJudgements, match="cannot read"):
        read_judgements(tmp_path / "none.jsonl")
