"""latent-dp's figures [LDP]: run, write JSON, draw from the JSON.

Fig. 4 is `outliers.json`, Figs. 6 and 7 are views of one run (`pictures.json`), Fig. 8 is `trade-off.json`. Clipping without
noise, which protects nothing, stands beside the noise everywhere.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semveil.core.registry import Registry
from semveil.core.results import rounded
from semveil.core.rng import streams
from semveil.data.save import save_png
from semveil.experiments.dp_semcom.protected import Progress, quiet
from semveil.experiments.kit.keeping import Keep, measurement
from semveil.experiments.kit.latent_bench import PICTURES, Experiment, LatentBench, run
from semveil.experiments.kit.latent_figures import draw
from semveil.experiments.kit.latent_measures import identity, looks, over_draws, save_picture
from semveil.experiments.kit.latent_presets import LATENT_PRESETS
from semveil.experiments.kit.outliers import outliers
from semveil.methods.latent_dp import LatentDP
from semveil.methods.quantile_bounds import SHARES
from semveil.metrics import Moments, face_detected

SHOWN_OUTLIERS = ("cat", "white noise 1")

# What the paper's text says; its curves are not printed as numbers, and nothing is read off them.
PAPER = {
    "source": "read from the text of [LDP] Sections 3.2 and 4.2; null where it gives no number",
    "latent_shape": [18, 512],
    "photos_for_quantiles": 3500,
    "fig4_clips": [0, 15, 30],
    "fig6_epsilon": [1, 5000],
    "fig6_clips": [0, 10],
    "fig7_clips": [12.5, 25],
    "fig7_epsilon": None,
    "fig8_clips": [0, 10, 25, 40],
    "ssim": None,
    "psnr": None,
    "fid": None,
    "best_guess_between_two_at_epsilon_1": 0.75,
}


def reproduce_latent_dp(
    figure: str,
    preset: str,
    out: Path,
    *,
    data: Path | None = None,
    model: str | None = None,
    verifier: str | None = None,
    progress: Progress = quiet,
) -> Path:
    """Run what a figure shows, write its JSON into a folder, and draw it from there.

    A JSON that lies there is drawn and not made anew where its key is the same, see `keeping`; a broken run goes on.

    Args:
        figure: `latent-dp/fig4`, `fig6`, `fig7` or `fig8`.
        preset: `smoke`, `small` or `paper`.
        out: folder of the results; made where it is missing. With `data`, figs. 4, 6 and 7 write photos into it.
        data: held-out photos, see `photo_sets.held_out_photos`; without it, public pictures where those will do.
        model: latent model; the preset's where None.
        verifier: `dlib`, `edgeface` or `arcface`; the preset's where None.
        progress: what is being done, how much is done, how much there is.

    Returns:
        The figure, a PNG.

    Raises:
        ValueError: no such figure, preset, model or verifier.
        DataMissing: the preset needs `data`, or there are no held-out photos.
        WeightsMissing: weights that the preset cannot do without are not on this machine.
    """
    kind, chosen = LATENT_DP_FIGURES[figure], LATENT_PRESETS[preset]
    name = f"latent-dp/{kind}"
    path = run(name, RUNS, chosen, out, paper=PAPER, data=data, model=model, verifier=verifier, progress=progress)
    return draw(path, figure)


def _outliers(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Faces, and pictures that are none, through the networks and through tighter and tighter bounds."""
    strange = outliers(bench.model.size, noises=bench.preset.noises)
    images = torch.cat([bench.photos.images, strange.images])
    latents = torch.cat([bench.latents, bench.invert(strange.images)[0]])
    ids = (*bench.photos.ids, *strange.ids)
    shown = [i for i, name in enumerate(ids) if name not in strange.ids or name in SHOWN_OUTLIERS]
    methods: dict[str, LatentDP | None] = {"source": None, "reconstructed": None}
    methods |= {f"clip-{clip:g}": LatentDP(bench.model, clip=clip, mechanism="none") for clip in SHARES}
    records = []
    for done, (name, method) in enumerate(methods.items()):
        progress("clip", done, len(methods))
        if name == "source":
            made = images
        elif method is None:
            made = bench.model.synthesize(latents)
        else:
            made = method.protect_latents(latents).images
        found = face_detected(made.clamp(-1, 1)).float().tolist()
        judged = identity(bench, images, made)
        shows = method is None or method.clip in bench.preset.shown_clips
        for i, photo in enumerate(ids):
            records.append(
                {
                    "source": photo,
                    "is_a_face": photo not in strange.ids,
                    "clip": method.clip if method else None,
                    "shows": name.partition("-")[0],
                    "file": save_picture(folder, f"clip-{i + 1}-{name}", made[i]) if shows and i in shown else None,
                    "face_detected": found[i],
                    "identity_similarity": round(judged["identity_similarity"][i], 4),
                    "coordinates_clipped": _outside(method, latents[i]) if method else None,
                    "guarantee": method.guarantee().as_dict() if method else None,
                }
            )
    codes = {}
    for i in shown:
        (folder / PICTURES).mkdir(exist_ok=True)
        codes[ids[i]] = f"{PICTURES}/clip-{i + 1}-latents.png"
        save_png(folder / codes[ids[i]], _map_of_bounds(bench, latents[i]))
    progress("clip", len(methods), len(methods))
    return {"photos_may_be_shown": bench.photos.public, "latents": codes, "images": records}


