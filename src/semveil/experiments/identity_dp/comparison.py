# SPDX-License-Identifier: Apache-2.0
"""Tables I and II of [IDP]: traditional methods in both readings, and identity-dp, `comparison.json`."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from semveil.core.progress import Progress
from semveil.experiments.identity_dp import rows, shown
from semveil.experiments.identity_dp.bench import IdentityBench, load, photos_for
from semveil.experiments.identity_dp.paper import COLUMNS, result_of_paper
from semveil.experiments.identity_dp.presets import OURS
from semveil.experiments.kit.claims import Claim, side
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep, Kept, measurement
from semveil.experiments.kit.plots import COLOURS, bar
from semveil.experiments.kit.statistics import mean, paired, value
from semveil.experiments.kit.tables import claims_table, markdown

BASELINES = measurement("identity-dp/baselines", revision=3)
TIMED = 8  # photos, in batches of one
PLAIN_SSIM_AIM, PLAIN_PSNR_AIM, PLAIN_ACCEPTED_AIM = 0.85, 24.0, 0.95  # targets without noise


def _run(bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure the paper's traditional methods in both readings, and identity-dp (Table I)."""
    baselines = _baselines(bench, folder / "baselines.json", progress)
    return {
        "source": rows.found_in_photos(bench),
        "other_people": rows.other_people(bench),
        "baselines_commit": baselines["commit"],
        "rows": [*baselines["rows"], *rows.measured(bench, rows.own_rows(bench), progress, keep)],
        "seconds_per_image": _seconds(bench),
        "threads": torch.get_num_threads(),
    }


def _baselines(bench: IdentityBench, path: Path, progress: Progress) -> dict[str, Any]:
    """Rows of the traditional methods, stored separately because they do not depend on the model."""
    config = {k: v for k, v in bench.config.items() if k not in ("model", "observed_sensitivity")}
    kept = Kept(path, BASELINES, config=config)
    kept.whole(lambda keep: {"rows": rows.measured(bench, rows.baseline_rows(bench), progress, keep)})
    return kept.result


def _seconds(bench: IdentityBench) -> float:
    """Median CPU time per photo, in batches of one, with the noise of a release."""
    method, photos = bench.method(rows.PAPER_EPSILONS[0]), bench.photos.images
    taken = []
    for i in range(min(TIMED, len(photos)) + 1):
        start = time.process_time()
        method.protect(photos[i % len(photos)][None])
        taken.append(time.process_time() - start)
    return round(float(np.median(taken[1:])), 4)  # the first call is a warm-up


def _table_1(result: dict[str, Any], folder: Path) -> Figure:
    """Draw bars of all methods next to the paper's Table I."""
    return _bars(result, "table1", result["rows"])


def _table_2(result: dict[str, Any], folder: Path) -> Figure:
    """Draw bars of identity-dp alone next to the paper's Table II."""
    return _bars(result, "table2", [row for row in result["rows"] if row["method"] == "identity-dp"])


def _bars(result: dict[str, Any], table: str, measured: Sequence[dict[str, Any]]) -> Figure:
    """Draw measured values as solid bars and the paper's as hatched ones, for every metric."""
    figure = Figure(figsize=(15.6, 9.6))
    judge = shown.distance_judge(result)
    panels = {
        f"identity_distance {judge}": f"identity distance ({judge})",
        "psr": "PSR",
        "frechet": "Fréchet distance",
        "psnr": "PSNR (dB)",
        "ssim": "SSIM",
        "face_detected": "face detection rate",
    }
    reported = result["paper"][table]
    names = [*map(shown.row_name, measured)]
    names += [" ".join(f"{row['method']} {row['setting']} (paper)".split()) for row in reported]
    for axes, (metric, label) in zip(figure.subplots(2, 3).flat, panels.items(), strict=True):
        for at, row in enumerate(measured):
            colour = COLOURS["bob"] if row["method"] == "identity-dp" else COLOURS["series"][1]
            bar(axes, at, row["images"], metric, colour)
        theirs = "identity_distance facenet-vggface2" if metric.startswith("identity_distance") else metric
        for at, row in enumerate(reported, len(measured)):
            if row.get(theirs) is not None:
                axes.bar(at, row[theirs], fill=False, edgecolor="#777777", hatch="//")
        axes.set_xticks(range(len(names)), names, rotation=70, ha="right", fontsize=7)
        axes.set(title=label)
    note = "hatched: as reported by the paper (distance by FaceNet, VGGFace2)"
    figure.suptitle(f"{shown.photos_and_model(result)}\n{shown.judges(result)}\n{note}")
    return figure


