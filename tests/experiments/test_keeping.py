# SPDX-License-Identifier: Apache-2.0
"""A result is kept where everything that goes into it is the same,
and measured anew where anything is not.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from experiments import revisions
from torch import Tensor

from semveil.core.progress import quiet
from semveil.data.face_set import FaceSet
from semveil.data.splits import TEST, TRAINING
from semveil.experiments.dp_semcom import link_bench, security
from semveil.experiments.dp_semcom.security import SecurityPreset
from semveil.experiments.dp_semcom.setup import PRESETS, prepare_run
from semveil.experiments.identity_dp import leak as identity_leak
from semveil.experiments.identity_dp.leak import LEAK_PRESETS, LeakBench, LeakPreset
from semveil.experiments.kit import keeping
from semveil.experiments.kit import reproduce as driver
from semveil.experiments.kit.experiment import EXPERIMENTS, Run, load_all
from semveil.experiments.kit.keeping import MEASUREMENTS, Kept, Measurement
from semveil.experiments.kit.photo_sets import held_out_photos
from semveil.experiments.kit.reproduce import reproduce
from semveil.models.face import load_model
from semveil.models.identity import IdentityModel

CLEAN, LATER, DIRTY = "a" * 40, "b" * 40, "a" * 40 + "+changes"
SQUARES = Measurement("example/squares", revision=1)


class Counter:
    """Measures one number, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        return 9


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Sources at a commit."""

    def go(commit: str | None) -> None:
        monkeypatch.setattr(keeping, "commit", lambda: commit)

    go(CLEAN)
    return go


@pytest.mark.parametrize(
    "changes",
    [
        {"measurement": Measurement("example/squares", revision=2)},
        {"measurement": Measurement("example/cubes", revision=1)},
        {"config": {"photos": "another digest", "sizes": (1, 2)}},
        {"config": {"photos": "digest", "sizes": (1, 3)}},
    ],
)
def test_any_other_input_measures_anew(
    tmp_path: Path, at: Callable[[str | None], None], changes: dict[str, Any]
) -> None:
    path, counter = tmp_path / "squares.json", Counter()
    same: dict[str, Any] = {"measurement": SQUARES, "config": {"photos": "digest", "sizes": (1, 2)}}
    for settings, calls in ((same, 1), (same, 1), (same | changes, 2), (same, 3)):
        kept = Kept(path, **settings)
        assert bool(kept.replaced) == (calls > 1)  # told before anything is lost
        assert kept.part("cell", measure=counter) == 9
        assert counter.calls == calls


def test_what_differs_from_a_result_that_is_replaced_is_named(
    tmp_path: Path, at: Callable[[str | None], None]
) -> None:
    path = tmp_path / "squares.json"
    at(DIRTY)
    Kept(path, SQUARES, config={"photos": "digest", "size": 1}).part("cell", measure=Counter())
    at(CLEAN)
    other: dict[str, Any] = {"photos": "another", "steps": 1}
    assert Kept(path, SQUARES, config=other).replaced == ["config.photos", "config.size", "config.steps"]
    assert Kept(path, SQUARES, config={"photos": "digest", "size": 1}).replaced == ["draft"]
    revised = Measurement("example/squares", revision=2)
    assert Kept(path, revised, config={"photos": "digest", "size": 1}).replaced == ["revision"]


def test_other_versions_beneath_and_a_damaged_file_measure_anew(
    tmp_path: Path, at: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, counter = tmp_path / "squares.json", Counter()
    Kept(path, SQUARES, config={}).part("cell", measure=counter)
    path.write_text(path.read_text()[:-9])
    Kept(path, SQUARES, config={}).part("cell", measure=counter)
    assert counter.calls == 2
    monkeypatch.setattr(keeping, "versions", lambda: {"torch": "another"})
    Kept(path, SQUARES, config={}).part("cell", measure=counter)
    assert counter.calls == 3


def test_a_broken_run_goes_on_and_leaves_nothing_of_the_break(
    tmp_path: Path, at: Callable[[str | None], None]
) -> None:
    path, counters = tmp_path / "squares.json", (Counter(), Counter())

    def body(keep: keeping.Keep, *, breaks: bool) -> dict[str, Any]:
        first = keep("one", counters[0])
        if breaks:
            raise KeyboardInterrupt
        return {"cells": [first, keep("two", counters[1])]}

    with pytest.raises(KeyboardInterrupt):
        Kept(path, SQUARES, config={}).whole(lambda keep: body(keep, breaks=True))
    for _ in range(2):
        Kept(path, SQUARES, config={}).whole(lambda keep: body(keep, breaks=False))
        assert [counter.calls for counter in counters] == [1, 1]
    result = json.loads(path.read_text())
    assert result["cells"] == [9, 9] and "unfinished" not in result


def test_the_commit_is_recorded_and_changed_sources_make_a_draft(
    tmp_path: Path, at: Callable[[str | None], None]
) -> None:
    path, counter = tmp_path / "squares.json", Counter()

    def result(cell: str) -> dict[str, Any]:
        Kept(path, SQUARES, config={}).part("cells", cell, measure=counter)
        return json.loads(path.read_text())

    assert result("one")["commit"] == CLEAN and "draft" not in result("one")
    at(LATER)
    assert (result("two")["commit"], result("two")["continued_at"]) == (CLEAN, [LATER])
    at(DIRTY)
    drafted = result("three")
    assert drafted["continued_at"] == [LATER, DIRTY] and "not for committing" in drafted["draft"]
    assert counter.calls == 3
    at(CLEAN)
    assert "draft" not in result("one") and counter.calls == 4  # a draft is not kept by clean sources


def test_everything_that_can_be_reproduced_is_declared() -> None:
    load_all()
    measured = {name for name in EXPERIMENTS if EXPERIMENTS[name].measure is not None}
    assert set(MEASUREMENTS) == {*measured, "identity-dp/baselines"}  # part of its comparison
    assert {"dp-semcom/security", "identity-dp/leak", "identity-dp/baselines", "noise-image/cells"} <= set(
        MEASUREMENTS
    )


def test_results_in_the_repository_say_at_which_clean_commit_they_were_made() -> None:
    """Those that do not are named in results/README.md as outdated."""
    root = Path(__file__).resolve().parents[2] / "results"
    text = (root / "README.md").read_text()
    before = text.partition("## Outdated results")[2].partition("\n## ")[0]
    wrong = [
        str(path.relative_to(root))
        for path in sorted(root.rglob("*.json"))
        if not clean(json.loads(path.read_text())) and f"`{path.relative_to(root)}`" not in before
    ]
    assert not wrong


def clean(result: dict[str, Any]) -> bool:
    """Whether a result names its key and one clean commit."""
    commits = [result.get("commit"), *result.get("continued_at", [])]
    keyed = "key" in result or result.get("experiment") not in list(MEASUREMENTS)
    return keyed and "draft" not in result and all(isinstance(c, str) and len(c) == 40 for c in commits)


def test_that_check_sees_a_draft() -> None:
    good = {"experiment": "dp-semcom/curves", "key": "0", "commit": CLEAN}
    assert clean(good)
    bad = ({"commit": DIRTY}, {"commit": None}, {"continued_at": [DIRTY]}, {"draft": ""})
    assert not any(clean(good | changes) for changes in bad)
    assert not clean({"experiment": "dp-semcom/curves", "commit": CLEAN})


# Another set of photos with equal counts


def faces(path: Path, seed: int, size: int) -> Path:
    """30 people of three photos, ten of them held out."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (90, size, size, 3), dtype=np.uint8)
    names = np.repeat([f"p{i}" for i in range(30)], 3)
    plane = np.zeros((90, size, size), np.uint8)
    source = np.array([f"lfw/{name}/{i}.jpg" for i, name in enumerate(names)])
    FaceSet(
        pixels, plane, plane, source, names, np.repeat(np.where(np.arange(30) < 10, TEST, TRAINING), 3)
    ).save(path)
    return path


