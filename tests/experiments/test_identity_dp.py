# SPDX-License-Identifier: Apache-2.0
"""Every figure and table of identity-dp runs on a model without networks;
drawing needs nothing but the JSON.
"""

import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from experiments import revisions
from PIL import Image
from skimage import data
from torch import Tensor

from semveil.core.errors import PhotoError
from semveil.data.face_set import FaceSet
from semveil.experiments.identity_dp import bench as identity_dp_bench
from semveil.experiments.identity_dp import evaluate as evaluation
from semveil.experiments.identity_dp import rows as identity_dp_measures
from semveil.experiments.identity_dp.bench import public_faces
from semveil.experiments.identity_dp.comparison import _baselines
from semveil.experiments.identity_dp.evaluate import evaluate
from semveil.experiments.identity_dp.pairs import pairs_within_folds
from semveil.experiments.identity_dp.photos import picture_files
from semveil.experiments.kit import inputs
from semveil.experiments.kit.experiment import EXPERIMENTS, load_paper
from semveil.experiments.kit.photo_sets import DataMissing
from semveil.experiments.kit.reproduce import draw, reproduce, tables
from semveil.faces.pixels import to_pixels
from semveil.models.identity import IdentityModel
from semveil.recognition.verifier import Verifier

SIZE, DIMENSION = 32, 16
load_paper("identity-dp")
KINDS = {
    f"identity-dp/{figure}": name.partition("/")[2]
    for name in EXPERIMENTS
    if name.startswith("identity-dp/") and name not in ("identity-dp/leak", "identity-dp/evaluation")
    for figure in EXPERIMENTS[name].figures
}
FIGURES = [figure for figure in KINDS if not figure.endswith("table3")]


def _model(name: str = "identity-128") -> IdentityModel:
    """The identity is the brightness of 16 squares; a face shows its photo with those squares' brightness
    changed.
    """

    def identify(images: Tensor) -> Tensor:
        return F.normalize(F.adaptive_avg_pool2d(images.mean(1), 4).flatten(1) + 1e-3, dim=1)

    def fuse(identity: Tensor, attributes: Any) -> Tensor:
        changes = (identity - identify(attributes[0])).unflatten(1, (1, 4, 4))
        return (0.99 * attributes[0] + 2 * F.interpolate(changes, size=(SIZE, SIZE))).clamp(-1, 1)

    digest = hashlib.sha256(b"squares").hexdigest()
    return IdentityModel("squares", digest, SIZE, DIMENSION, identify, lambda images: (images,), fuse, {})


class SquaresVerifier(Verifier):
    """Compares the squares: for the paths through the code, not for numbers."""

    name, threshold = "squares", 0.9

    def embed(self, images: Tensor) -> Tensor:
        return _model().identify(images)

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b.T

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(1)


