# SPDX-License-Identifier: Apache-2.0
"""Every figure runs, its JSON says everything, and drawing needs nothing else."""

import json
from pathlib import Path

import numpy as np
import pytest
from experiments import revisions
from PIL import Image

from semveil.experiments.dp_semcom import measures
from semveil.experiments.kit.experiment import find
from semveil.experiments.kit.photo_sets import DataMissing
from semveil.experiments.kit.reproduce import draw, reproduce


def _result(png: Path, kind: str) -> dict:
    return json.loads(png.with_name(f"{kind}.json").read_text())


def test_the_curves_hold_every_photo_seed_and_reason(tmp_path: Path, tiny_model: Path) -> None:
    png = reproduce("dp-semcom/fig3", "smoke", tmp_path / "out", model=str(tiny_model))
    result = _result(png, "curves")
    assert {"config", "seeds", "versions", "commit", "paper", "photos", "points"} <= result.keys()
    assert [point["nominal_epsilon"] for point in result["points"]] == [1, 800]
    for point in result["points"]:
        assert point["guarantee"]["basis"] == "none" and point["guarantee"]["epsilon"] is None
        assert point["guarantee_of_genuine_noise"]["epsilon"] > point["nominal_epsilon"]
        assert point["noise_calibration"]["guarantee"] is False
        for party in ("bob", "eve"):
            assert np.shape(point[party]["psnr"]) == (len(result["seeds"]), len(result["photos"]))
            assert point[party]["lpips"] is None and "alexnet" in point[party]["lpips_reason"].lower()
    assert result["photos"] == ["astronaut", "generated 1", "generated 2", "generated 3"]
    assert result["paper"]["fppsr_eve"] == [0.9, 1.0] and result["paper"]["lpips_bob"] is None
    revisions.check(result)


def test_figures_3_and_4_share_one_run(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png = reproduce("dp-semcom/fig3", "smoke", tmp_path, model=str(tiny_model))
    monkeypatch.setattr(measures, "measure", None)  # a second run would fail
    other = reproduce("dp-semcom/fig4", "smoke", tmp_path, model=str(tiny_model))
    assert (png.name, other.name) == ("fig3.png", "fig4.png")
    with Image.open(other) as picture:
        assert picture.size[0] > 1000


@pytest.mark.parametrize("figure", ["dp-semcom/fig5", "dp-semcom/fig6", "dp-semcom/noise"])
def test_pictures_and_noise_run_without_any_data(figure: str, tmp_path: Path, tiny_model: Path) -> None:
    png = reproduce(figure, "smoke", tmp_path, model=str(tiny_model))
    with Image.open(png) as picture:
        assert picture.size[0] > 300 and set(picture.info) <= {"dpi"}
    revisions.check(_result(png, find(figure).name.rpartition("/")[2]))


def test_a_noise_run_names_every_variant_and_what_it_does(tmp_path: Path, tiny_model: Path) -> None:
    result = _result(reproduce("dp-semcom/noise", "smoke", tmp_path, model=str(tiny_model)), "noise")
    kinds = [(point["protection"], point["noise"], point["start"]) for point in result["points"]]
    assert kinds[:4] == [("nn", n, s) for n in ("frozen", "fresh") for s in ("default", "identity")]
    assert kinds[4:] == [("laplace", None, None)] and result["points"][4]["guarantee"]["epsilon"] > 10
    starts = {point["start"]: point["distance_from_identity"] for point in result["points"][:4]}
    assert starts["identity"] < 0.1 < starts["default"]
    assert {"scale", "ks_distance", "excess_kurtosis"} <= result["points"][0]["noise_calibration"][
        "fit"
    ].keys()


def test_held_out_photos_stay_out_of_the_json_and_unnamed(
    tmp_path: Path, tiny_model: Path, face_set: Path
) -> None:
    png = reproduce("dp-semcom/fig5", "smoke", tmp_path, model=str(tiny_model), data=face_set)
    text = png.with_name("images.json").read_text()
    assert not json.loads(text)["photos_may_be_shown"]
    assert "Ann" not in text and str(face_set.parent) not in text
    result = _result(
        reproduce("dp-semcom/fig4", "smoke", tmp_path, model=str(tiny_model), data=face_set), "curves"
    )
    assert len(result["photos"]) == 4  # of 8 held out, one of each of 4 people


def test_runs_are_reproducible_and_drawn_from_the_json_alone(tmp_path: Path, tiny_model: Path) -> None:
    first = reproduce("dp-semcom/fig4", "smoke", tmp_path / "a", model=str(tiny_model))
    again = reproduce("dp-semcom/fig4", "smoke", tmp_path / "b", model=str(tiny_model))
    assert _result(first, "curves") == _result(again, "curves")
    alone = tmp_path / "c" / "curves.json"
    alone.parent.mkdir()
    alone.write_bytes(first.with_name("curves.json").read_bytes())
    assert draw(alone, "dp-semcom/fig4").read_bytes() == first.read_bytes()


def test_a_preset_that_needs_data_says_so(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(DataMissing, match=r"128 held-out photos.*--data"):
        reproduce("dp-semcom/fig3", "small", tmp_path, model=str(tiny_model))
    with pytest.raises(DataMissing, match="holds neither"):
        reproduce("dp-semcom/fig3", "smoke", tmp_path, model=str(tiny_model), data=tmp_path / "nothing")
    with pytest.raises(ValueError, match="did you mean 'dp-semcom/fig3'"):
        reproduce("dp-semcom/fig33", "smoke", tmp_path)
