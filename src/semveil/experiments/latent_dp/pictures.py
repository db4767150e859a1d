# SPDX-License-Identifier: Apache-2.0
"""Figs. 6 and 7 of [LDP]: the same faces at small and at large epsilon, `pictures.json`."""

from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.kit.latent_bench import LatentBench, load
from semveil.experiments.kit.latent_measures import pictured
from semveil.experiments.kit.picture_grid import draw_pictures
from semveil.experiments.kit.plots import number
from semveil.experiments.latent_dp.common import bounds, method_of, result_of_paper


def _run(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Protect the same faces at small epsilons (Fig. 6) and at large ones, with several draws (Fig. 7)."""
    preset = bench.preset
    small = (None, *preset.small_epsilons)
    large = [e * bench.coordinates for e in preset.large_epsilons_per_coordinate]
    settings = [("fig6", clip, epsilon, 0) for clip in preset.small_epsilon_clips for epsilon in small]
    settings += [
        ("fig7", clip, epsilon, group)
        for clip in preset.large_epsilon_clips
        for group in range(preset.groups)
        for epsilon in (large if group else (None, *large))
    ]
    records: list[dict[str, Any]] = []
    plain = {"source": bench.photos.images, "reconstructed": bench.model.synthesize(bench.latents)}
    for name, images in plain.items():
        records += pictured(bench, folder, images, name, {"figure": None, "shows": name, "guarantee": None})
    for done, (figure, clip, epsilon, group) in enumerate(settings):
        progress("protect", done, len(settings))
        method = method_of(bench, clip, epsilon)
        rng = streams(preset.seed)[f"dp {group}"]
        images = method.protect_latents(bench.latents, rng=rng).images
        about = {
            "figure": figure,
            "shows": "clip only" if epsilon is None else "noise",
            "clip": clip,
            "group": group,
            "epsilon": epsilon,
            "guarantee": method.guarantee(simulated=True).as_dict(),
        }
        amount = "clip-only" if epsilon is None else f"{epsilon:g}"
        records += pictured(bench, folder, images, f"{figure}-{clip:g}-{amount}-{group + 1}", about)
    progress("protect", len(settings), len(settings))
    return {"photos_may_be_shown": bench.photos.public, "images": records}


def _grid(figure: str, words: str, result: dict[str, Any], folder: Path) -> Figure:
    """Draw one row per photo and clip: photo, inversion, clipping only, then every epsilon and draw."""
    plain = {(r["source"], r["shows"]): r for r in result["images"] if r["figure"] is None}
    rows: dict[tuple[str, float], list[tuple[Path, str]]] = {}
    basis = ""
    for photo in result["photos"]:
        for record in result["images"]:
            if record["figure"] != figure or record["source"] != photo:
                continue
            key = (photo, record["clip"])
            if key not in rows:
                both = ("source", "reconstructed")
                rows[key] = [(folder / plain[photo, name]["file"], name) for name in both]
            caption = f"clip only\n{bounds(record['clip'])}"
            if record["epsilon"] is not None:
                caption, basis = f"$\\epsilon$ {number(record['epsilon'])}", record["guarantee"]["basis"]
            rows[key].append((folder / record["file"], caption))
    heading = f"{words}: {result['config']['model']['name']} (basis: {basis})"
    return draw_pictures(list(rows.values()), title=heading)


FIGURES = {"fig6": "Small epsilon", "fig7": "Large epsilon"}
PICTURES = result_of_paper(
    "latent-dp/pictures", revision=2, load=load(lambda preset: preset.pictured, shows=True),
    measure=whole(_run), figures={name: partial(_grid, name, words) for name, words in FIGURES.items()},
    photographs=frozenset(FIGURES),
)  # fmt: skip