@pytest.fixture
def two_sets(tmp_path: Path) -> Callable[[int], tuple[Path, Path]]:
    return lambda size: (faces(tmp_path / "one.npz", 1, size), faces(tmp_path / "two.npz", 2, size))


def test_the_leak_of_other_people_is_measured_anew(
    tmp_path: Path, two_sets: Callable[[int], tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Tensor] = []

    def probed(bench: LeakBench) -> list[Any]:
        runs.append(bench.faces.probes.images)
        return []

    def identify(images: Tensor) -> Tensor:
        return F.normalize(images.flatten(1)[:, :4] + 1e-3, dim=1)

    def fuse(identity: Tensor, attributes: Sequence[Tensor]) -> Tensor:
        return attributes[0]

    small = IdentityModel("small", "0" * 64, 8, 4, identify, lambda images: (images,), fuse, {})
    sizes = {"gallery_photos": 1, "strangers": 4, "public": 6, "named_people": 2, "named_photos": 2}
    monkeypatch.setitem(
        LEAK_PRESETS._entries,
        "smoke",
        LeakPreset("smoke", ("bundled",), **sizes, sides=(), attribute_epsilon=None),
    )
    monkeypatch.setattr(identity_leak, "load_identity_model", lambda name: small)
    monkeypatch.setattr(
        identity_leak, "recognisers", lambda names, size: ({}, {name: {"digest": "0" * 64} for name in names})
    )
    monkeypatch.setattr(identity_leak, "signals", lambda model, recognisers: {})
    monkeypatch.setattr(identity_leak, "_variants", lambda bench: [])
    monkeypatch.setattr(identity_leak, "_attribute_probe", probed)
    monkeypatch.setattr(driver, "draw", lambda path, figure: path)
    one, two = two_sets(8)
    for data, count in ((one, 1), (one, 1), (two, 2)):
        reproduce("identity-dp/leak", "smoke", tmp_path / "out", data=data)
        assert len(runs) == count
    assert not torch.equal(*runs)


def test_security_of_other_people_is_measured_anew(
    tmp_path: Path,
    tiny_model: Path,
    two_sets: Callable[[int], tuple[Path, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[Tensor] = []
    tiny = SecurityPreset(
        "tiny", "held-out", attacked=4, gallery=3, public=5, synthetic=0, cases=("none",), verifier="dlib"
    )
    monkeypatch.setitem(security.PRESETS._entries, "smoke", tiny)
    monkeypatch.setattr(security, "_unprotected", lambda bench: {})
    monkeypatch.setattr(security, "_run_case", lambda bench, case: runs.append(bench.faces.attacked) or {})
    monkeypatch.setattr(driver, "draw", lambda path, figure: path)
    one, two = two_sets(32)
    for data, count in ((one, 1), (one, 1), (two, 2)):
        reproduce("dp-semcom/security", "smoke", tmp_path / "out", data=data, model=str(tiny_model))
        assert len(runs) == count
    assert not torch.equal(*runs)


def test_links_of_other_people_have_another_key(
    tmp_path: Path, tiny_model: Path, two_sets: Callable[[int], tuple[Path, Path]]
) -> None:
    tiny = replace(link_bench.PRESETS["smoke"], split="held-out", photos=2, public=3)
    one, two = (
        link_bench.load(Run("channels", tiny, tmp_path, path, str(tiny_model), None, quiet)).config
        for path in two_sets(32)
    )
    assert one["photos_digest"] != two["photos_digest"]
    assert {**one, "photos_digest": None} == {**two, "photos_digest": None}
    assert all(one[name] for name in ("verifier", "inversion", "model", "metric_weights"))


def test_other_photos_of_equal_counts_have_another_key_in_figures(
    tmp_path: Path, tiny_model: Path, two_sets: Callable[[int], tuple[Path, Path]]
) -> None:
    """dp-semcom's, dp-image's, latent-dp's and identity-dp's runs describe their photos alike."""
    model, (one, two) = load_model(str(tiny_model)), two_sets(32)
    sets = [held_out_photos(path, model, 3) for path in (one, two, one)]
    assert sets[0].description == sets[1].description and len(sets[0].ids) == len(sets[1].ids)
    assert sets[0].digest == sets[2].digest != sets[1].digest
    few = replace(PRESETS["smoke"], photos=2, epsilons=())
    configs = [
        prepare_run("curves", Run("fig3", few, tmp_path, path, str(tiny_model), None, quiet)).config
        for path in (one, two)
    ]
    assert configs[0]["photos"]["digest"] != configs[1]["photos"]["digest"]
    assert {**configs[0], "photos": None} == {**configs[1], "photos": None}
    assert all(configs[0][name] for name in ("verifier", "inversion", "model", "metric_weights"))
    assert len(configs[0]["verifier"]["digest"]) == len(configs[0]["model"]["prior"]) == 64


# Stored numbers


def test_changed_numbers_are_seen_unless_the_revision_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "revisions.json"
    result = {
        "experiment": "example",
        "revision": 1,
        "config": {"size": 3},
        "points": [{"ssim": [0.5, 0.6]}, {"ssim": [0.7]}],
    }
    monkeypatch.delenv("SEMVEIL_STORE_NUMBERS", raising=False)
    with pytest.raises(AssertionError, match="no numbers are stored for revision 1"):
        revisions.check(result, place)
    monkeypatch.setenv("SEMVEIL_STORE_NUMBERS", "1")
    revisions.check(result, place)
    revisions.check({**result, "config": {"size": 4}}, place)
    moved = {**result, "points": [{"ssim": [0.5, 0.6]}, {"ssim": [0.73]}]}
    with pytest.raises(AssertionError, match=r"changed at \['points.ssim'\]: raise its revision"):
        revisions.check(moved, place)
    revisions.check({**moved, "revision": 2}, place)
    assert json.loads(place.read_text())["example"]["revision"] == 2
