# SPDX-License-Identifier: Apache-2.0
"""noise-image's experiments: what is measured of made pictures, what is kept, and how results are read."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from experiments import revisions
from scipy.stats import ttest_1samp

from semveil.attacks.intervals import Score
from semveil.core.progress import quiet
from semveil.experiments.kit.experiment import EXPERIMENTS, Run, load_paper
from semveil.experiments.kit.photo_sets import DataMissing
from semveil.experiments.kit.reproduce import reproduce
from semveil.experiments.noise_image.attack import attacked, blurred, shuffled
from semveil.experiments.noise_image.bench import NoiseImageBench, load
from semveil.experiments.noise_image.cell_claims import cell_claims, over_seeds
from semveil.experiments.noise_image.cells import cell_guarantee, measure_cell
from semveil.experiments.noise_image.hits import packed, unpacked
from semveil.experiments.noise_image.paper import PAPER
from semveil.experiments.noise_image.picture_sets import as_sent
from semveil.experiments.noise_image.presets import (
    MAIN,
    NOISE_IMAGE_PRESETS,
    PRIVACY,
    SIGMAS,
    Cell,
    table3_cells,
    table4_cells,
)
from semveil.experiments.noise_image.variants import local_release
from semveil.mechanisms import gaussian_delta

SMOKE, SMALL = NOISE_IMAGE_PRESETS["smoke"], NOISE_IMAGE_PRESETS["small"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> NoiseImageBench:
    return load(Run("cells", SMOKE, tmp_path_factory.mktemp("noise-image"), None, None, None, quiet))


def _named(kind: str) -> dict:
    load_paper("noise-image")
    measurement = EXPERIMENTS[f"noise-image/{kind}"].measurement
    return {"experiment": measurement.name, "revision": measurement.revision}


def test_the_tables_hold_the_papers_cells() -> None:
    kinds = [("published", *privacy) for privacy in PRIVACY] + [("without loss", None, None)]
    theirs = {(sigma, *kind) for sigma in SIGMAS for kind in kinds}
    cells = table3_cells(SMALL)
    found = {(cell.sigma, cell.kind, cell.epsilon, cell.delta) for cell in cells}
    assert len(theirs) == 15 and theirs <= found
    assert len(table4_cells()) == 21 == len({cell.name for cell in table4_cells()})
    # the noise that the paper's own law asks for is measured beside the analytic one
    for law in ("corrected", "as_published"):
        of_law = {
            (c.sigma, c.epsilon, c.delta) for c in cells if c.kind == "published" and c.calibration == law
        }
        assert of_law == {(sigma, *privacy) for sigma in SIGMAS for privacy in PRIVACY}
        assert {
            (c.sigma, c.epsilon) for c in table4_cells() if c.kind == "published" and c.calibration == law
        } == {(sigma, epsilon) for sigma in SIGMAS for epsilon in (0.1, 0.5, 0.9)}
    assert len({cell.name for cell in cells}) == len(cells)
    seeds = set(range(SMALL.main_seeds))
    assert len(seeds) >= 3
    for sigma in (3.0, 5.0):
        for kind in (("published", *MAIN), ("without loss", None, None)):
            assert {
                cell.seed
                for cell in cells
                if (cell.sigma, cell.kind, cell.epsilon, cell.delta) == (sigma, *kind)
            } == seeds


def test_a_cell_says_how_many_are_right_and_what_is_guaranteed(bench: NoiseImageBench) -> None:
    cell = Cell(3.0, "published", *MAIN)
    made = measure_cell(bench, cell)
    hits = unpacked(made["right"], made["accuracy"]["count"])
    assert hits.mean() == pytest.approx(made["accuracy"]["value"], abs=1e-4)
    assert made["guarantee"]["epsilon"] is None and made["guarantee"]["basis"] == "none"
    assert len(made["ssim"]) == SMOKE.compared
    revisions.check({**_named("cells"), "cells": made})
    networks = sorted((bench.folder / "networks").rglob("*.safetensors"))
    again = measure_cell(bench, cell)
    assert sorted((bench.folder / "networks").rglob("*.safetensors")) == networks
    assert {**again, "cpu_seconds": 0} == {**made, "cpu_seconds": 0}, "networks are read, not trained again"


def test_true_noise_has_the_gaussian_mechanisms_epsilon() -> None:
    claim = cell_guarantee(Cell(3.0, "noised"), 3072)
    assert claim.epsilon is not None
    assert gaussian_delta(claim.epsilon, 3.0 / (2 * 3072**0.5)) == pytest.approx(1e-5, rel=1e-3)


def test_the_local_release_is_calibrated_to_the_whole_range() -> None:
    images = torch.full((64, 3, 8, 8), 5.0)  # beyond the range: clamped first
    noisy, noise, claim = local_release(images, 10.0, rng=torch.Generator().manual_seed(0))
    sigma = noise.mechanism.sigma / float(noise.box.upper)
    assert claim.epsilon == pytest.approx(10.0, rel=1e-6) and claim.whole_record_epsilon is not None
    assert gaussian_delta(10.0, sigma / (2 * 192**0.5)) == pytest.approx(1e-5, rel=1e-6)
    before_scaling = noisy * (1 + 3 * sigma)
    count = noisy.numel()
    assert float(before_scaling.mean()) == pytest.approx(1.0, abs=4 * sigma / count**0.5)
    assert float(before_scaling.std()) == pytest.approx(sigma, rel=4 / (2 * count) ** 0.5)


def test_controls_change_pictures_as_they_say() -> None:
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(shuffled(images).flatten(2).sort().values, images.flatten(2).sort().values)
    assert not torch.equal(shuffled(images), images)
    flat = torch.full((1, 3, 16, 16), 0.25)
    torch.testing.assert_close(blurred(flat), flat)
    assert blurred(images).shape == images.shape and blurred(images).std() < images.std() / 2


def test_the_attack_rebuilds_its_control(bench: NoiseImageBench) -> None:
    found = attacked(bench, shuffled, bench.test.rows(slice(8)), steps=8)
    assert np.mean(found["rebuilt"]["psnr"]) > np.mean(found["sent"]["psnr"]) + 10
    revisions.check({**_named("attack"), "attack": found})
    assert set(found["rebuilt"]) >= {"ssim", "psnr", "lpips", "classified"}


def test_what_travels_has_eight_bits(bench: NoiseImageBench) -> None:
    sent = as_sent(lambda images: 2 * images, bench.test.pixels)
    assert sent.dtype == torch.uint8 and sent.shape == bench.test.pixels.shape


def record(cell: Cell, hits: np.ndarray) -> dict:
    return {
        **{name: getattr(cell, name) for name in ("sigma", "kind", "epsilon", "delta", "seed")},
        "accuracy": {"value": float(hits.mean()), "low": 0.0, "high": 1.0, "count": len(hits)},
        "right": packed(torch.from_numpy(hits)),
        "ssim": [0.01, 0.02],
    }


def made_result(gain: float, sigmas: tuple[float, ...] = (3.0,)) -> dict:
    """Cells in which the explanation loss adds about so much to every seed's accuracy."""
    rng, cells = np.random.default_rng(0), {}
    for seed, sigma in itertools.product(range(3), sigmas):
        bare = rng.random(4000) < 0.2
        helped = bare | (rng.random(4000) < gain / 0.8)
        for cell, hits in (
            (Cell(sigma, "published", *MAIN, seed=seed), helped),
            (Cell(sigma, "without loss", seed=seed), bare),
            (Cell(sigma, "noised", seed=seed), bare),
        ):
            cells[cell.name] = record(cell, hits)
    score = {"value": 0.3, "low": 0.28, "high": 0.32, "count": 4000}
    config = {"pictures": "pictures"}
    return {
        "experiment": "noise-image/cells",
        "config": config,
        "paper": PAPER,
        "explainer": {"accuracy": score, "chance": 0.01},
        "cells": cells,
    }


