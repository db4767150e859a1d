# SPDX-License-Identifier: Apache-2.0
"""Reconstruction of noise-image's converted pictures by a trained inverter, `attack.json`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from semveil.attacks.intervals import Score
from semveil.attacks.inverter import InverterSettings, train_inverter
from semveil.core.results import rounded
from semveil.core.rng import streams
from semveil.core.weights import WeightsMissing
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.statistics import NOT_MEASURED, mean, shown_score
from semveil.experiments.kit.tables import markdown
from semveil.experiments.noise_image.bench import NoiseImageBench, bars, label_of, shown_by
from semveil.experiments.noise_image.cell_claims import named
from semveil.experiments.noise_image.hits import accuracy, right
from semveil.experiments.noise_image.paper import result_of_paper
from semveil.experiments.noise_image.picture_sets import Pictures, Protect, as_sent, eight_bits, scaled
from semveil.experiments.noise_image.presets import MAIN, Cell
from semveil.metrics import lpips, psnr, ssim

BLUR = 2.0  # standard deviation in pixels
KINDS = (("published", *MAIN), ("without loss",), ("noised",))
TARGETS = (*(Cell(sigma, *kind) for kind in KINDS for sigma in (3.0, 5.0)), Cell(3.0, "as_released"))
LONGER = 3  # factor on the training steps for the targets in `PATIENT`
PATIENT = (Cell(3.0, "published", *MAIN), Cell(3.0, "noised"))


def _attack_targets(bench: NoiseImageBench, keep: Keep) -> None:
    """Attack all targets and the controls.

    Permutation and blur are positive controls, which the inverter must reconstruct. The mean picture is the
    score of a guess that ignores the transmitted picture.
    """
    steps = bench.preset.inverter_steps
    shown = bench.test.rows(slice(bench.preset.attacked))
    average = bench.train.images.mean(0)
    keep("mean picture", lambda: _rebuilt(bench, average.expand_as(shown.images), shown))
    keep("source", lambda: _classified(bench, shown.pixels, shown))

    def on(cell: Cell, steps: int) -> dict[str, Any]:
        return attacked(bench, bench.conversion(cell), shown, steps=steps)

    jobs: dict[str, Callable[[], dict[str, Any]]] = {
        "permutation": partial(attacked, bench, shuffled, shown, steps=steps),
        "blur": partial(attacked, bench, blurred, shown, steps=steps),
        **{cell.name: partial(on, cell, steps) for cell in TARGETS},
        **{f"{cell.name}, {LONGER * steps} steps": partial(on, cell, LONGER * steps) for cell in PATIENT},
    }
    each(jobs, keep, bench.progress, "attack")


def attacked(bench: NoiseImageBench, protect: Protect, shown: Pictures, *, steps: int) -> dict[str, Any]:
    """Train an inverter on original and transmitted training pictures, and apply it to test pictures.

    Args:
        bench: provides the training pictures.
        protect: maps images in [-1, 1] to protected images.
        shown: test pictures to reconstruct.
        steps: of the inverter's training.
    """
    known, sent = (scaled(as_sent(protect, pixels)) for pixels in (bench.train.pixels, shown.pixels))
    settings = InverterSettings(width=bench.preset.inverter_width, steps=steps)
    inverter = train_inverter(known, bench.train.images, settings, rng=streams(0)["attack"])
    return {
        "known_pairs": len(known),
        "validation_error": round(inverter.error, 4),
        "sent": _compared(sent, shown.images),
        "rebuilt": _rebuilt(bench, inverter(sent), shown),
    }


def _rebuilt(bench: NoiseImageBench, images: Tensor, shown: Pictures) -> dict[str, Any]:
    """Similarity of estimates in [-1, 1] to their sources, and the explainer's accuracy on them."""
    return {**_compared(images, shown.images), **_classified(bench, eight_bits(images), shown)}


def _classified(bench: NoiseImageBench, pixels: Tensor, shown: Pictures) -> dict[str, Any]:
    return {"classified": accuracy(right(bench.explainer, pixels, shown.labels))}


