"""dp-image's figures [DPI]: run, write JSON, draw from the JSON.

Figs. 4, 5 and 8 are views of one run (`latents.json`), Figs. 7 and 11 of another (`pictures.json`), Figs. 9 and 10 of a third
(`identity.json`); Table 1 is `utility.json`.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from semveil.core.registry import Registry
from semveil.core.results import rounded
from semveil.core.rng import streams
from semveil.experiments.dp_image import matched
from semveil.experiments.dp_semcom.protected import Progress, quiet
from semveil.experiments.kit.keeping import Keep, measurement
from semveil.experiments.kit.latent_bench import Experiment, LatentBench, run
from semveil.experiments.kit.latent_figures import draw
from semveil.experiments.kit.latent_measures import identity, looks, over_draws, save_picture
from semveil.experiments.kit.latent_presets import LATENT_PRESETS
from semveil.experiments.kit.outliers import outliers
from semveil.methods.dp_image import SENSITIVITIES, STYLES, DPImage
from semveil.metrics import face_detected

BINS = 80
RESAMPLES = 200  # of photos, for the interval of a rank correlation

# What the paper's text and Table 1 say; its curves are not printed as numbers, and nothing is read off them.
PAPER = {
    "source": "read from the text and Table 1 of [DPI] Sections 4 and 5; null where they give no number",
    "latent_shape": [18, 512],
    "latent_range": [-20, 20],
    "pair_distance_mean": 10_000,
    "pair_distance_max": 17_995,
    "pair_distance_example_far": 14_446,
    "pair_distance_example_near": 2_998,
    "similarity_of_different_people_at_most": 0.31,
    "same_person_threshold_arcface": 0.3,
    "same_person_threshold_microsoft": 0.5,
    "iss": None,
    "fppsr": None,
    "most_identities_unchanged_at_scale": 0.2,
    "most_identities_changed_at_scale": 1.0,
    "table1": {
        method: dict(zip(("l2", "ald_inf", "ssim", "fid", "iss_arcface", "iss_microsoft"), row, strict=True))
        for method, row in (
            ("blur", (71_782.9, 1.1502, 0.5895, 265.8, 0.31, 0.20)),
            ("mosaic", (70_438.8, 1.1386, 0.5705, 377.5, 0.31, 0.47)),
            ("dp-image", (68_071.3, 1.2214, 0.3876, 219.9, 0.30, 0.46)),
        )
    },
}


def reproduce_dp_image(
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
        figure: `dp-image/fig4`, `fig5`, `fig7`, `fig8`, `fig9`, `fig10`, `fig11` or `table1`.
        preset: `smoke`, `small` or `paper`.
        out: folder of the results; made where it is missing. With `data`, fig7 and fig11 write photos into it.
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
    kind, chosen = DP_IMAGE_FIGURES[figure], LATENT_PRESETS[preset]
    name = f"dp-image/{kind}"
    path = run(name, RUNS, chosen, out, paper=PAPER, data=data, model=model, verifier=verifier, progress=progress)
    return draw(path, figure)


def _latents(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Values of the latents, their distances pair by pair, and how alike a recogniser finds the same pairs."""
    progress("compare", 0, 2)
    rows = bench.latents.flatten(1).double()
    distances = torch.cdist(rows, rows, p=1).numpy()
    identity_rows = bench.latents[:, list(bench.model.identity_codes)].flatten(1).double()
    progress("compare", 1, 2)
    embedded = bench.verifier.embed(bench.photos.images)
    similarities = bench.verifier.similarities(embedded, embedded).double().numpy()
    upper = np.triu_indices(len(rows), 1)
    pairs = distances[upper]
    far, near = int(pairs.argmax()), int(pairs.argmin())
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
                "photos": [bench.photos.ids[upper[0][i]], bench.photos.ids[upper[1][i]]],
                "distance": round(float(pairs[i]), 1),
                "similarity": round(float(similarities[upper][i]), 4),
            }
            for name, i in (("far", far), ("near", near))
        },
        "pictured_examples": _pictured_examples(bench, folder),
        "shown_distances": [rounded(row) for row in distances[shown, shown].tolist()],
        "shown_similarities": [rounded(row) for row in similarities[shown, shown].tolist()],
        "rank_correlation": _rank_correlation(distances, similarities),
        "rank_correlation_of_identity_codes": _rank_correlation(
            torch.cdist(identity_rows, identity_rows, p=1).numpy(), similarities
        ),
        "similarity_of_different_people": _spread(similarities[upper]),
        "sensitivities": _sensitivities(bench),
        "outliers": {
            name: round(float(torch.cdist(row[None], rows, p=1).max()), 1)
            for name, row in zip(strange.ids, strange_rows, strict=True)
        },
    }


def _pictured_examples(bench: LatentBench, folder: Path) -> dict[str, Any]:
    """[DPI] Fig. 5(c): the farthest and the nearest pair, here of faces that the model makes, as photos may not be shown."""
    latents = bench.model.public_latents(bench.preset.shown_pairs, streams(bench.preset.seed)["examples"])
    rows = latents.flatten(1).double()
    distances = torch.cdist(rows, rows, p=1).numpy()
    upper = np.triu_indices(len(rows), 1)
    found = {}
    for name, place in (("far", int(distances[upper].argmax())), ("near", int(distances[upper].argmin()))):
        pair = [int(upper[0][place]), int(upper[1][place])]
        images = bench.model.synthesize(latents[pair]).clamp(-1, 1)
        found[name] = {
            "files": [save_picture(folder, f"{name}-{i + 1}", image) for i, image in enumerate(images)],
            "distance": round(float(distances[upper][place]), 1),
            "similarity": round(identity(bench, images[:1], images[1:])["identity_similarity"][0], 4),
        }
    return {"faces": f"{len(rows)} faces of the model's latent prior", **found}


