# SPDX-License-Identifier: Apache-2.0
"""Figs. 7 and 11 of [DPI]: faces under noise on all codes and on the identity codes, `pictures.json`."""

from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.experiments.dp_image.paper import result_of_paper
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.kit.latent_bench import LatentBench, load
from semveil.experiments.kit.latent_measures import pictured
from semveil.experiments.kit.picture_grid import by_source, draw_pictures
from semveil.experiments.kit.plots import number
from semveil.methods.dp_image import STYLES, DPImage

STYLE_LABELS = {"all": "noise on all codes", "identity": "noise on the identity codes"}


def _run(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Protect faces with noise on all codes and on the identity codes, and save them next to the JSON."""
    made: dict[str, tuple[Tensor, DPImage | None]] = {"source": (bench.photos.images, None)}
    made["reconstructed"] = (bench.model.synthesize(bench.latents), None)
    for styles in STYLES:
        for scale in bench.preset.pictured_scales:
            noise = DPImage(bench.model, scale=scale, styles=styles)
            rng = streams(bench.preset.seed)["dp 0"]
            made[f"{styles}-{scale:g}"] = (noise.protect_latents(bench.latents, rng=rng).images, noise)
    records: list[dict[str, Any]] = []
    for name, (images, method) in made.items():
        said = {
            "shows": name.partition("-")[0],
            "scale": method.scale if method else None,
            "guarantee": method.guarantee(simulated=True).as_dict() if method else None,
        }
        records += pictured(bench, folder, images, name, said)
        progress("protect", len(records), len(made) * len(bench.photos.ids))
    return {"photos_may_be_shown": bench.photos.public, "images": records}


def _faces(styles: str, result: dict[str, Any], folder: Path) -> Figure:
    """Draw photos, inversions and pictures protected by noise on some codes."""
    shown = [r for r in result["images"] if r["shows"] in ("source", "reconstructed", styles)]
    basis = next((record["guarantee"]["basis"] for record in shown if record["guarantee"]), "")
    rest = "" if styles == "all" else "; the other codes are in the clear"
    words = f"{STYLE_LABELS[styles].capitalize()}\n($\\epsilon$ by the clip box, basis: {basis}{rest})"
    return draw_pictures(by_source(shown, folder, _caption), title=words)


def _caption(record: dict[str, Any]) -> str:
    if not record["guarantee"]:
        return str(record["shows"])
    return f"scale {record['scale']:g}\n$\\epsilon$ {number(record['guarantee']['epsilon'])}"


PICTURES = result_of_paper(
    "dp-image/pictures", revision=2, load=load(lambda preset: preset.pictured, shows=True),
    measure=whole(_run), figures={"fig7": partial(_faces, "all"), "fig11": partial(_faces, "identity")},
    photographs=frozenset({"fig7", "fig11"}),
)  # fmt: skip
