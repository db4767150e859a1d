"""noise-image's tables and figures [NI]: run, write JSON, draw from the JSON.

Tables 3 and 4 are views of one file (`cells.json`), to which each run adds the cells that are missing. Figs. 3, 4 and 5 are
`pictures.json`, the attack `attack.json`, the variants with a guarantee `variants.json`.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from semveil.attacks.intervals import rate
from semveil.core.privacy import Guarantee, Norm, Sensitivity
from semveil.core.registry import Registry
from semveil.core.results import rounded
from semveil.experiments.dp_semcom.protected import Progress, quiet
from semveil.experiments.kit.keeping import Keep, Kept, measurement
from semveil.experiments.noise_image.attack import attack_targets
from semveil.experiments.noise_image.bench import (
    DELTA,
    DETERMINISTIC,
    NoiseImageBench,
    Run,
    as_dict,
    as_sent,
    packed,
    prepare,
    right,
)
from semveil.experiments.noise_image.figures import draw
from semveil.experiments.noise_image.pictures import pictures
from semveil.experiments.noise_image.presets import NOISE_IMAGE_PRESETS, Cell, table3_cells, table4_cells
from semveil.experiments.noise_image.variants import variants
from semveil.mechanisms import Gaussian
from semveil.metrics import ssim

PAPER = {
    "source": "Tables 3 and 4 and Section 5.2 of [NI]: CIFAR-100 at 224 px; null where it gives no number",
    "explainer": 0.720,
    "noised": None,
    "table3": {
        "without loss": [0.603, 0.586, 0.577],
        "epsilon 0.1, delta 1e-05": [0.620, 0.611, 0.601],
        "epsilon 0.1, delta 0.9": [0.623, 0.612, 0.598],
        "epsilon 0.9, delta 1e-05": [0.652, 0.629, 0.624],
        "epsilon 0.9, delta 0.9": [0.651, 0.632, 0.620],
    },
    "table4": {  # printed times 100; delta 0.9
        "noised": [0.0154, 0.0129, 0.0116],
        "epsilon 0.9, delta 0.9": [0.0152, 0.0121, 0.0112],
        "epsilon 0.5, delta 0.9": [0.0154, 0.0130, 0.0115],
        "epsilon 0.1, delta 0.9": [0.0155, 0.0128, 0.0122],
    },
    "attack": None,
}


def reproduce_noise_image(
    figure: str,
    preset: str,
    out: Path,
    *,
    data: Path | None = None,
    model: str | None = None,
    verifier: str | None = None,
    progress: Progress = quiet,
) -> Path:
    """Run what a table or figure shows, write its JSON into a folder, and draw it from there.

    What a JSON of the same settings, pictures and versions holds already is kept, and trained networks lie beside it, so an
    interrupted run goes on where it was.

    Args:
        figure: `noise-image/table3`, `table4`, `fig3`, `fig4`, `fig5`, `attack` or `variants`.
        preset: `smoke`, `small`, `paper`, or `cifar10`, the paper's on CIFAR-10.
        out: folder of the results; made where it is missing.
        data: CIFAR-100 or CIFAR-10, see `load_labelled`; `smoke` makes pictures of its own without it.
        model: noise-image model whose explainer is taken; where None, one is trained.
        verifier: must be None, there are no faces.
        progress: what is being done, how much is done, how much there is.

    Returns:
        The figure, a PNG.

    Raises:
        ValueError: no such figure or preset, or a verifier was named, or there is no such model.
        DataMissing: the preset needs `data`.
    """
    kind, chosen = NOISE_IMAGE_FIGURES[figure], NOISE_IMAGE_PRESETS[preset]
    if verifier:
        raise ValueError(f"{figure} judges no faces; leave out the verifier {verifier!r}")
    bench = prepare(chosen, Path(out), data, model, progress)
    path = bench.folder / f"{kind}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = Kept(path, MEASURED[kind], config=bench.config, head={"paper": PAPER})
    kept.part("explainer", measure=partial(_explainer_accuracy, bench))
    RUNS[figure](bench, lambda name, measure: kept.part(kind, name, measure=measure))
    return draw(path, figure)


def _explainer_accuracy(bench: NoiseImageBench) -> dict[str, Any]:
    hits = right(bench.explainer, bench.test.pixels, bench.test.labels)
    return {"accuracy": as_dict(rate(hits.numpy())), "chance": 1 / len(bench.classes)}


def _cells(cells: Callable[[Any], list[Cell]]) -> Run:
    """Measure the cells of a table that are missing."""

    def run(bench: NoiseImageBench, keep: Keep) -> None:
        chosen = cells(bench.preset)
        for number, cell in enumerate(chosen):
            bench.progress("cells", number, len(chosen))
            keep(cell.name, partial(measure_cell, bench, cell))
        bench.progress("cells", len(chosen), len(chosen))

    return run


def measure_cell(bench: NoiseImageBench, cell: Cell) -> dict[str, Any]:
    """Train what the cell needs, and count what the service model and the explainer make of what is sent."""
    start = time.process_time()
    protect = bench.conversion(cell)
    sent, shown = (as_sent(protect, part.pixels) for part in (bench.train, bench.test))
    hits = right(bench.service(cell, protect, sent), shown, bench.test.labels)
    seconds = time.process_time() - start
    compared = slice(bench.preset.compared)
    likeness = ssim(shown[compared].float() / 127.5 - 1, bench.test.rows(compared).images)
    return {
        **{name: getattr(cell, name) for name in ("sigma", "kind", "epsilon", "delta", "seed", "calibration")},
        "guarantee": cell_guarantee(cell, bench.test.pixels.shape[1:].numel()).as_dict(),
        "accuracy": as_dict(rate(hits.numpy())),
        "right": packed(hits),
        "explainer_accuracy": as_dict(rate(right(bench.explainer, shown, bench.test.labels).numpy())),
        "standard_deviation": round(float((shown.float() / 127.5 - 1).std()), 4),
        "ssim": rounded(likeness.tolist()),
        "cpu_seconds": round(seconds, 1),
    }


def cell_guarantee(cell: Cell, values: int) -> Guarantee:
    """What holds for a picture of so many values that is sent this way."""
    if cell.kind != "noised":
        return Guarantee.none("the picture", reason=DETERMINISTIC)
    sensitivity = Sensitivity(2 * values**0.5, Norm.L2, values, source="pixel values in [-1, 1]")
    return Gaussian(cell.sigma, DELTA).guarantee(sensitivity, covers="the picture")


RUNS: Registry[Run] = Registry("figure")
MEASURED = {
    kind: measurement(f"noise-image/{kind}", revision=revision)
    for kind, revision in (("cells", 2), ("pictures", 1), ("attack", 2), ("variants", 2))
}
NOISE_IMAGE_FIGURES: Registry[str] = Registry("figure")
for _figure, _kind, _run in (
    ("table3", "cells", _cells(table3_cells)),
    ("table4", "cells", _cells(lambda preset: table4_cells())),
    ("fig3", "pictures", pictures("fig3")),
    ("fig4", "pictures", pictures("fig4")),
    ("fig5", "pictures", pictures("fig5")),
    ("attack", "attack", attack_targets),
    ("variants", "variants", variants),
):
    NOISE_IMAGE_FIGURES.add(f"noise-image/{_figure}", _kind)
    RUNS.add(f"noise-image/{_figure}", _run)
