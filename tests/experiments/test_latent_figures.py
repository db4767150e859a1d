# SPDX-License-Identifier: Apache-2.0
"""Every figure of dp-image and latent-dp runs on a tiny model, its JSON says everything, and drawing needs
nothing else.
"""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from experiments import revisions
from PIL import Image
from torch import Tensor

from semveil.data.face_set import FaceSet
from semveil.experiments.kit import latent_bench
from semveil.experiments.kit.experiment import EXPERIMENTS, load_paper
from semveil.experiments.kit.photo_sets import DataMissing
from semveil.experiments.kit.reproduce import draw, reproduce, tables
from semveil.methods.latent_model import from_face_model
from semveil.models.face import load_model
from semveil.recognition.verifier import Verifier

for _paper in ("dp-image", "latent-dp"):
    load_paper(_paper)
FIGURES = {
    f"{name.partition('/')[0]}/{figure}": name.partition("/")[2]
    for name in EXPERIMENTS
    if name.partition("/")[0] in ("dp-image", "latent-dp")
    for figure in EXPERIMENTS[name].figures
}


class PixelVerifier(Verifier):
    """Compares pixels: for the paths through the code, not for numbers."""

    name, threshold = "pixels", 0.9

    def embed(self, images: Tensor) -> Tensor:
        return torch.nn.functional.normalize(images.flatten(1), dim=1)

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b.T

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(1)


def _load_pixels(name: str, *, resolution: int) -> tuple[Verifier, dict[str, Any]]:
    return PixelVerifier(), {
        "name": "pixels",
        "threshold": PixelVerifier.threshold,
        "threshold_from": "a test",
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """Smoke runs of all figures, `METHOD/`."""
    out = tmp_path_factory.mktemp("latent")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMVEIL_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(latent_bench, "load_verifier", _load_pixels)
        for figure in FIGURES:
            reproduce(figure, "smoke", out / figure.partition("/")[0], model=str(tiny_model))
    return out


def _result(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / f"{name}.json").read_text())


def test_every_figure_is_drawn(folder: Path) -> None:
    assert len(FIGURES) == 12
    for figure in FIGURES:
        with Image.open(folder / f"{figure}.png") as picture:
            assert picture.size[0] > 300 and set(picture.info) <= {"dpi"}


@pytest.mark.parametrize("figure", FIGURES)
def test_no_epsilon_without_its_basis(folder: Path, figure: str) -> None:
    result = _result(folder / figure.partition("/")[0], FIGURES[figure])
    assert {"config", "seeds", "versions", "commit", "paper", "photos"} <= result.keys()
    assert not _unbased(result)


def test_that_check_sees_a_bare_epsilon() -> None:
    assert _unbased({"points": [{"epsilon": 3.0}]}) == [".points[0]"]


def _unbased(value: Any, path: str = "") -> list[str]:
    """Where an epsilon stands that neither a basis nor a guarantee stands beside."""
    if isinstance(value, list):
        return [found for i, item in enumerate(value) for found in _unbased(item, f"{path}[{i}]")]
    if not isinstance(value, dict):
        return []
    bare = isinstance(value.get("epsilon"), float) and not {"basis", "guarantee"} & value.keys()
    return [path] * bare + [found for key, item in value.items() for found in _unbased(item, f"{path}.{key}")]


def test_pairs_are_counted_and_their_largest_distance_only_grows(folder: Path) -> None:
    result = _result(folder, "dp-image/latents")
    count, (codes, style_dim) = len(result["photos"]), result["config"]["model"]["latent_shape"]
    assert sum(result["values"]["counts"]) == count * codes * style_dim
    assert sum(result["distances"]["counts"]) == result["distances"]["pairs"] == math.comb(count, 2)
    growth = list(result["distances"]["largest_of_first"].values())
    assert growth == sorted(growth) and growth[-1] == pytest.approx(result["distances"]["max"], abs=0.1)
    assert (
        np.allclose(np.diag(result["shown_distances"]), 0)
        and result["sensitivities"]["box"]["basis"] == "proved"
    )


def test_more_noise_is_less_alike_and_costs_less_epsilon(folder: Path) -> None:
    points = {(p["styles"], p["scale"]): p for p in _result(folder, "dp-image/identity")["points"]}
    less, more = points["all", 0.5], points["all", 1.0]
    assert np.mean(less["photos"]["identity_similarity"]) > np.mean(more["photos"]["identity_similarity"])
    assert less["guarantee"]["epsilon"] == pytest.approx(2 * more["guarantee"]["epsilon"])
    assert less["of_a_release"]["box"]["basis"] == "proved" and less["guarantee"]["basis"] == "simulation"
    assert (
        less["of_a_release"]["metric"]["epsilon"] is None
        and less["of_a_release"]["metric"]["metric"]["rate"] >= 2
    )
    assert points["identity", 0.5]["guarantee"]["whole_record_epsilon"] is None