@pytest.fixture(autouse=True, scope="module")
def substitutes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """No networks, no weights, and no detector in the measurements."""
    card = {"name": "squares", "threshold": 0.9, "threshold_from": "a test"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMVEIL_HOME", str(tmp_path_factory.mktemp("home")))
        for module in (identity_dp_bench, evaluation):
            patch.setattr(module, "load_identity_model", _model)
        for module in (inputs, evaluation):
            patch.setattr(module, "load_verifier", lambda name, resolution: (SquaresVerifier(), card))
        patch.setattr(
            identity_dp_bench, "public_faces", lambda size, count: public_faces(size, min(count, 2))
        )
        patch.setattr(identity_dp_measures, "face_detected", lambda images: images.new_ones(len(images)) > 0)
        yield


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four held-out people, each with three photos that hardly differ."""
    rng = np.random.default_rng(0)
    who = rng.integers(0, 256, (4, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    pixels = (np.repeat(who, 3, 0) + rng.integers(-8, 9, (12, SIZE, SIZE, 3))).clip(0, 255).astype(np.uint8)
    names = np.array([f"Ann Example {i // 3}" for i in range(12)])
    plane = np.full((12, SIZE, SIZE), 255, np.uint8)
    source = np.array([f"lfw/{name}/{i}.jpg" for i, name in enumerate(names)])
    path = tmp_path_factory.mktemp("faces") / "set.npz"
    FaceSet(pixels, plane, plane, source, names, np.where(np.ones(12, bool), "test", "training")).save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, people: Path) -> Path:
    """Smoke runs of all figures and tables."""
    out = tmp_path_factory.mktemp("identity")
    for figure in FIGURES:
        reproduce(figure, "smoke", out)
    reproduce("identity-dp/table3", "smoke", out, data=people)
    return out


def _result(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / f"{name}.json").read_text())


def test_every_figure_is_drawn(folder: Path) -> None:
    assert len(KINDS) == 9
    for figure in KINDS:
        with Image.open(folder / f"{figure.rpartition('/')[2]}.png") as picture:
            assert picture.size[0] > 200 and set(picture.info) <= {"dpi"}


@pytest.mark.parametrize("name", sorted({"baselines", *KINDS.values()}))
def test_numbers_are_those_of_the_revision(folder: Path, name: str) -> None:
    revisions.check(_result(folder, name))


@pytest.mark.parametrize("name", sorted(set(KINDS.values())))
def test_no_epsilon_without_its_basis(folder: Path, name: str) -> None:
    result = _result(folder, name)
    assert {"config", "seeds", "versions", "commit", "paper", "photos"} <= result.keys()
    text = json.dumps(result)
    assert text.count('"epsilon": ') == text.count('"basis": ') > 0 or name == "pairs"


def test_a_larger_budget_keeps_more_of_the_identity_and_of_the_picture(folder: Path) -> None:
    points = {(p["perturbation"], p["nominal_epsilon"]): p for p in _result(folder, "trade-off")["points"]}
    for law in {law for law, _ in points}:
        small, large = points[law, 6.0], points[law, 400.0]
        assert small["cosine_kept"] < large["cosine_kept"]
        assert np.mean(small["images"]["identity_distance dlib"]) > np.mean(
            large["images"]["identity_distance dlib"]
        )
        assert np.mean(small["images"]["ssim"]) < np.mean(large["images"]["ssim"])
        assert small["guarantee"]["basis"] == "simulation" and small["of_a_release"]["basis"] == "proved"
        assert small["of_a_release"]["whole_record_epsilon"] is None  # the attributes are in clear


def test_the_trade_off_is_told_as_a_table(folder: Path) -> None:
    assert "The face detection rate always remains high" in tables(_result(folder, "trade-off"))


def test_the_published_scale_costs_more_than_its_nominal_epsilon(folder: Path) -> None:
    result = _result(folder, "trade-off")
    observed = result["config"]["observed_sensitivity"]
    for point in result["points"]:
        true, nominal = point["of_a_release"]["epsilon"], point["nominal_epsilon"]
        ratio = 2 * DIMENSION**0.5 / observed if point["perturbation"].startswith("laplace") else 1.0
        assert true == pytest.approx(nominal * ratio, rel=1e-3) and ratio >= 1


def test_table_one_has_both_readings_and_what_the_paper_reports(folder: Path) -> None:
    result = _result(folder, "comparison")
    baselines = [(row["reading"], row["method"], row["amount"]) for row in result["rows"] if "reading" in row]
    assert len(baselines) == len(set(baselines)) == 12
    plain = next(row for row in result["rows"] if row.get("setting") == "no noise")
    assert min(plain["images"]["ssim"]) > 0.999 and plain["images"]["psr"] == [0.0, 0.0]
    assert plain["images"]["frechet"] is None and "semveil models get" in plain["images"]["frechet_reason"]
    text = tables(result)
    assert (
        "| Fawkes |  | 0.7267 | 0.8585 | 0 | 35.898 | 0.9487 | 0.985 |" in text
        and "as reported by the paper" in text
    )
    assert "not measured" in text and "facenet-casia" in text


def test_baselines_are_kept_for_another_model_and_only_then(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, rows = _result(folder, "comparison")["config"], _result(folder, "baselines")["rows"]
    assert len(rows) == 12 and _result(folder, "comparison")["rows"][:12] == rows
    shutil.copy(folder / "baselines.json", tmp_path)
    monkeypatch.setattr(identity_dp_measures, "measured", lambda *args: [])

    def kept(**changes: Any) -> list[dict[str, Any]]:
        bench = SimpleNamespace(config=config | changes)
        return _baselines(bench, tmp_path / "baselines.json", lambda *done: None)["rows"]  # type: ignore[arg-type]

    monkeypatch.setattr(identity_dp_measures, "baseline_rows", lambda bench: [])
    assert kept(model={"name": "another"}, observed_sensitivity=1.0) == rows
    assert kept(photos={"digest": "others"}) == []


def test_protected_photos_of_a_person_are_not_recognised(folder: Path) -> None:
    result = _result(folder, "pairs")
    rates = {
        (row["method"], row.get("setting"), row.get("nominal_epsilon")): row["true_acceptance"]
        for row in result["rows"]
    }
    assert rates["original", "", None]["dlib"] == [1.0, 0.0]
    assert rates["identity-dp", "von-mises-fisher", 0.57]["dlib"][0] < 1
    assert result["pairs"]["same"] == 12 and "Ann" not in json.dumps(result)
    assert "| DeepPrivacy |  | 0.029 ± 0.012 |" in tables(result)


def test_nobody_is_in_two_folds_and_all_pairs_of_a_fold_are_there() -> None:
    people = np.array(list("aaabbccdde"))
    pairs = pairs_within_folds(people, 3)
    for name in set(people):
        mine = (people[pairs.first] == name) | (people[pairs.second] == name)
        assert len(set(pairs.fold[mine])) <= 1
    assert pairs.same.sum() == 3 + 1 + 1 + 1
    sizes = np.bincount([0, 0, 0, 1, 1, 2, 2, 0, 0, 1])  # a and d, b and e, c
    assert len(pairs.first) == sum(n * (n - 1) // 2 for n in sizes)


def test_pairs_need_data(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="--data"):
        reproduce("identity-dp/table3", "smoke", tmp_path)


def test_a_preset_that_needs_data_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"held-out photos.*--data"):
        reproduce("identity-dp/fig4", "small", tmp_path)


@pytest.mark.parametrize(
    ("figure", "name"), [("identity-dp/table2", "comparison"), ("identity-dp/fig7", "pictures")]
)
def test_a_figure_is_drawn_from_the_folder_alone(
    folder: Path, tmp_path: Path, figure: str, name: str
) -> None:
    shutil.copy(folder / f"{name}.json", tmp_path)
    shutil.copytree(folder / "images", tmp_path / "images")
    drawn = draw(tmp_path / f"{name}.json", figure)
    assert drawn.read_bytes() == (folder / drawn.name).read_bytes()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two portraits, a photo without a face, and a text."""
    folder = tmp_path_factory.mktemp("photos")
    portrait = Image.fromarray(data.astronaut()[:320, 80:400])
    portrait.save(folder / "one.png")
    (folder / "more").mkdir()
    portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "more" / "two.jpg", quality=95)
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(folder / "dark.png")
    (folder / "notes.txt").write_text("no photo")
    return folder


