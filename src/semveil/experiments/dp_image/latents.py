# SPDX-License-Identifier: Apache-2.0
"""Figs. 4, 5 and 8 of [DPI]: latents, pairwise distances and recogniser similarities, `latents.json`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from semveil.core.progress import Progress
from semveil.core.results import rounded
from semveil.core.rng import streams
from semveil.experiments.dp_image.paper import result_of_paper
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.kit.latent_bench import LatentBench, load
from semveil.experiments.kit.latent_measures import identity
from semveil.experiments.kit.latent_tables import about
from semveil.experiments.kit.outliers import outliers
from semveil.experiments.kit.picture_grid import read_pixels, save_picture
from semveil.experiments.kit.plots import COLOURS, recogniser, title
from semveil.experiments.kit.tables import claims_table, markdown
from semveil.methods.dp_image import DPImage

BINS = 80
RESAMPLES = 200  # bootstrap resamples of photos, for the interval of a rank correlation
STRONG = 0.5  # absolute rank correlation that counts as "strong"


def _run(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure latent values, pairwise latent distances, and recogniser similarities of the same pairs."""
    progress("compare", 0, 2)
    rows, distances = bench.latents.flatten(1).double(), _distances(bench.latents)
    alone = _distances(bench.latents[:, list(bench.model.identity_codes)])
    progress("compare", 1, 2)
    embedded = bench.verifier.embed(bench.photos.images)
    similarities = bench.verifier.similarities(embedded, embedded).double().numpy()
    upper = np.triu_indices(len(rows), 1)
    pairs = distances[upper]
    shown = slice(0, bench.preset.shown_pairs)
    strange = outliers(bench.model.size, noises=bench.preset.noises)
    strange_rows = bench.invert(strange.images)[0].flatten(1).double()
    progress("compare", 2, 2)
    return {
        "values": {**_histogram(rows.numpy().ravel()), **_spread(rows.numpy())},
        "distances": {**_histogram(pairs), "pairs": len(pairs), "largest_of_first": _growth(distances)},
        "per_coordinate": round(float(pairs.mean()) / bench.coordinates, 4),
        "examples": {
            name: {
                "photos": [bench.photos.ids[i], bench.photos.ids[j]],
                "distance": round(float(distances[i, j]), 1),
                "similarity": round(float(similarities[i, j]), 4),
            }
            for name, (i, j) in _far_and_near(distances).items()
        },
        "pictured_examples": _pictured_examples(bench, folder),
        "shown_distances": [rounded(row) for row in distances[shown, shown].tolist()],
        "shown_similarities": [rounded(row) for row in similarities[shown, shown].tolist()],
        "rank_correlation": rank_correlation(distances, similarities),
        "rank_correlation_of_identity_codes": rank_correlation(alone, similarities),
        "similarity_of_different_people": _spread(similarities[upper]),
        "sensitivities": _sensitivities(bench),
        "outliers": {
            name: round(float(torch.cdist(row[None], rows, p=1).max()), 1)
            for name, row in zip(strange.ids, strange_rows, strict=True)
        },
    }


def _pictured_examples(bench: LatentBench, folder: Path) -> dict[str, Any]:
    """Farthest and nearest pair ([DPI] Fig. 5(c)), of generated faces because photos may not be shown."""
    latents = bench.model.public_latents(bench.preset.shown_pairs, streams(bench.preset.seed)["examples"])
    distances, found = _distances(latents), {}
    for name, pair in _far_and_near(distances).items():
        images = bench.model.synthesize(latents[list(pair)]).clamp(-1, 1)
        found[name] = {
            "files": [save_picture(folder, f"{name}-{i + 1}", image) for i, image in enumerate(images)],
            "distance": round(float(distances[pair]), 1),
            "similarity": round(identity(bench, images[:1], images[1:])["identity_similarity"][0], 4),
        }
    return {"faces": f"{len(latents)} faces of the model's latent prior", **found}


def _distances(latents: Tensor) -> NDArray[np.float64]:
    """Pairwise L1 distances (N, N) of latents (N, K, D)."""
    rows = latents.flatten(1).double()
    return np.asarray(torch.cdist(rows, rows, p=1))