def test_a_table_names_what_could_not_be_measured(folder: Path) -> None:
    result = _result(folder, "dp-image/utility")
    assert [row["method"] for row in result["methods"]] == [
        "blur",
        "mosaic",
        "mosaic",
        "pixel-noise",
        "dp-pix",
        "dp-svd",
        "dp-image",
    ]
    for row in result["methods"]:
        assert row["images"]["frechet"] is None and "semveil models get" in row["images"]["frechet_reason"]
    assert result["paper"]["table1"]["dp-image"]["fid"] == 219.9 and result["paper"]["iss"] is None
    assert "not measured" in tables(result)


def test_clipping_alone_stands_beside_the_noise_and_protects_nothing(folder: Path) -> None:
    for point in _result(folder, "latent-dp/trade-off")["points"]:
        alone = point["epsilon"] is None
        assert (point["guarantee"]["basis"] == "none") == alone
        if not alone:
            asked = point["guarantee"]["epsilon"]
            assert asked == pytest.approx(point["epsilon"])
            coordinates = _result(folder, "latent-dp/trade-off")["coordinates"]
            assert point["guarantee_of_the_published_formula"]["epsilon"] == pytest.approx(
                asked * coordinates**2
            )


def test_tight_bounds_move_more_coordinates(folder: Path) -> None:
    result = _result(folder, "latent-dp/outliers")
    for photo in {record["source"] for record in result["images"]}:
        moved = [
            r["coordinates_clipped"]
            for r in result["images"]
            if r["source"] == photo and r["clip"] is not None
        ]
        assert moved == sorted(moved) and moved[-1] > moved[0]
    shown = {r["source"] for r in result["images"] if r["file"]}
    assert shown == {*result["photos"], "cat", "white noise 1"}


@pytest.mark.parametrize("name", sorted({f"{f.partition('/')[0]}/{kind}" for f, kind in FIGURES.items()}))
def test_numbers_are_those_of_the_revision(folder: Path, name: str) -> None:
    revisions.check(_result(folder, name))


@pytest.mark.parametrize("name", sorted({f"{f.partition('/')[0]}/{kind}" for f, kind in FIGURES.items()}))
def test_tables_are_made_of_every_measurement(folder: Path, name: str) -> None:
    result = _result(folder, name)
    if name.endswith("pictures"):
        with pytest.raises(ValueError, match="has no tables"):
            tables(result)
    else:
        assert "Claim in the paper" in tables(result)


@pytest.mark.parametrize(("figure", "name"), [("dp-image/fig9", "identity"), ("latent-dp/fig7", "pictures")])
def test_a_figure_is_drawn_from_the_folder_alone(
    folder: Path, tmp_path: Path, figure: str, name: str
) -> None:
    method = figure.partition("/")[0]
    shutil.copy(folder / method / f"{name}.json", tmp_path)
    shutil.copytree(folder / method / "images", tmp_path / "images")
    assert draw(tmp_path / f"{name}.json", figure).read_bytes() == (folder / f"{figure}.png").read_bytes()


def test_a_run_is_kept_and_comes_out_the_same_anew(
    folder: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latent_bench, "load_verifier", _load_pixels)
    reproduce("dp-image/fig9", "smoke", tmp_path, model=str(tiny_model))
    again, before = _result(tmp_path, "identity"), _result(folder, "dp-image/identity")
    assert again["points"] == before["points"]
    path = tmp_path / "identity.json"
    path.write_text(json.dumps({**again, "seeds": ["kept"]}))
    reproduce("dp-image/fig10", "smoke", tmp_path, model=str(tiny_model))
    assert _result(tmp_path, "identity")["seeds"] == ["kept"]


def test_held_out_photos_stay_out_of_the_json_and_unnamed(
    tmp_path: Path, tiny_model: Path, face_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latent_bench, "load_verifier", _load_pixels)
    reproduce("dp-image/fig4", "smoke", tmp_path, model=str(tiny_model), data=face_set)
    text = (tmp_path / "latents.json").read_text()
    assert "Ann" not in text and str(face_set.parent) not in text
    result = json.loads(text)
    assert len(result["photos"]) == 4
    far, near = (result["pictured_examples"][name] for name in ("far", "near"))
    assert far["distance"] > near["distance"] > 0
    made = {path.name: path for path in tmp_path.glob("images/*")}
    # faces of the model, no photos
    assert set(made) == {Path(file).name for file in (*far["files"], *near["files"])}
    photos = FaceSet.load(face_set).pixels
    for path in made.values():
        with Image.open(path) as picture:
            assert not (np.asarray(picture) == photos).all((1, 2, 3)).any()


def test_official_models_encode_without_an_inversion(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latent_bench, "load_verifier", _load_pixels)
    official = from_face_model(load_model(str(tiny_model)))
    monkeypatch.setattr(latent_bench, "load_latent_model", lambda name, perceptual: official)
    reproduce("dp-image/fig7", "smoke", tmp_path, model="stylegan2-ffhq")
    assert _result(tmp_path, "pictures")["config"]["inversion"] == {"encoder": "pSp, without optimisation"}


def test_a_preset_that_needs_data_says_so(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latent_bench, "load_verifier", _load_pixels)
    with pytest.raises(DataMissing, match=r"held-out photos.*--data"):
        reproduce("latent-dp/fig8", "small", tmp_path, model=str(tiny_model))
