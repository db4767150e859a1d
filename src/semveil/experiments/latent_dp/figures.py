"""Drawings of latent-dp's result files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.experiments.kit.axes import legend, line, mean, number, title
from semveil.experiments.kit.picture_grid import draw_pictures
from semveil.experiments.kit.style import COLOURS

MARKERS = ("o", "s", "^", "D", "v")
PANELS = {
    "ssim": "SSIM",
    "psnr": "PSNR (dB)",
    "frechet": "Fréchet distance",
    "face_detected": "share in which dlib finds a face",
}


def _fig4(result: dict[str, Any], folder: Path) -> Figure:
    rows: dict[str, list[tuple[Path, str]]] = {}
    for record in result["images"]:
        if record["file"] is None:
            continue
        face = "face" if record["face_detected"] else "no face"
        caption = record["shows"] if record["clip"] is None else _bounds(record["clip"])
        cells = rows.setdefault(record["source"], [])
        cells.append((folder / record["file"], f"{caption}\n({face} found)"))
        if len(cells) == 1:
            cells.append((folder / result["latents"][record["source"]], "coordinates that\nclipping moves"))
    words = "Clipping in latent space, without noise\n(second column: darker, the wider the bounds that are exceeded)"
    return draw_pictures(list(rows.values()), title=words)


def _small(result: dict[str, Any], folder: Path) -> Figure:
    return _grid(result, folder, "fig6", "Small epsilons")


def _large(result: dict[str, Any], folder: Path) -> Figure:
    return _grid(result, folder, "fig7", "Large epsilons")


def _grid(result: dict[str, Any], folder: Path, figure: str, words: str) -> Figure:
    """One row for each photo and clip: photo, its inversion, clipping alone, then noise, all epsilons as often as drawn."""
    plain = {(r["source"], r["shows"]): r for r in result["images"] if r["figure"] is None}
    rows: dict[tuple[str, float], list[tuple[Path, str]]] = {}
    basis = ""
    for photo in result["photos"]:
        for record in result["images"]:
            if record["figure"] != figure or record["source"] != photo:
                continue
            key = (photo, record["clip"])
            if key not in rows:
                rows[key] = [(folder / plain[photo, name]["file"], name) for name in ("source", "reconstructed")]
            caption = f"clip only\n{_bounds(record['clip'])}"
            if record["epsilon"] is not None:
                caption, basis = f"$\\epsilon$ {number(record['epsilon'])}", record["guarantee"]["basis"]
            rows[key].append((folder / record["file"], caption))
    return draw_pictures(list(rows.values()), title=f"{words}: {result['config']['model']['name']} (basis: {basis})")


def _fig8(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(11.4, 8.6))
    panels = list(figure.subplots(2, 2).flat)
    clips = list(dict.fromkeys(point["clip"] for point in result["points"]))
    for axes, (metric, label) in zip(panels, PANELS.items(), strict=True):
        for clip, colour, marker in zip(clips, COLOURS["series"], MARKERS, strict=False):
            noisy = [p for p in result["points"] if p["clip"] == clip and p["epsilon"] is not None]
            only = next(p for p in result["points"] if p["clip"] == clip and p["epsilon"] is None)
            x = [p["epsilon"] for p in noisy]
            look = {"color": colour, "marker": marker, "label": f"clipped at {_bounds(clip)}"}
            if metric == "frechet":
                if noisy[0]["images"]["frechet"] is not None:
                    axes.plot(x, [p["images"]["frechet"] for p in noisy], **look)
                    axes.axhline(only["images"]["frechet"], color=colour, ls=":")
                    label = f"Fréchet distance to the photos ({noisy[0]['images']['frechet_metric']})"
            else:
                line(axes, x, [p["images"] for p in noisy], metric, **look)
                alone = mean(only["images"], metric)
                if alone:
                    axes.axhline(
                        alone.value, color=colour, ls=":", label="clipped only, no noise" if clip == clips[0] else None
                    )
        basis = next(p["guarantee"]["basis"] for p in result["points"] if p["epsilon"] is not None)
        axes.set(xscale="log", xlabel=f"$\\epsilon$ (basis: {basis})", title=label)
    legend(figure, panels, 3)
    figure.suptitle(title(result, "Privacy and utility"))
    return figure


def _bounds(clip: float) -> str:
    return f"{clip:g}/{100 - clip:g} %"


DRAWINGS: dict[str, Callable[[dict[str, Any], Path], Figure]] = {
    "fig4": _fig4,
    "fig6": _small,
    "fig7": _large,
    "fig8": _fig8,
}