def test_anyones_folder_is_shown(photos: Path, tmp_path: Path) -> None:
    reproduce("identity-dp/fig10", "smoke", tmp_path, data=photos)
    result = _result(tmp_path, "challenging")
    assert [face["source"] for face in result["faces"]] == ["photo 0001", "photo 0002"]
    assert not result["config"]["photos_may_be_shown"] and result["guarantee"]["basis"] == "simulation"


def test_another_programs_pictures_are_measured_where_the_photos_face_lies(
    photos: Path, tmp_path: Path
) -> None:
    same, half = tmp_path / "same", tmp_path / "half"
    shutil.copytree(photos, same)
    for path, ending in ((photos / "one.png", ".png"), (photos / "more" / "two.jpg", ".covered.png")):
        target = half / path.relative_to(photos).with_suffix(ending)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).resize((160, 160)).save(target)
    path, picture = evaluate(photos, {"copy": same, "half": half}, tmp_path / "out", verifiers=("dlib",))
    result = json.loads(path.read_text())
    rows = {row["method"]: row["images"] for row in result["rows"] if row["setting"] == ""}
    assert rows["copy"]["psnr"] == [None, None]  # infinite: equal pictures
    assert min(rows["half"]["ssim"]) > 0.9 and rows["half"]["psr"] == [0.0, 0.0]
    assert result["left_out"]["without a picture in every folder"] == 1 and picture.is_file()
    assert "| half |" in tables(result) and "| sharpness |" in tables(result)
    for row in result["rows"]:
        del row["images"]["sharpness"]  # as in results of earlier versions
    assert "| half |" in tables(result) and "sharpness" not in tables(result)