def _far_and_near(distances: NDArray[np.float64]) -> dict[str, tuple[int, int]]:
    """Indices of the farthest and the nearest pair."""
    first, second = np.triu_indices(len(distances), 1)
    pairs = distances[first, second]
    chosen = {"far": pairs.argmax(), "near": pairs.argmin()}
    return {name: (int(first[i]), int(second[i])) for name, i in chosen.items()}


def _sensitivities(bench: LatentBench) -> dict[str, Any]:
    """Sensitivity by the clip box, which is a bound, and observed over public photos, which is not."""
    found: dict[str, Any] = {}
    for kind in ("box", "observed"):
        try:
            sensitivity = DPImage(bench.model, sensitivity=kind).sensitivity
        except ValueError as error:
            found[kind] = {"value": None, "reason": str(error)}
        else:
            found[kind] = {
                "value": round(sensitivity.value, 2),
                "norm": sensitivity.norm.value,
                "source": sensitivity.source,
                "basis": sensitivity.basis.value,
            }
    return found


def _histogram(values: NDArray[np.float64]) -> dict[str, Any]:
    counts, edges = np.histogram(values, bins=BINS)
    found = {"mean": values.mean(), "min": values.min(), "max": values.max()}
    bins = {"counts": counts.tolist(), "edges": rounded(edges.tolist())}
    return {**bins, **{name: round(float(number), 4) for name, number in found.items()}}


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.quantile(values, [0.005, 0.995])
    found = {"std": values.std(), "quantile 0.5 %": low, "quantile 99.5 %": high, "largest": values.max()}
    return {name: round(float(number), 4) for name, number in found.items()}


def _growth(distances: NDArray[np.float64]) -> dict[str, float]:
    """Largest distance among the first photos: the observed sensitivity with fewer photos."""
    sizes = [size for size in (10, 20, 50, 100, 200, 500) if size < len(distances)] + [len(distances)]
    return {str(size): round(float(distances[:size, :size].max()), 1) for size in sizes}


def rank_correlation(distances: NDArray[np.float64], similarities: NDArray[np.float64]) -> dict[str, Any]:
    """Spearman correlation between distance and similarity of all pairs.

    The interval is a bootstrap over photos.

    Args:
        distances: (N, N), between photos.
        similarities: (N, N), between photos.
    """
    count = len(distances)
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(count, 1)
    drawn = []
    for _ in range(RESAMPLES):
        photos = rng.integers(0, count, count)
        i, j = photos[first], photos[second]
        i, j = i[i != j], j[i != j]
        if len(np.unique(photos)) > 2:
            drawn.append(float(spearmanr(distances[i, j], similarities[i, j]).statistic))
    value = float(spearmanr(distances[first, second], similarities[first, second]).statistic)
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    found = {"spearman": value, "low": low, "high": high}
    return {**{name: round(float(number), 4) for name, number in found.items()}, "pairs": len(first)}


def _values_drawn(result: dict[str, Any], folder: Path) -> Figure:
    """Draw a histogram of all latent coordinates, with the public clip box (Fig. 4)."""
    figure = Figure(figsize=(7.2, 4.4))
    axes = figure.subplots()
    _bars(axes, result["values"], COLOURS["bob"])
    spread, box = result["values"], result["config"]["model"]["clip_box"]
    for i, bound in enumerate((box["lower"], box["upper"])):
        axes.axvline(bound, color=COLOURS["eve"], ls="--", label=None if i else "public clip box")
    axes.set(
        xlabel="value of a latent coordinate", ylabel="count", yscale="log",
        title=f"{title(result, 'Latent values')}\n{spread['min']:.2f} to {spread['max']:.2f}, standard "
        f"deviation {spread['std']:.2f}; the paper's W+ lies in [-20, 20]",
    )  # fmt: skip
    axes.legend()
    return figure