def test_the_effect_of_the_loss_is_judged_over_seeds() -> None:
    for gain, verdict in ((0.05, "holds"), (0.0, "inconclusive")):
        result = made_result(gain)
        claim = next(iter(cell_claims(result)))
        assert claim.verdict == verdict and "over 3 seeds" in claim.ours
    cells = [
        [r for r in made_result(0.05)["cells"].values() if r["kind"] == kind]
        for kind in ("published", "without loss")
    ]
    over_pictures, seeds = over_seeds(*cells)
    assert seeds is not None and over_pictures.value == pytest.approx(seeds.value) and seeds.low > 0
    gains = [a["accuracy"]["value"] - b["accuracy"]["value"] for a, b in zip(*cells, strict=True)]
    assert (seeds.low, seeds.high) == pytest.approx(tuple(ttest_1samp(gains, 0).confidence_interval(0.95)))
    assert over_seeds([cells[0][0]], [cells[1][0]])[1] is None, "one seed says nothing of training anew"


def test_the_effect_over_all_sigmas_is_the_mean_of_each_seeds() -> None:
    result = made_result(0.05, (3.0, 5.0))
    claims = [claim for claim in cell_claims(result) if "mean over every σ" in claim.text]
    value = {(c["kind"], c["sigma"], c["seed"]): c["accuracy"]["value"] for c in result["cells"].values()}
    of_seed = [
        np.mean([value["published", s, k] - value["without loss", s, k] for s in (3.0, 5.0)])
        for k in range(3)
    ]
    interval = ttest_1samp(of_seed, 0).confidence_interval(0.95)
    assert [claim.ours for claim in claims] == [
        f"{Score(float(np.mean(of_seed)), *interval, 3)} over 3 seeds"
    ]
    assert not [claim for claim in cell_claims(made_result(0.05)) if "mean over every σ" in claim.text], (
        "one sigma is no mean"
    )


def test_tables_and_drawings_are_made_of_the_json_alone(tmp_path: Path) -> None:
    result = json.loads(json.dumps(made_result(0.05)))
    text = "\n\n".join(EXPERIMENTS["noise-image/cells"].table(result))
    assert "*0.652*" in text and "**Table 4**" in text
    for name in ("table3", "table4"):
        assert EXPERIMENTS["noise-image/cells"].figures[name](result, tmp_path).axes


def test_what_cannot_be_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="--data"):
        reproduce("noise-image/table3", "small", tmp_path)
    with pytest.raises(ValueError, match="uses no face verifier"):
        reproduce("noise-image/table3", "smoke", tmp_path, verifier="dlib")
    with pytest.raises(ValueError, match="model"):
        load(Run("cells", SMOKE, tmp_path, None, "noise-imagine", None, quiet))