def test_true_acceptance_on_a_list_of_pairs(photos: Path, tmp_path: Path) -> None:
    faces, made = tmp_path / "lfw", tmp_path / "made"
    lines = []
    for number, person in enumerate(("Ann", "Bob", "Cem", "Dee")):
        (faces / person).mkdir(parents=True)
        for i in (1, 2):
            Image.open(photos / "one.png").rotate(number / 2).save(faces / person / f"{person}_{i:04d}.jpg")
    for a, b in (("Ann", "Bob"), ("Cem", "Dee")):
        lines += [f"{a}\t1\t2", f"{a}\t1\t{b}\t1"]
    (tmp_path / "pairs.txt").write_text("2\t1\n" + "\n".join(lines) + "\n")
    shutil.copytree(faces, made)
    with torch.random.fork_rng():
        path, _ = evaluate(
            faces,
            {"copy": made},
            tmp_path / "out",
            pairs=tmp_path / "pairs.txt",
            far=0.5,
            verifiers=("dlib",),
        )
    result = json.loads(path.read_text())
    assert result["pairs"] == {"same": 2, "different": 2, "far": 0.5}
    assert (
        result["rows"][0]["true_acceptance"] == {"dlib": None}
        and "cannot show" in result["rows"][0]["true_acceptance_reason"]
    )


def test_folders_that_do_not_fit_are_refused(photos: Path, tmp_path: Path) -> None:
    twins = tmp_path / "twins"
    twins.mkdir()
    for name in ("a.jpg", "a.png"):
        Image.new("RGB", (8, 8)).save(twins / name)
    with pytest.raises(PhotoError, match=r"a\.jpg and a\.png .* one name"):
        evaluate(twins, {}, tmp_path / "out", verifiers=("dlib",))
    for ending in ("covered", "partly-unprotected"):
        (tmp_path / "both").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "both" / f"one.{ending}.png")
    with pytest.raises(PhotoError, match="pictures of one photo"):
        evaluate(photos, {"a": tmp_path / "both"}, tmp_path / "out", verifiers=("dlib",))
    with pytest.raises(DataMissing, match="is not a folder"):
        evaluate(photos, {"a": tmp_path / "absent"}, tmp_path / "out", verifiers=("dlib",))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataMissing, match="same name"):
        evaluate(photos, {"a": tmp_path / "empty"}, tmp_path / "out", verifiers=("dlib",))
    wide = tmp_path / "wide" / "one.png"
    wide.parent.mkdir()
    Image.fromarray(to_pixels(torch.zeros(1, 3, 64, 128))[0]).save(wide)
    with pytest.raises(DataMissing, match="aspect ratio"):
        evaluate(photos, {"a": wide.parent}, tmp_path / "out", verifiers=("dlib",))


def test_a_photo_may_have_the_name_of_an_output(tmp_path: Path) -> None:
    for name in ("a", "a.covered", "b.partly-unprotected", "c.face-1"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    files = picture_files(tmp_path)
    assert {place: path.stem for place, path in files.items()} == {
        "a": "a", "a.covered": "a.covered", "b": "b.partly-unprotected",
        "b.partly-unprotected": "b.partly-unprotected", "c.face-1": "c.face-1",
    }  # fmt: skip
