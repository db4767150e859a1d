# SPDX-License-Identifier: Apache-2.0
"""Figs. 7 and 11 of [DPI]: faces under noise on all codes and on the identity codes, `pictures.json`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.experiments.dp_image.paper import PAPER
from semveil.experiments.kit.experiment import experiment, whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.kit.latent_bench import LatentBench, load
from semveil.experiments.kit.latent_measures import identity, save_picture
from semveil.experiments.kit.latent_presets import LATENT_PRESETS
from semveil.experiments.kit.picture_grid import draw_pictures
from semveil.experiments.kit.plots import number
from semveil.methods.dp_image import STYLES, DPImage
from semveil.metrics import face_detected

STYLE_LABELS = {"all": "noise on all codes", "identity": "noise on the identity codes"}


def run(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Faces under noise on all codes and on the identity codes, as files beside the JSON."""
    reconstructed = bench.model.synthesize(bench.latents)
    made: dict[str, tuple[Tensor, DPImage | None]] = {
        "source": (bench.photos.images, None),
        "reconstructed": (reconstructed, None),
    }
    for styles in STYLES:
        for scale in bench.preset.pictured_scales:
            noise = DPImage(bench.model, scale=scale, styles=styles)
            rng = streams(bench.preset.seed)["dp 0"]
            made[f"{styles}-{scale:g}"] = (noise.protect_latents(bench.latents, rng=rng).images, noise)
    records = []
    for name, (images, method) in made.items():
        judged = identity(bench, bench.photos.images, images)
        found = face_detected(images.clamp(-1, 1)).float().tolist()
        for i, photo in enumerate(bench.photos.ids):
            records.append(
                {
                    "source": photo,
                    "file": save_picture(folder, f"{i + 1}-{name}", images[i]),
                    "shows": name.partition("-")[0],
                    "scale": method.scale if method else None,
                    "guarantee": method.guarantee(simulated=True).as_dict() if method else None,
                    "identity_similarity": round(judged["identity_similarity"][i], 4),
                    "fppsr": judged["fppsr"][i],
                    "face_detected": found[i],
                }
            )
        progress("protect", len(records), len(made) * len(bench.photos.ids))
    return {"photos_may_be_shown": bench.photos.public, "images": records}


def faces(styles: str) -> Callable[[dict[str, Any], Path], Figure]:
    def picture(result: dict[str, Any], folder: Path) -> Figure:
        rows: dict[str, list[tuple[Path, str]]] = {}
        basis = ""
        for record in result["images"]:
            if record["shows"] in ("source", "reconstructed", styles):
                caption = record["shows"]
                if record["guarantee"]:
                    epsilon, basis = record["guarantee"]["epsilon"], record["guarantee"]["basis"]
                    caption = f"scale {record['scale']:g}\n$\\epsilon$ {number(epsilon)}"
                rows.setdefault(record["source"], []).append((folder / record["file"], caption))
        note = f"$\\epsilon$ by the clip box, basis: {basis}" + ("" if styles == "all" else "; the other codes are in clear")
        return draw_pictures(list(rows.values()), title=f"{STYLE_LABELS[styles].capitalize()}\n({note})")

    return picture


PICTURES = experiment(
    "dp-image/pictures",
    revision=2,
    presets=LATENT_PRESETS,
    load=load(lambda preset: preset.pictured, shows=True),
    measure=whole(run),
    figures={"fig7": faces("all"), "fig11": faces("identity")},
    photographs=frozenset({"fig7", "fig11"}),
    paper=PAPER,
)