def _pictures(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """The same faces under small epsilons (Fig. 6) and large ones, each several times (Fig. 7)."""
    preset = bench.preset
    settings = [("fig6", clip, eps, 0) for clip in preset.small_epsilon_clips for eps in (None, *preset.small_epsilons)]
    large = [e * bench.coordinates for e in preset.large_epsilons_per_coordinate]
    settings += [
        ("fig7", clip, epsilon, group)
        for clip in preset.large_epsilon_clips
        for group in range(preset.groups)
        for epsilon in ((None, *large) if group == 0 else large)
    ]
    records: list[dict[str, Any]] = []
    plain = {"source": bench.photos.images, "reconstructed": bench.model.synthesize(bench.latents)}
    for name, images in plain.items():
        records += _records(bench, folder, images, name, {"figure": None, "shows": name, "guarantee": None})
    for done, (figure, clip, epsilon, group) in enumerate(settings):
        progress("protect", done, len(settings))
        method = _method(bench, clip, epsilon)
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
        records += _records(bench, folder, images, f"{figure}-{clip:g}-{amount}-{group + 1}", about)
    progress("protect", len(settings), len(settings))
    return {"photos_may_be_shown": bench.photos.public, "images": records}


def _trade_off(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Quality and identity over epsilon for several bounds, several draws per photo, clipping alone beside it."""
    preset = bench.preset
    source = bench.features.of(bench.photos.images)
    totals = [e * bench.coordinates for e in preset.epsilons_per_coordinate]
    settings = [(clip, epsilon) for clip in preset.clips for epsilon in (None, *totals)]
    plain = bench.model.synthesize(bench.latents)
    points = []
    for done, (clip, epsilon) in enumerate(settings):
        progress("measure", done, len(settings))
        points.append(keep(f"{clip:g} {epsilon}", partial(_trade_off_point, bench, clip, epsilon, plain, source)))
    progress("measure", len(settings), len(settings))
    return {
        "reconstructed": {"images": {**looks(bench, plain), **bench.features.distances(source, plain)}},
        "coordinates": bench.coordinates,
        "points": points,
    }


def _trade_off_point(
    bench: LatentBench, clip: float, epsilon: float | None, plain: Tensor, source: Mapping[str, Moments]
) -> dict[str, Any]:
    """One bound and epsilon: quality and identity of every draw."""
    method, draws = _method(bench, clip, epsilon), 1 if epsilon is None else bench.preset.draws
    releases = [method.protect_latents(bench.latents, rng=streams(bench.preset.seed)[f"dp {n}"]) for n in range(draws)]
    # Looking for faces takes longest: in the first draw only; sets are compared by it too.
    measured = [looks(bench, release.images, plain, detect=not n) for n, release in enumerate(releases)]
    columns = {
        name: over_draws([m[name] for m in measured if name in m]) if isinstance(values, list) else values
        for name, values in measured[0].items()
    }
    published = None
    if epsilon is not None:
        law = LatentDP(bench.model, clip=clip, epsilon=epsilon, calibration="as_published")
        published = law.guarantee(simulated=True).as_dict()
    return {
        "clip": clip,
        "epsilon": epsilon,
        "epsilon_per_coordinate": None if epsilon is None else epsilon / bench.coordinates,
        "guarantee": releases[0].guarantee.as_dict(),
        "guarantee_of_the_published_formula": published,
        "images": {**columns, **bench.features.distances(source, releases[0].images)},
    }


def _method(bench: LatentBench, clip: float, epsilon: float | None) -> LatentDP:
    """With uniform weights, as the paper splits its budget; clipping alone where epsilon is None."""
    if epsilon is None:
        return LatentDP(bench.model, clip=clip, mechanism="none")
    return LatentDP(bench.model, clip=clip, epsilon=epsilon)


def _records(bench: LatentBench, folder: Path, images: Tensor, name: str, about: dict[str, Any]) -> list[dict[str, Any]]:
    judged = identity(bench, bench.photos.images, images)
    found = face_detected(images.clamp(-1, 1)).float().tolist()
    return [
        {
            "source": photo,
            **about,
            "file": save_picture(folder, f"{i + 1}-{name}", images[i]),
            "identity_similarity": round(judged["identity_similarity"][i], 4),
            "fppsr": judged["fppsr"][i],
            "face_detected": found[i],
        }
        for i, photo in enumerate(bench.photos.ids)
    ]


def _outside(method: LatentDP, latents: Tensor) -> float | None:
    """Share of the coordinates that clipping moves."""
    moved = method.box.clip(latents[None])[0] != latents
    return rounded([float(moved.double().mean())])[0]


def _map_of_bounds(bench: LatentBench, latents: Tensor) -> NDArray[np.uint8]:
    """(K, D) coordinates as pixels: white inside all bounds that Fig. 4 shows, darker the wider those that are exceeded."""
    shades = np.full((*latents.shape, 3), 255, np.uint8)
    for clip, colour in zip(
        sorted(bench.preset.shown_clips, reverse=True), ((240, 228, 66), (230, 159, 0), (213, 94, 0)), strict=False
    ):
        box = bench.model.quantiles(clip)
        shades[(box.clip(latents[None])[0] != latents).numpy()] = colour
    return shades


RUNS: Registry[Experiment] = Registry("run")
RUNS.add(
    "outliers", Experiment(measurement("latent-dp/outliers", revision=2), _outliers, lambda preset: preset.pictured, shows=True)
)
RUNS.add(
    "pictures", Experiment(measurement("latent-dp/pictures", revision=2), _pictures, lambda preset: preset.pictured, shows=True)
)
RUNS.add("trade-off", Experiment(measurement("latent-dp/trade-off", revision=2), _trade_off, lambda preset: preset.photos))

LATENT_DP_FIGURES: Registry[str] = Registry("figure")
for _figure, _kind in (("fig4", "outliers"), ("fig6", "pictures"), ("fig7", "pictures"), ("fig8", "trade-off")):
    LATENT_DP_FIGURES.add(f"latent-dp/{_figure}", _kind)