def _distances_drawn(result: dict[str, Any], folder: Path) -> Figure:
    """Draw pairwise L1 distances with the sensitivities and the distances of non-face images (Fig. 5)."""
    figure = Figure(figsize=(15.6, 4.6))
    parts: Any = figure.subfigures(1, 2, width_ratios=(3.6, 1))
    left, right = parts[0].subplots(1, 2, width_ratios=(1.25, 1))
    distances = result["distances"]
    _bars(left, distances, COLOURS["bob"])
    observed = result["sensitivities"]["observed"]["value"]
    if observed:
        label = "largest distance between public training photos"
        left.axvline(observed, color=COLOURS["eve"], ls="--", label=label)
    for i, value in enumerate(result["outliers"].values()):
        label = "" if i else "largest distance to a non-face image"
        left.axvline(value, color=COLOURS["paper"], lw=1, label=label)
    box = result["sensitivities"]["box"]["value"]
    left.set(
        xlabel="L1 distance between two photos' latents", ylabel="pairs",
        title=f"{distances['pairs']:,} pairs: mean {distances['mean']:,.0f}, largest "
        f"{distances['max']:,.0f};\nbound from clipping to public bounds: {box:,.0f}",
    )  # fmt: skip
    left.legend()
    _heat(parts[0], right, result["shown_distances"], "L1 distance", "{:.0f}")
    _example_pairs(parts[1], result["pictured_examples"], folder)
    figure.suptitle(title(result, "Distances between photos"))
    return figure


def _example_pairs(panel: SubFigure, examples: dict[str, Any], folder: Path) -> None:
    """Draw the farthest pair above the nearest pair."""
    for row, name in zip(panel.subplots(2, 2), ("far", "near"), strict=True):
        pair = examples[name]
        for axes, file in zip(row, pair["files"], strict=True):
            axes.imshow(read_pixels(folder / file), interpolation="bicubic")
            axes.set_axis_off()
        words = f"L1 {pair['distance']:,.0f}, similarity {pair['similarity']:.2f}"
        row[0].set_title(words, loc="left", fontsize=10)
    panel.suptitle(f"Farthest and nearest of\n{examples['faces']}", fontsize=10)


def _similarities_drawn(result: dict[str, Any], folder: Path) -> Figure:
    """Draw recogniser similarities of the pairs, and their correlation with distance (Fig. 8)."""
    figure = Figure(figsize=(12.6, 4.6))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    _heat(figure, left, result["shown_similarities"], "similarity", "{:.2f}")
    upper = np.triu_indices(len(result["shown_distances"]), 1)
    distances, similarities = (
        np.array(result[f"shown_{name}"], float)[upper] for name in ("distances", "similarities")
    )
    right.plot(distances, similarities, "o", color=COLOURS["bob"], alpha=0.5, ls="")
    threshold = result["config"]["verifier"]["threshold"]
    right.axhline(threshold, color=COLOURS["eve"], ls="--", label="verification threshold")
    found = result["rank_correlation"]
    right.set(
        xlabel="L1 distance between latents", ylabel="similarity",
        title=f"pairs of different people; of all {found['pairs']:,}:\nrank correlation "
        f"{found['spearman']:.2f} [{found['low']:.2f}, {found['high']:.2f}]",
    )  # fmt: skip
    right.legend()
    figure.suptitle(f"{title(result, 'Similarity of the same pairs')}\n{recogniser(result)}")
    return figure


def _bars(axes: Axes, histogram: dict[str, Any], colour: str) -> None:
    axes.stairs(histogram["counts"], histogram["edges"], fill=True, color=colour, alpha=0.75)


def _heat(figure: Figure | SubFigure, axes: Axes, rows: list[list[float]], label: str, form: str) -> None:
    values = np.array(rows, float)
    np.fill_diagonal(values, np.nan)
    picture = axes.imshow(values, cmap="cividis")
    figure.colorbar(picture, ax=axes, label=label)
    axes.grid(False)
    low, high = form.format(np.nanmin(values)), form.format(np.nanmax(values))
    axes.set(xlabel="photo", ylabel="photo", title=f"{len(values)} photos, {label} {low} to {high}")
    ticks = range(0, len(values), 5)
    for set_ticks in (axes.set_xticks, axes.set_yticks):
        set_ticks(ticks, [str(t + 1) for t in ticks])


