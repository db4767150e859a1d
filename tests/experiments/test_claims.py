# SPDX-License-Identifier: Apache-2.0
"""Claims are judged as their words say, on results made to fit and to contradict them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semveil.experiments.dp_semcom.curves import _judge as judge
from semveil.experiments.kit.reproduce import publish, tables
from semveil.experiments.kit.tables import markdown

PHOTOS = 40


def _party(lpips: float | None, fppsr: float, *, face: float = 1.0) -> dict[str, Any]:
    spread = np.random.default_rng(9).normal(scale=0.05, size=PHOTOS)
    different = [1.0 if i < round(fppsr * PHOTOS) else 0.0 for i in range(PHOTOS)]
    seen = [1.0 if i < round(face * PHOTOS) else 0.0 for i in range(PHOTOS)]
    columns: dict[str, Any] = {
        "fppsr": [different],
        "fppsr_to_inversion": [different],
        "face_detected": [seen],
    }
    if lpips is None:
        return {**columns, "lpips": None, "lpips_reason": "weights missing"}
    return {**columns, "lpips": [list(lpips + spread)]}


def _point(epsilon: float, bob: dict[str, Any], eve: dict[str, Any], *, noise: float = 0.4) -> dict[str, Any]:
    fit = {"scale": noise, "excess_kurtosis": 0.1, "ks_distance": 0.02}
    return {
        "nominal_epsilon": epsilon,
        "nominal_scale": 1.0,
        "guarantee": {"basis": "none", "epsilon": None},
        "noise_calibration": {"epsilon_prime": 30 * epsilon, "fit": fit},
        "bob": bob,
        "eve": eve,
    }


def _result(
    points: list[dict[str, Any]], *, direct: dict[str, Any], inverted_fppsr: float = 0.05
) -> dict[str, Any]:
    return {
        "experiment": "dp-semcom/curves",
        "seeds": [0],
        "config": {
            "photos": {"description": "40 photos"},
            "snr_db": 20.0,
            "model": {"name": "m", "digest": "0" * 64},
            "verifier": {"name": "dlib", "threshold": 0.4, "threshold_from": "a test"},
        },
        "inverted": _party(None if direct["lpips"] is None else 0.02, inverted_fppsr),
        "direct": direct,
        "points": points,
    }


def _verdicts(result: dict[str, Any]) -> list[bool | None]:
    return [claim.holds for claim in judge(result)]


PAPER_LIKE = [
    _point(1, _party(0.12, 0.1), _party(0.30, 1.0)),
    _point(5, _party(0.051, 0.1), _party(0.21, 1.0)),
    _point(800, _party(0.05, 0.1), _party(0.17, 0.95)),
]
CONTRARY = [
    _point(1, _party(0.12, 0.6), _party(0.20, 0.5), noise=2.0),
    _point(800, _party(0.12, 0.6), _party(0.20, 0.5, face=0.2), noise=3.0),
]


def test_a_run_like_the_papers_holds_everywhere() -> None:
    assert _verdicts(_result(PAPER_LIKE, direct=_party(0.05, 0.1))) == [True] * 8


def test_a_contrary_run_holds_nowhere() -> None:
    assert _verdicts(_result(CONTRARY, direct=_party(0.05, 0.1))) == [False] * 8


def test_nothing_is_said_about_identity_where_inversions_are_refused() -> None:
    verdicts = _verdicts(_result(PAPER_LIKE, direct=_party(0.05, 0.1), inverted_fppsr=0.25))
    assert verdicts == [True] * 4 + [None, None] + [True] * 2
    text = tables(_result(PAPER_LIKE, direct=_party(0.05, 0.1), inverted_fppsr=0.25))
    assert "INCONCLUSIVE: the recogniser accepts only 75" in text
    assert "INCONCLUSIVE" not in tables(_result(PAPER_LIKE, direct=_party(0.05, 0.1), inverted_fppsr=0.2))


def test_what_was_not_measured_is_not_judged() -> None:
    points = [
        _point(1, _party(None, 0.1), _party(None, 1.0)),
        _point(5, _party(None, 0.1), _party(None, 1.0)),
    ]
    result = _result(points, direct=_party(None, 0.1))
    assert _verdicts(result)[:4] == [None] * 4
    assert "not measured" in tables(result)


def test_tables_go_between_a_pages_markers(tmp_path: Path) -> None:
    from semveil.core.errors import SemveilError
    from semveil.core.results import read_result, write_result

    path, page = tmp_path / "curves.json", tmp_path / "page.md"
    write_result(path, _result(PAPER_LIKE, direct=_party(0.05, 0.1)))
    page.write_text("before\n<!-- tables: curves -->\nformer text\n<!-- end -->\nafter\n")
    publish(path, page)
    filled = page.read_text()
    assert filled.startswith("before\n") and filled.endswith("\nafter\n") and "former" not in filled
    assert tables(read_result(path)) in filled
    assert "| Bob, nominal ε 5 | none |" in filled
    page.write_text("no markers")
    with pytest.raises(SemveilError, match="tables: curves"):
        publish(path, page)


def test_cells_cannot_break_a_table() -> None:
    assert markdown(["a"], [["x|y"]]).splitlines()[-1] == "| x\\|y |"