def _compared(images: Tensor, sources: Tensor) -> dict[str, Any]:
    """SSIM, PSNR and LPIPS of each picture to its source; LPIPS is None, with a reason, if not measured."""
    metrics = {"ssim": ssim, "psnr": psnr}
    found: dict[str, Any] = {name: rounded(f(images, sources).tolist()) for name, f in metrics.items()}
    try:  # the network of LPIPS needs larger pictures
        large = [F.interpolate(x, scale_factor=2, mode="bilinear").clamp(-1, 1) for x in (images, sources)]
        parts = zip(*(x.split(128) for x in large), strict=True)
        found["lpips"] = rounded(torch.cat([lpips(a, b) for a, b in parts]).tolist())
    except WeightsMissing as error:
        found["lpips"], found["lpips_reason"] = None, str(error)
    return found


def shuffled(images: Tensor) -> Tensor:
    """Permute the pixels, in the same order for every picture.

    Args:
        images: (N, 3, H, W).
    """
    order = torch.randperm(images[0, 0].numel(), generator=streams(0)["permutation"])
    return images.flatten(2)[:, :, order].view(images.shape)


def blurred(images: Tensor) -> Tensor:
    """Apply a Gaussian blur.

    Args:
        images: (N, 3, H, W), any range.
    """
    side = 2 * round(3 * BLUR) + 1
    weights = torch.exp(-((torch.arange(side) - side // 2) ** 2) / (2 * BLUR**2))
    weights = (weights / weights.sum()).expand(3, 1, 1, side)
    padded = F.pad(images, (side // 2,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, weights, groups=3), weights.mT, groups=3)


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw SSIM of the reconstructions and classification accuracy on them, by target."""
    rows = _attack_rows(result)
    figure = Figure(figsize=(9, 0.45 * len(rows) + 1.4))
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(rows))[::-1]
    bars(left, places, [row["ssim"] for row in rows], "SSIM of the reconstruction")
    bars(right, places, [row["classified"] for row in rows], "classification accuracy")
    left.set_yticks(places, [label_of(row["name"]) for row in rows])
    right.axvline(result["attack"]["source"]["classified"]["value"], color="grey", lw=1)
    right.axvline(result["explainer"]["chance"], color="grey", lw=1, ls=":")
    lines = "(vertical lines: accuracy on the originals, chance)"
    figure.suptitle(f"Reconstruction by a trained inverter {lines}")
    return figure


def _attack_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Scores of the reconstructions by target, and the SSIM of the transmitted pictures, `sent`."""
    rows = []
    for name, target in result["attack"].items():
        if name != "source":
            made = target.get("rebuilt", target)
            scores = {metric: mean(made, metric) for metric in ("ssim", "psnr", "lpips")}
            sent = mean(target.get("sent", {}), "ssim")
            rows.append({"name": name, "classified": Score(**made["classified"]), **scores, "sent": sent})
    return rows


def _table(result: dict[str, Any]) -> list[str]:
    """Quality of the reconstructions and classification accuracy on them, by target."""
    head = ["transmitted picture", "SSIM before the attack", "SSIM", "PSNR, dB", "LPIPS"]
    rows = []
    for row in _attack_rows(result):
        scores = [str(row[c] or NOT_MEASURED) for c in ("ssim", "psnr", "lpips", "classified")]
        rows.append([named(row["name"]), str(row["sent"] or ""), *scores])
    known = max(target.get("known_pairs", 0) for target in result["attack"].values())
    steps = result["config"]["preset"]["inverter_steps"]
    about = (
        f"An inverter trained on {known:,} pairs of training pictures for {steps:,} steps unless stated; "
        f"{len(result['attack']['mean picture']['ssim'])} test pictures reconstructed; mean with a 95 % "
        "interval over pictures. LPIPS after upsampling by 2. The explainer's accuracy on the original "
        f"pictures is {shown_score(result['attack']['source']['classified'])}, chance is "
        f"{result['explainer']['chance']:.3f}."
    )
    return [about, markdown([*head, "classification accuracy"], rows)]


ATTACK = result_of_paper(
    "noise-image/attack",
    revision=2,
    measure=shown_by("attack", {"attack": _attack_targets}),
    figures={"attack": _drawing},
    table=_table,
)