def _table(result: dict[str, Any]) -> list[str]:
    """Range of the latents, their distances and the sensitivities, with the paper's values."""
    values, distances, paper = result["values"], result["distances"], result["paper"]
    codes, style_dim = result["config"]["model"]["latent_shape"]
    theirs = paper["latent_shape"][0] * paper["latent_shape"][1]
    growth = distances["largest_of_first"]
    largest, pairs, mean = paper["pair_distance_max"], distances["pairs"], paper["pair_distance_mean"]
    rows = [
        ["latent dimension", f"{codes} x {style_dim} = {codes * style_dim:,}", f"{theirs:,}"],
        ["range of the latent values", f"{values['min']:.2f} to {values['max']:.2f}", "-20 to 20"],
        ["mean L1 distance between two photos", f"{distances['mean']:,.0f}", f"{mean:,} (roughly)"],
        ["mean L1 distance per coordinate", f"{result['per_coordinate']:.2f}", f"{mean / theirs:.2f}"],
        ["largest distance over all pairs", f"{distances['max']:,.0f} ({pairs:,} pairs)", f"{largest:,}"],
    ]
    plain = {f"largest distance among the first {', '.join(growth)}": list(growth.values())}
    for kind, s in result["sensitivities"].items():
        known = [] if s["value"] is None else [s["value"]]
        plain[f"sensitivity `{kind}` (basis: {s.get('basis', 'none')})"] = known
    for name, distance in result["outliers"].items():
        plain[f"largest distance between a photo and a non-face image: {name}"] = [distance]
    rows += [[name, ", ".join(f"{number:,.0f}" for number in numbers), ""] for name, numbers in plain.items()]
    return [about(result), markdown(["", "our result", "paper"], rows), claims_table(_judge(result))]


def _judge(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claims of [DPI] 4.2.1 and 4.2.2 about latents and pairs."""
    distances, observed = result["distances"], result["sensitivities"]["observed"]["value"]
    text = "The largest distance among known photos is an empirical sensitivity for other photos"
    if observed is None:
        yield Claim(text, "no distances between public photos are available for this model", None)
    else:
        name, worst = max(result["outliers"].items(), key=lambda item: item[1])
        ours = (
            f"{observed:,.0f} over public training photos; {distances['max']:,.0f} over "
            f"{distances['pairs']:,} held-out pairs; {worst:,.0f} between a held-out photo and {name}"
        )
        yield Claim(text, ours, max(distances["max"], worst) <= observed)
    found, alone = result["rank_correlation"], result["rank_correlation_of_identity_codes"]
    yield Claim(
        "A small latent distance between two photos correlates strongly with a high similarity",
        f"Spearman {found['spearman']:.2f} [{found['low']:.2f}, {found['high']:.2f}] over "
        f"{found['pairs']:,} pairs (threshold: -{STRONG:g}); identity codes only {alone['spearman']:.2f} "
        f"[{alone['low']:.2f}, {alone['high']:.2f}]",
        found["high"] <= -STRONG,
    )
    threshold = result["config"]["verifier"]["threshold"]
    shown = np.array(result["shown_similarities"], float)
    largest = float(shown[np.triu_indices(len(shown), 1)].max())
    everyone = result["similarity_of_different_people"]["largest"]
    yield Claim(
        f"Among {len(shown)} photos of different people all similarities stay below the threshold",
        f"at most {largest:.2f}, threshold {threshold:.2f}; over all {found['pairs']:,} pairs at most "
        f"{everyone:.2f}",
        largest < threshold,
    )


LATENTS = result_of_paper(
    "dp-image/latents", revision=2, load=load(lambda preset: preset.distance_photos), measure=whole(_run),
    figures={"fig4": _values_drawn, "fig5": _distances_drawn, "fig8": _similarities_drawn}, table=_table,
    claims=_judge,
)  # fmt: skip