def _table(result: dict[str, Any]) -> list[str]:
    """Table I as measured here, the claims, and the paper's Tables I and II."""
    paper = result["paper"]
    return [
        shown.about(result),
        f"Face detection rate (dlib) on the photos: {mean(result['source'], 'face_detected')}. "
        f"{shown.others(result)} identity-dp takes {result['seconds_per_image']:.3f} s of CPU time per "
        f"photo, one at a time with {result['threads']} thread(s), excluding face detection and alignment "
        f"(the paper: {paper['seconds_per_image']:g} s on {paper['seconds_per_image_on']}). Parameters are "
        "the paper's, for 256 px, scaled to the crop; `text` and `numbers` are the two readings in the "
        "errata.",
        markdown(*shown.measured_rows(result)),
        claims_table(_claims(result), said_by=shown.SAID_BY),
        f"Table I, {shown.REPORTED} (CelebA-HQ, 256 px; PSR by Microsoft Azure Face):",
        _reported(paper["table1"]),
        f"Table II, {shown.REPORTED} (CelebA); only identity-dp is measured here, in the rows above:",
        _reported(paper["table2"]),
    ]


def _reported(theirs: Sequence[dict[str, Any]]) -> str:
    head = ["method", "setting", "distance, CASIA", "distance, VGGFace2", "PSR", "PSNR", "SSIM", "FDR"]
    cells = [[row["method"], row["setting"], *(f"{row[k]:g}" for k in COLUMNS)] for row in theirs]
    return markdown(head, cells)


def _claims(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claims of [IDP] V-E and V-F (Table I), and the targets of the bundled model."""
    measured = [row for row in result["rows"] if row["method"] == "identity-dp"]
    own = {(row["setting"], row.get("nominal_epsilon")): row["images"] for row in measured}
    plain, ours = own["no noise", None], own[OURS, 6.0]
    judges = [name.removeprefix("protected ") for name in plain if name.startswith("protected ")]
    accepted = {name: 1 - value(plain, f"protected {name}") for name in judges}
    words = ", ".join(f"acceptance rate of {name} {rate:.3f}" for name, rate in accepted.items())
    yield Claim(
        f"Target: without noise SSIM >= {PLAIN_SSIM_AIM:g}, PSNR >= {PLAIN_PSNR_AIM:g} dB, acceptance rate "
        f">= {PLAIN_ACCEPTED_AIM:.0%}",
        f"SSIM {mean(plain, 'ssim')}, PSNR {mean(plain, 'psnr')}; {words}",
        value(plain, "ssim") >= PLAIN_SSIM_AIM
        and value(plain, "psnr") >= PLAIN_PSNR_AIM
        and min(accepted.values()) >= PLAIN_ACCEPTED_AIM,
    )
    psr, ssim = value(ours, "psr"), value(ours, "ssim")
    ratio = value(ours, "face_detected") / value(result["source"], "face_detected")
    yield Claim(
        f"Target: at epsilon 6 PSR >= {shown.PSR_AIM:g} with SSIM >= {shown.SSIM_AIM:g} and relative "
        f"detection rate >= {shown.DETECTION_AIM:g}",
        f"PSR {mean(ours, 'psr')}, SSIM {mean(ours, 'ssim')}, relative detection rate {ratio:.3f}",
        psr >= shown.PSR_AIM and ssim >= shown.SSIM_AIM and ratio >= shown.DETECTION_AIM,
    )
    for law, words in shown.READINGS.items():
        if (law, 6.0) in own:
            gap, likeness = paired(own[law, 0.57], own[law, 6.0], "psr"), mean(own[law, 6.0], "ssim")
            said = f"PSR higher by {gap}, SSIM {likeness} at epsilon 6; {words}"
            yield Claim("Epsilon 0.57 protects better than epsilon 6", said, side(gap, 0))
    for reading in dict.fromkeys(row["reading"] for row in result["rows"] if "reading" in row):
        rivals = [row for row in result["rows"] if row.get("reading") == reading]
        near = [row for row in rivals if value(row["images"], "psr") >= psr]
        found = {f"{row['method']} {row['amount']:g}": value(row["images"], "ssim") for row in near}
        said = ", ".join(f"{name} (SSIM {likeness:.3f})" for name, likeness in found.items()) or "none"
        yield Claim(
            "Traditional methods fail to improve the privacy-utility trade-off",
            f"reading `{reading}`: settings (of six) with at least identity-dp's PSR at epsilon 6: {said}; "
            f"identity-dp: SSIM {ssim:.3f}",
            not any(likeness >= ssim for likeness in found.values()),
        )


COMPARISON = result_of_paper(
    "identity-dp/comparison",
    load=load(photos_for(lambda preset: preset.compared)),
    measure=whole(_run),
    figures={"table1": _table_1, "table2": _table_2},
    table=_table,
    claims=_claims,
)
