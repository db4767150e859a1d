# SPDX-License-Identifier: Apache-2.0
"""Observed pairwise sensitivity:
exact on any data, resumable, small in memory, and honest about what it is.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from semveil.mechanisms import observed_pairwise_sensitivity
from semveil.mechanisms.bounds.pair_bounds import Block, l1_bounds, squared_bounds
from semveil.mechanisms.bounds.pair_sketch import Sketch
from semveil.privacy.guarantee import Basis

METRICS = {"l1": "cityblock", "l2": "euclidean"}
both_norms = pytest.mark.parametrize("norm", ["l1", "l2"])


def rows_of(kind: str, count: int, columns: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((count, columns))
    return {
        "concentrated": normal.astype(np.float32),
        "latents": (rng.gamma(4, 0.25, (count, 1)) * normal).astype(np.float32),
        "heavy tails": rng.standard_cauchy((count, columns)).astype(np.float32),
        "far from zero": normal + 1e7,
        "half precision": normal.astype(np.float16),
        "pixels": rng.integers(0, 256, (count, columns), dtype=np.uint8),
        "uneven coordinates": (normal * 10.0 ** rng.uniform(-6, 6, columns)).astype(np.float32),
        "constant coordinates": np.where(np.arange(columns) % 3 == 0, normal, 5.0).astype(np.float32),
        "tiny": (normal * 1e-20).astype(np.float32),
        "one huge row": np.where(np.arange(count)[:, None] == 3, 1e25, 1.0) * normal,
        "duplicates": normal[rng.integers(0, max(count // 4, 1), count)].astype(np.float32),
    }[kind]


KINDS = [
    "concentrated", "latents", "heavy tails", "far from zero", "half precision", "pixels",
    "uneven coordinates", "constant coordinates", "tiny", "one huge row", "duplicates",
]  # fmt: skip


@pytest.mark.parametrize("small", [2048, 0], ids=["few rows", "sketched"])
@both_norms
@pytest.mark.parametrize("kind", KINDS)
def test_equals_brute_force_in_double_precision(
    kind: str, norm: str, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semveil.mechanisms.bounds.sensitivity._SMALL", small)
    rows = rows_of(kind, 300, 64)
    expected = pdist(rows.astype(np.float64), METRICS[norm]).max()
    assert observed_pairwise_sensitivity(rows, norm, tile=70).value == pytest.approx(expected, rel=1e-12)


@settings(max_examples=60)
@given(
    kind=st.sampled_from(KINDS),
    norm=st.sampled_from(["l1", "l2"]),
    count=st.integers(2, 60),
    columns=st.integers(1, 40),
    tile=st.integers(1, 70),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_brute_force_whatever_the_tile(
    kind: str, norm: str, count: int, columns: int, tile: int, seed: int
) -> None:
    rows = rows_of(kind, max(count, 4), columns, seed)
    result = observed_pairwise_sensitivity(rows, norm, tile=tile)
    expected = pdist(rows.astype(np.float64), METRICS[norm]).max()
    assert result.value == pytest.approx(expected, rel=1e-12)


@both_norms
def test_names_the_pair_and_says_that_it_was_only_seen(norm: str) -> None:
    rows = rows_of("concentrated", 50, 20)
    rows[[7, 31]] *= [[10], [-10]]
    result = observed_pairwise_sensitivity(rows, norm)
    assert result.basis is Basis.OBSERVED_SENSITIVITY
    assert "50 seen records" in result.source
    assert {"7", "31"} <= set(result.source.replace(")", " ").split())
    assert result.norm == norm
    assert result.dimension == 20


@pytest.mark.parametrize("density", [0.05, 1.0], ids=["sparse", "dense"])
@pytest.mark.parametrize("kind", ["concentrated", "heavy tails", "uneven coordinates", "far from zero"])
@pytest.mark.parametrize("columns", [700, 2500])
def test_bounds_hold_and_are_tight(kind: str, density: float, columns: int) -> None:
    rows = rows_of(kind, 60, columns)
    centre = rows.mean(0).astype(np.result_type(rows.dtype, np.float32))
    exact = np.array(
        [
            np.abs(rows.astype(np.float64)[:, None, k] - rows.astype(np.float64)[None, :, k])
            for k in range(columns)
        ]
    )
    block = Block.prepare(rows, centre, np.ones(columns, np.float32))
    wanted = np.random.default_rng(1).random((60, 60)) < density
    pairs = wanted & ~np.eye(60, dtype=bool)
    l1, l2 = exact.sum(0)[pairs], np.square(exact).sum(0)[pairs]
    bounds = l1_bounds(block, block, wanted)
    slack = block.sizes.max() * 2e-3 if kind in ("heavy tails", "uneven coordinates") else 1e-3 * l1
    assert (bounds[pairs] >= l1).all()
    assert (bounds[pairs] <= l1 + slack).all()
    assert (bounds[~wanted] == -np.inf).all()
    assert (squared_bounds(block, block)[pairs] >= l2).all()


@pytest.mark.parametrize(
    "kind", ["concentrated", "latents", "heavy tails", "uneven coordinates", "duplicates"]
)
def test_sketches_bound_rows_longer_than_themselves(kind: str) -> None:
    rows = rows_of(kind, 600, 900).astype(np.float64)
    sketch = Sketch.build(rows[Sketch.sample_of(300)], lambda: (rows[:200], rows[200:]))
    exact = squareform(pdist(rows, "sqeuclidean"))
    bounds = sketch.squared_bounds(slice(0, 300), slice(300, 600))
    assert sketch.values.shape == (600, 257)
    assert (bounds >= exact[:300, 300:]).all()
    # rows within the subspace: exact
    full = Sketch.build(np.eye(256, 900), lambda: [rows[:, :256] @ np.eye(256, 900)])
    inside = squareform(pdist(rows[:, :256], "sqeuclidean"))[:300, 300:]
    assert full.squared_bounds(slice(0, 300), slice(300, 600)) == pytest.approx(
        inside, rel=1e-3, abs=1e-3 * float(full.squares.max())
    )


@pytest.mark.parametrize("small", [2048, 0], ids=["few rows", "sketched"])
@both_norms
@pytest.mark.parametrize("kind", ["concentrated", "latents", "uneven coordinates", "duplicates"])
def test_equals_brute_force_on_rows_longer_than_their_sketch(
    kind: str, norm: str, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semveil.mechanisms.bounds.sensitivity._SMALL", small)
    rows = rows_of(kind, 600, 900)
    expected = pdist(rows.astype(np.float64), METRICS[norm]).max()
    assert observed_pairwise_sensitivity(rows, norm, tile=128).value == pytest.approx(expected, rel=1e-12)


class Killed(Exception):
    pass


@both_norms
def test_resumes_after_a_kill_without_repeating_tiles(norm: str, tmp_path: Path) -> None:
    rows = rows_of("concentrated", 400, 30)
    np.save(tmp_path / "rows.npy", rows)
    checkpoint = tmp_path / "state.json"
    seen: list[int] = []

    def kill_halfway(done: int, total: int) -> None:
        seen.append(done)
        if done > total // 2:
            raise Killed

    arguments = {"tile": 50, "checkpoint": checkpoint}
    with pytest.raises(Killed):
        observed_pairwise_sensitivity(tmp_path / "rows.npy", norm, progress=kill_halfway, **arguments)
    saved = json.loads(checkpoint.read_text())
    assert saved["blocks_done"] > 0
    resumed: list[int] = []
    result = observed_pairwise_sensitivity(
        tmp_path / "rows.npy", norm, progress=lambda done, total: resumed.append(done), **arguments
    )
    assert 0 < resumed[0] <= seen[-1]
    assert resumed == list(range(resumed[0], 37))  # 8 x 9 / 2 tiles
    assert result.value == pytest.approx(pdist(rows.astype(np.float64), METRICS[norm]).max(), rel=1e-12)
    again: list[int] = []
    assert (
        observed_pairwise_sensitivity(rows, norm, progress=lambda d, t: again.append(d), **arguments)
        == result
    )
    assert again == [36]
    assert list(tmp_path.glob("*.part")) == []


def test_a_checkpoint_serves_its_own_input_only(tmp_path: Path) -> None:
    rows = rows_of("concentrated", 100, 10)
    checkpoint = tmp_path / "state.json"
    observed_pairwise_sensitivity(rows, "l1", tile=20, checkpoint=checkpoint)
    changed = rows.copy()
    changed[50, 3] += 1e-3
    for array, norm, tile in ((changed, "l1", 20), (rows, "l2", 20), (rows, "l1", 30), (rows[:99], "l1", 20)):
        with pytest.raises(ValueError, match="belongs to another input"):
            observed_pairwise_sensitivity(array, norm, tile=tile, checkpoint=checkpoint)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"blocks_done": 1, "best": "x", "pair": [0, 1]}'])
def test_a_broken_checkpoint_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(ValueError, match=r"state\.json is no checkpoint"):
        observed_pairwise_sensitivity(np.eye(4), "l1", checkpoint=tmp_path / "state.json")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_no_numbers_are_refused(bad: float) -> None:
    rows = np.zeros((5, 3))
    rows[2, 1] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        observed_pairwise_sensitivity(rows, "l1")


@pytest.mark.parametrize("shape", [(1, 5), (5,), (3, 2, 2), (4, 0)])
def test_arrays_without_pairs_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="N >= 2"):
        observed_pairwise_sensitivity(np.zeros(shape), "l1")


def test_identical_rows_have_no_distance() -> None:
    assert observed_pairwise_sensitivity(np.full((9, 4), 0.1, np.float32), "l1", tile=2).value == 0.0


@pytest.mark.parametrize("scale", [1e-40, 1e40])
def test_rows_out_of_the_bounds_reach_are_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="out of float32's reach"):
        observed_pairwise_sensitivity(np.eye(4) * scale, "l2")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A 400 MB file, read through its memory map in another process, must not add 400 MB to that process."""
    rows = np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.float32, (25_000, 4096))
    rows[:] = np.random.default_rng(0).standard_normal(4096, dtype=np.float32)
    rows[5], rows[17_777] = 50, -50
    rows.flush()
    script = (
        "import resource, sys; from semveil.mechanisms import observed_pairwise_sensitivity as f\n"
        "rss = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = rss(); value = f(sys.argv[1], 'l2').value; print(value, rss() - before)"
    )
    output = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "rows.npy")], capture_output=True, text=True, check=True
    )
    value, megabytes = map(float, output.stdout.split())
    assert value == pytest.approx(100 * 4096**0.5)
    assert megabytes < 330
