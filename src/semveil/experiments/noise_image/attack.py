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

from semveil.attacks.intervals import Score, rate
from semveil.attacks.inverter import InverterSettings, train_inverter
from semveil.core.results import rounded
from semveil.core.rng import streams
from semveil.core.weights import WeightsMissing
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.statistics import NOT_MEASURED, mean, score_as_json, shown_score
from semveil.experiments.kit.tables import markdown
from semveil.experiments.noise_image.bench import NoiseImageBench, bars, label_of, shown_by
from semveil.experiments.noise_image.cell_claims import named
from semveil.experiments.noise_image.hits import right
from semveil.experiments.noise_image.paper import result_of_paper
from semveil.experiments.noise_image.picture_sets import Pictures, Protect, as_sent, eight_bits
from semveil.experiments.noise_image.presets import MAIN, Cell
from semveil.metrics import lpips, psnr, ssim

BLUR = 2.0  # standard deviation in pixels
TARGETS = (
    *(Cell(sigma, "published", *MAIN) for sigma in (3.0, 5.0)),
    *(Cell(sigma, "without loss") for sigma in (3.0, 5.0)),
    *(Cell(sigma, "noised") for sigma in (3.0, 5.0)),
    Cell(3.0, "as_released"),
)
LONGER = 3  # factor on the training steps for the targets in `PATIENT`
PATIENT = (Cell(3.0, "published", *MAIN), Cell(3.0, "noised"))


def attack_targets(bench: NoiseImageBench, keep: Keep) -> None:
    """Attack all targets and the controls.

    Permutation and blur are positive controls, which the inverter must reconstruct. The mean picture is the
    score of a guess that ignores the transmitted picture.

    Args:
        bench: loaded inputs of the run.
        keep: stores partial results.
    """
    steps = bench.preset.inverter_steps
    named: dict[str, tuple[Callable[[], Protect], int]] = {
        "permutation": (lambda: shuffled, steps),
        "blur": (lambda: blurred, steps),
        **{cell.name: (partial(bench.conversion, cell), steps) for cell in TARGETS},
        **{
            f"{cell.name}, {LONGER * steps} steps": (partial(bench.conversion, cell), LONGER * steps)
            for cell in PATIENT
        },
    }
    shown = bench.test.rows(slice(bench.preset.attacked))
    average = bench.train.images.mean(0)
    keep("mean picture", lambda: rebuilt(bench, average.expand_as(shown.images), shown))
    keep(
        "source",
        lambda: {
            "classified": score_as_json(rate(right(bench.explainer, shown.pixels, shown.labels).numpy()))
        },
    )

    def job(name: str) -> dict[str, Any]:
        make, chosen = named[name]
        return attacked(bench, make(), shown, steps=chosen)

    each({name: partial(job, name) for name in named}, keep, bench.progress, "attack")


def attacked(bench: NoiseImageBench, protect: Protect, shown: Pictures, *, steps: int) -> dict[str, Any]:
    """Train an inverter on original and transmitted training pictures, and apply it to test pictures.

    Args:
        bench: provides the training pictures.
        protect: maps images in [-1, 1] to protected images.
        shown: test pictures to reconstruct.
        steps: of the inverter's training.
    """
    known, sent = (
        as_sent(protect, pixels).float() / 127.5 - 1 for pixels in (bench.train.pixels, shown.pixels)
    )
    settings = InverterSettings(width=bench.preset.inverter_width, steps=steps)
    inverter = train_inverter(known, bench.train.images, settings, rng=streams(0)["attack"])
    return {
        "known_pairs": len(known),
        "validation_error": round(inverter.error, 4),
        "sent": compared(sent, shown.images),
        "rebuilt": rebuilt(bench, inverter(sent), shown),
    }


def rebuilt(bench: NoiseImageBench, images: Tensor, shown: Pictures) -> dict[str, Any]:
    """Similarity of estimates to their sources, and the explainer's accuracy on them.

    Args:
        bench: provides the explainer, trained on original pictures.
        images: (N, 3, H, W) in [-1, 1], estimates.
        shown: the original pictures.
    """
    pixels = eight_bits(images)
    hits = right(bench.explainer, pixels, shown.labels)
    return {**compared(images, shown.images), "classified": score_as_json(rate(hits.numpy()))}


def compared(images: Tensor, sources: Tensor) -> dict[str, Any]:
    """SSIM, PSNR and LPIPS of each picture to its source.

    LPIPS is None, with a reason, if its weights are missing.

    Args:
        images: (N, 3, H, W) in [-1, 1].
        sources: (N, 3, H, W) in [-1, 1], in the same order.
    """
    found: dict[str, Any] = {
        name: rounded(metric(images, sources).tolist()) for name, metric in (("ssim", ssim), ("psnr", psnr))
    }
    try:  # the network of LPIPS needs larger pictures
        large = [F.interpolate(x, scale_factor=2, mode="bilinear").clamp(-1, 1) for x in (images, sources)]
        found["lpips"] = rounded(
            torch.cat([lpips(a, b) for a, b in zip(*(x.split(128) for x in large), strict=True)]).tolist()
        )
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


def drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw SSIM of the reconstructions and classification accuracy on them, by target.

    Args:
        result: content of `attack.json`.
        folder: directory of the result file and its images.
    """
    rows = attack_rows(result)
    figure = Figure(figsize=(9, 0.45 * len(rows) + 1.4))
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(rows))[::-1]
    for axes, column, label in (
        (left, "ssim", "SSIM of the reconstruction"),
        (right, "classified", "classification accuracy"),
    ):
        found = [row[column] for row in rows]
        bars(axes, places, found, label)
    left.set_yticks(places, [label_of(row["name"]) for row in rows])
    right.axvline(result["attack"]["source"]["classified"]["value"], color="grey", lw=1)
    right.axvline(result["explainer"]["chance"], color="grey", lw=1, ls=":")
    figure.suptitle(
        "Reconstruction by a trained inverter (vertical lines: accuracy on the originals, chance)"
    )
    return figure


def attack_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Scores of the reconstructions by target; None if not measured.

    The key `sent` is the SSIM of the transmitted pictures.

    Args:
        result: content of `attack.json`.
    """
    rows = []
    for name, target in result["attack"].items():
        if name != "source":
            made = target.get("rebuilt", target)
            scores = {metric: mean(made, metric) for metric in ("ssim", "psnr", "lpips")}
            sent = mean(target.get("sent", {}), "ssim")
            rows.append({"name": name, "classified": Score(**made["classified"]), **scores, "sent": sent})
    return rows


def table(result: dict[str, Any]) -> list[str]:
    """Quality of the reconstructions and classification accuracy on them, by target.

    Args:
        result: content of `attack.json`.
    """
    head = [
        "transmitted picture",
        "SSIM before the attack",
        "SSIM",
        "PSNR, dB",
        "LPIPS",
        "classification accuracy",
    ]
    rows = []
    for row in attack_rows(result):
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
    return [about, markdown(head, rows)]


ATTACK = result_of_paper(
    "noise-image/attack",
    revision=2,
    measure=shown_by("attack", {"attack": attack_targets}),
    figures={"attack": drawing},
    table=table,
)