def _pictures(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
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


def _identity(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Similarity and FPPSR over scales: each photo and draw, noise on all codes and on the identity codes."""
    source = bench.photos.images
    inverted = bench.model.synthesize(bench.latents).clamp(-1, 1)
    points = []
    settings = [(styles, scale) for styles in STYLES for scale in bench.preset.scales]
    for done, (styles, scale) in enumerate(settings):
        progress("measure", done, len(settings))
        points.append(keep(f"{styles} {scale:g}", partial(_identity_point, bench, inverted, styles, scale)))
    progress("measure", len(settings), len(settings))
    embedded = bench.verifier.embed(source)
    others = bench.verifier.similarities(embedded, embedded)[~torch.eye(len(source), dtype=torch.bool)]
    return {
        "inverted": {
            **{name: over_draws([values]) for name, values in identity(bench, source, inverted).items()},
            "face_detected": face_detected(inverted[: bench.preset.detected]).float().tolist(),
        },
        "other_people": {
            "identity_similarity": round(float(others.mean()), 4) if len(others) else None,
        },
        "points": points,
    }


def _identity_point(bench: LatentBench, inverted: Tensor, styles: str, scale: float) -> dict[str, Any]:
    """One scale of the noise, on all codes or on the identity codes."""
    method = DPImage(bench.model, scale=scale, styles=styles)
    columns: dict[str, list[list[float]]] = {}
    found: Tensor | None = None
    for draw_number in range(bench.preset.draws):
        rng = streams(bench.preset.seed)[f"dp {draw_number}"]  # the same draws at every scale
        images = method.protect_latents(bench.latents, rng=rng).images.clamp(-1, 1)
        for suffix, reference in (("", bench.photos.images), ("_to_inversion", inverted)):
            for name, values in identity(bench, reference, images).items():
                columns.setdefault(name + suffix, []).append(values)
        found = face_detected(images[: bench.preset.detected]) if found is None else found
    assert found is not None
    return {
        "styles": styles,
        "scale": scale,
        "guarantee": method.guarantee(simulated=True).as_dict(),
        "of_a_release": _readings(bench, scale, styles),
        "photos": {
            **{name: over_draws(rows) for name, rows in columns.items()},
            "face_detected": found.float().tolist(),
        },
    }


def _utility(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Methods whose scale is searched until the recogniser's mean similarity is its threshold, as [DPI] Table 1 has it."""
    plain = bench.model.synthesize(bench.latents)
    return {
        "target_similarity": bench.verifier.threshold,
        "reconstructed": {
            "images": {**looks(bench, plain), **bench.features.distances(bench.features.of(bench.photos.images), plain)}
        },
        "methods": matched.measured(bench, bench.verifier.threshold, progress, keep),
    }


def _readings(bench: LatentBench, scale: float, styles: str) -> dict[str, Any]:
    """What a release with this noise would claim, by what sensitivity is taken for it."""
    found = {}
    for kind in SENSITIVITIES:
        try:
            found[kind] = DPImage(bench.model, scale=scale, styles=styles, sensitivity=kind).guarantee().as_dict()
        except ValueError as error:  # distances were not measured for this model
            found[kind] = {"epsilon": None, "basis": "none", "reason": str(error)}
    return found


def _sensitivities(bench: LatentBench) -> dict[str, Any]:
    """The clip box's, which is a bound, and the one observed over public photos, which is none."""
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
    return {
        "counts": counts.tolist(),
        "edges": rounded(edges.tolist()),
        "mean": round(float(values.mean()), 4),
        "min": round(float(values.min()), 4),
        "max": round(float(values.max()), 4),
    }


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.quantile(values, [0.005, 0.995])
    return {
        "std": round(float(values.std()), 4),
        "quantile 0.5 %": round(float(low), 4),
        "quantile 99.5 %": round(float(high), 4),
        "largest": round(float(values.max()), 4),
    }


def _growth(distances: NDArray[np.float64]) -> dict[str, float]:
    """The largest distance among the first photos: what `observed sensitivity` would have been with fewer of them."""
    sizes = [size for size in (10, 20, 50, 100, 200, 500) if size < len(distances)] + [len(distances)]
    return {str(size): round(float(distances[:size, :size].max()), 1) for size in sizes}


def _rank_correlation(distances: NDArray[np.float64], similarities: NDArray[np.float64]) -> dict[str, Any]:
    """Spearman's between distance and similarity of all pairs, with an interval from resampled photos."""
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
    return {"spearman": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4), "pairs": len(first)}


RUNS: Registry[Experiment] = Registry("run")
RUNS.add("latents", Experiment(measurement("dp-image/latents", revision=1), _latents, lambda preset: preset.distance_photos))
RUNS.add(
    "pictures", Experiment(measurement("dp-image/pictures", revision=2), _pictures, lambda preset: preset.pictured, shows=True)
)
RUNS.add("identity", Experiment(measurement("dp-image/identity", revision=2), _identity, lambda preset: preset.photos))
RUNS.add("utility", Experiment(measurement("dp-image/utility", revision=2), _utility, lambda preset: preset.photos))

DP_IMAGE_FIGURES: Registry[str] = Registry("figure")
for _figure, _kind in (
    ("fig4", "latents"),
    ("fig5", "latents"),
    ("fig7", "pictures"),
    ("fig8", "latents"),
    ("fig9", "identity"),
    ("fig10", "identity"),
    ("fig11", "pictures"),
    ("table1", "utility"),
):
    DP_IMAGE_FIGURES.add(f"dp-image/{_figure}", _kind)
