# SPDX-License-Identifier: Apache-2.0
"""Fig. 4 of [LDP]: faces and non-face images under increasingly tight clip bounds, `outliers.json`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from semveil.core.progress import Progress
from semveil.core.results import rounded
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.kit.latent_bench import LatentBench, load
from semveil.experiments.kit.latent_measures import identity
from semveil.experiments.kit.latent_tables import about
from semveil.experiments.kit.outliers import outliers
from semveil.experiments.kit.picture_grid import by_source, draw_pictures, save_picture
from semveil.experiments.kit.tables import claims_table, markdown
from semveil.experiments.latent_dp.common import FACES, bounds, result_of_paper
from semveil.methods.latent_dp import LatentDP
from semveil.metrics import face_detected
from semveil.models.quantile_bounds import SHARES

SHOWN_OUTLIERS = ("cat", "white noise 1")


def _run(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Synthesise and measure faces and non-face images under increasingly tight clip bounds."""
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
        saved = shown if method is None or method.clip in bench.preset.shown_clips else []
        for i, photo in enumerate(ids):
            file = save_picture(folder, f"clip-{i + 1}-{name}", made[i]) if i in saved else None
            records.append(
                {
                    "source": photo,
                    "is_a_face": photo not in strange.ids,
                    "clip": method and method.clip,
                    "shows": name.partition("-")[0],
                    "file": file,
                    "face_detected": found[i],
                    "identity_similarity": round(judged["identity_similarity"][i], 4),
                    "coordinates_clipped": method and _outside(method, latents[i]),
                    "guarantee": method and method.guarantee().as_dict(),
                }
            )
    maps = {i: _map_of_bounds(bench, latents[i]) for i in shown}
    codes = {ids[i]: save_picture(folder, f"clip-{i + 1}-latents", pixels) for i, pixels in maps.items()}
    progress("clip", len(methods), len(methods))
    return {"photos_may_be_shown": bench.photos.public, "latents": codes, "images": records}


def _outside(method: LatentDP, latents: Tensor) -> float | None:
    """Fraction of coordinates changed by clipping."""
    moved = method.box.clip(latents[None])[0] != latents
    return rounded([float(moved.double().mean())])[0]


def _map_of_bounds(bench: LatentBench, latents: Tensor) -> NDArray[np.uint8]:
    """Map of exceeded clip bounds, one pixel per coordinate (K, D, 3).

    White is inside all bounds of Fig. 4; darker colours mean that wider bounds are exceeded.
    """
    shades = np.full((*latents.shape, 3), 255, np.uint8)
    clips, colours = sorted(bench.preset.shown_clips)[::-1], ((240, 228, 66), (230, 159, 0), (213, 94, 0))
    for clip, colour in zip(clips, colours, strict=False):
        shades[(bench.model.quantiles(clip).clip(latents[None])[0] != latents).numpy()] = colour
    return shades


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw every picture, its coordinates changed by clipping, and its clipped versions (Fig. 4)."""
    rows = by_source((record for record in result["images"] if record["file"] is not None), folder, _caption)
    for row, file in zip(rows, result["latents"].values(), strict=True):
        row.insert(1, (folder / file, "coordinates\nchanged by clipping"))
    words = "Clipping in latent space, without noise\n(second column: darker where wider bounds are exceeded)"
    return draw_pictures(rows, title=words)


def _caption(record: dict[str, Any]) -> str:
    face = "face" if record["face_detected"] else "no face"
    return f"{record['shows'] if record['clip'] is None else bounds(record['clip'])}\n({face} detected)"


def _table(result: dict[str, Any]) -> list[str]:
    """Face detection after each clipping, and the fraction of coordinates changed."""
    clips = sorted({r["clip"] for r in result["images"] if r["clip"] is not None})
    rows = []
    for source in dict.fromkeys(r["source"] for r in result["images"]):
        of = {(r["shows"], r["clip"]): r for r in result["images"] if r["source"] == source}
        plain = (_found(of[name, None]) for name in ("source", "reconstructed"))
        clipped = [of["clip", clip] for clip in clips]
        cells = (f"{_found(record)} ({record['coordinates_clipped']:.0%})" for record in clipped)
        rows.append([source, *plain, *cells])
    head = ["picture", "source", "inversion", *map(bounds, clips)]
    return [
        about(result),
        "Face detection by dlib and, in brackets, the fraction of coordinates changed by clipping. No noise, "
        "so no guarantee.",
        markdown(head, rows),
        claims_table(_judge(result)),
    ]


def _found(record: dict[str, Any]) -> str:
    return "yes" if record["face_detected"] else "no"


def _judge(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claims of [LDP] 3.2 and 4.2 about non-face images."""
    strange = [r for r in result["images"] if not r["is_a_face"]]
    for kind, text in (
        ("cat", "Clipping turns an animal into a human face"),
        ("white noise", "Even white noise shows a human face after substantial clipping"),
    ):
        rates = []
        for clip in sorted({r["clip"] for r in strange if r["clip"] is not None}):
            found = [
                r["face_detected"] for r in strange if r["clip"] == clip and r["source"].startswith(kind)
            ]
            rates.append((clip, float(np.mean(found)), len(found)))
        words = ", ".join(f"{rate:.0%} at {clip:g}/{100 - clip:g}" for clip, rate, _ in rates)
        yield Claim(
            text, f"face detection rate (dlib) {words} ({rates[0][2]} pictures)", rates[-1][1] >= FACES
        )


OUTLIERS = result_of_paper(
    "latent-dp/outliers", revision=2, load=load(lambda preset: preset.pictured, shows=True),
    measure=whole(_run), figures={"fig4": _drawing}, photographs=frozenset({"fig4"}), table=_table,
    claims=_judge,
)  # fmt: skip
