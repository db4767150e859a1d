"""identity-dp's figures and tables [IDP]: run, write JSON, draw from the JSON.

Figs. 4 and 5 are views of one run (`trade-off.json`), Figs. 6 and 7 of another (`pictures.json`), Tables I and II of a third
(`comparison.json`); Table III is `pairs.json`. Figs. 10 and 11 show anyone's photos (`challenging.json`, `portraits.json`);
Figs. 8 and 9 compare with other programs' pictures, see `evaluate`.
"""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.core.pixels import to_pixels
from semveil.core.registry import Registry
from semveil.core.rng import streams
from semveil.data.save import save_png
from semveil.experiments.dp_semcom.protected import Progress, quiet
from semveil.experiments.identity_dp.baselines import READINGS, baseline
from semveil.experiments.identity_dp.bench import CHUNK, PERTURBATIONS, Experiment, IdentityBench, photos_for, run
from semveil.experiments.identity_dp.figures import draw
from semveil.experiments.identity_dp.measures import independent, looks
from semveil.experiments.identity_dp.pairs import held_out_people, table3
from semveil.experiments.identity_dp.paper import PAPER
from semveil.experiments.identity_dp.photos import own_faces
from semveil.experiments.identity_dp.presets import IDENTITY_PRESETS
from semveil.experiments.identity_dp.rows import PAPER_EPSILONS, baseline_rows, claim, measured, own_rows, protected, rebuilt
from semveil.experiments.kit.keeping import Keep, Kept, measurement
from semveil.experiments.kit.latent_bench import PICTURES
from semveil.experiments.kit.latent_measures import over_draws
from semveil.metrics import identity_distance

FIGURE_AMOUNTS = (("pixelization", 4.0), ("pixelization", 8.0), ("noise", 9.0), ("noise", 18.0), ("blur", 8.0), ("blur", 16.0))
BASELINES = measurement("identity-dp/baselines", revision=3)
TIMED = 8  # photos, one by one


def reproduce_identity_dp(
    figure: str,
    preset: str,
    out: Path,
    *,
    data: Path | None = None,
    model: str | None = None,
    verifier: str | None = None,
    progress: Progress = quiet,
) -> Path:
    """Run what a figure or table shows, write its JSON into a folder, and draw it from there.

    A JSON that lies there is drawn and not made anew where its key is the same, see `keeping`; a broken run goes on.

    Args:
        figure: `identity-dp/fig4` to `fig7`, `fig10`, `fig11`, `table1` to `table3`.
        preset: `smoke`, `small` or `paper`.
        out: folder of the results; made where it is missing. With `data`, figures that show faces write photos into it.
        data: held-out photos, see `photo_sets.held_out_photos`; of fig10 and fig11 any folder of photos. Without it, public
            pictures where those will do.
        model: identity model; the preset's where None.
        verifier: recognisers with commas between them, such as `edgeface,dlib`; the preset's where None.
        progress: what is being done, how much is done, how much there is.

    Returns:
        The figure, a PNG.

    Raises:
        ValueError: no such figure, preset, model or verifier.
        DataMissing: the preset needs `data`, or there are no such photos.
        WeightsMissing: weights that the preset cannot do without are not on this machine.
    """
    kind, chosen = IDENTITY_DP_FIGURES[figure], IDENTITY_PRESETS[preset]
    name = f"identity-dp/{kind}"
    path = run(name, RUNS, chosen, out, paper=PAPER, data=data, model=model, verifier=verifier, progress=progress)
    return draw(path, figure)


def _trade_off(bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Every metric over epsilons and perturbations: of each photo and draw."""
    photos = bench.photos.images
    settings = [(how, epsilon) for how in PERTURBATIONS for epsilon in bench.preset.epsilons]
    drawn: dict[tuple[str, float], list[dict[str, list[list[float]]]]] = {setting: [] for setting in settings}
    for start in range(0, len(photos), CHUNK):
        progress("measure", start, len(photos))
        for setting, rows in zip(settings, keep(f"from {start}", partial(_drawn, bench, settings, start)), strict=True):
            drawn[setting].append(rows)
    progress("measure", len(photos), len(photos))
    return {
        "source": {"face_detected": looks(bench, photos, photos)["face_detected"]},
        "reconstructed": {"images": looks(bench, photos, rebuilt(bench, photos))},
        "other_people": _other_people(bench),
        "points": [
            {
                "perturbation": how,
                **claim(bench.method(epsilon, how)),
                "cosine_kept": _cosine_kept(bench, how, epsilon),
                "images": {name: over_draws(_side_by_side(parts, name)) for name in parts[0]},
            }
            for (how, epsilon), parts in drawn.items()
        ],
    }


def _side_by_side(parts: list[dict[str, list[list[float]]]], name: str) -> list[list[float]]:
    """(draws, photos) of a metric from parts of the photos, some of which may lack it."""
    rows = [part[name] for part in parts if name in part]
    return [[value for row in draw for value in row] for draw in zip(*rows, strict=True)]


def _drawn(bench: IdentityBench, settings: Sequence[tuple[str, float]], start: int) -> list[dict[str, list[list[float]]]]:
    """For each setting the metrics of some photos, for each draw."""
    part = bench.photos.images[start : start + CHUNK]
    identities, attributes = bench.model.identify(part), bench.model.attributes(part)
    looked = max(0, bench.preset.detected - start)
    found: list[dict[str, list[list[float]]]] = []
    for how, epsilon in settings:
        method = bench.method(epsilon, how)
        rows: dict[str, list[list[float]]] = {}
        for number in range(bench.preset.draws):
            rng = streams(bench.preset.seed)[f"dp {number} {start}"]  # the same draws at every setting
            images = bench.model.fuse(method.perturb(identities, rng=rng), attributes).clamp(-1, 1)
            # Looking for faces takes longest: in the first draw only.
            for name, values in looks(bench, part, images, detected=0 if number else looked).items():
                if values:
                    rows.setdefault(name, []).append(values)
        found.append(rows)
    return found


def _comparison(bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Table I: the paper's traditional methods in both readings, and identity-dp."""
    photos = bench.photos.images
    baselines = _baselines(bench, folder / "baselines.json", progress)
    return {
        "source": {"face_detected": looks(bench, photos, photos)["face_detected"]},
        "other_people": _other_people(bench),
        "baselines_commit": baselines["commit"],
        "rows": [*baselines["rows"], *measured(bench, own_rows(bench), progress, keep)],
        "seconds_per_image": _seconds(bench),
        "threads": torch.get_num_threads(),
    }


def _baselines(bench: IdentityBench, path: Path, progress: Progress) -> dict[str, Any]:
    """The traditional methods' rows, a result of their own, which another model does not change."""
    config = {name: value for name, value in bench.config.items() if name not in ("model", "observed_sensitivity")}
    kept = Kept(path, BASELINES, config=config)
    kept.whole(lambda keep: {"rows": measured(bench, baseline_rows(bench), progress, keep)})
    return kept.result


def _pictures(bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Faces over epsilons (Fig. 6), and beside the traditional methods in both readings (Fig. 7)."""
    photos = bench.photos.images
    made: list[tuple[dict[str, Any], Tensor]] = [({"shows": "source"}, photos), ({"shows": "no noise"}, rebuilt(bench, photos))]
    for epsilon in bench.preset.pictured_epsilons:
        made.append(({"shows": "mean distance", **claim(bench.method(epsilon))}, _at_mean_distance(bench, epsilon)))
    for epsilon in PAPER_EPSILONS:
        method = bench.method(epsilon)
        made.append(({"shows": "first draw", **claim(method)}, protected(bench, method, photos)))
    for reading in READINGS:
        for name, amount in FIGURE_AMOUNTS:
            images = baseline(name, amount, photos, reading=reading, rng=streams(bench.preset.seed)["dp 0"])
            made.append(({"shows": name, "amount": amount, "reading": reading}, images))
    records = []
    for number, (said, images) in enumerate(made):
        for i, photo in enumerate(bench.photos.ids):
            records.append({**said, "source": photo, "file": picture(folder, f"{i + 1}-{number:02d}", images[i])})
    return {"images": records, "judge": independent(bench)[0].name}


def _faces(kind: str, bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Anyone's photos and what identity-dp makes of them (Figs. 10 and 11)."""
    photos, method = bench.photos.images, bench.method(PAPER_EPSILONS[0])
    images = protected(bench, method, photos)
    records = [
        {
            "source": photo,
            "source_file": picture(folder, f"{kind}-{i:03d}-source", photos[i]),
            "file": picture(folder, f"{kind}-{i:03d}-protected", images[i]),
        }
        for i, photo in enumerate(bench.photos.ids)
    ]
    source = {"face_detected": looks(bench, photos, photos)["face_detected"]}
    return {**claim(method), "faces": records, "source": source, "images": looks(bench, photos, images)}


def picture(folder: Path, name: str, image: Tensor) -> str:
    """Write one picture (3, S, S) into the run's folder of pictures; gives its name relative to the JSON."""
    (folder / PICTURES).mkdir(exist_ok=True)
    save_png(folder / PICTURES / f"identity-{name}.png", to_pixels(image[None])[0])
    return f"{PICTURES}/identity-{name}.png"


def _at_mean_distance(bench: IdentityBench, epsilon: float) -> Tensor:
    """Of several draws of each photo the one whose identity distance is nearest to their mean ([IDP] Fig. 6)."""
    photos, method, judge = bench.photos.images, bench.method(epsilon), independent(bench)[0]
    drawn = [protected(bench, method, photos, draw=n) for n in range(bench.preset.candidates)]
    distances = torch.stack([identity_distance(photos, images, judge) for images in drawn])
    nearest = (distances - distances.mean(0)).abs().argmin(0)
    return torch.stack([drawn[int(n)][i] for i, n in enumerate(nearest)])


def _cosine_kept(bench: IdentityBench, how: str, epsilon: float) -> float | None:
    law = bench.method(epsilon, how).law
    return None if law is None else round(float(law.cosine_kept()), 6)


def _other_people(bench: IdentityBench) -> dict[str, Any]:
    """Mean identity distance between different photos, for scale."""
    photos, found = bench.photos.images, {}
    for name, judge in {**bench.verifiers, **bench.facenets}.items():
        embedded = torch.cat([judge.embed(part) for part in photos.split(CHUNK)])
        distances = torch.cdist(embedded, embedded)[~torch.eye(len(embedded), dtype=torch.bool)]
        found[f"identity_distance {name}"] = round(float(distances.mean()), 4) if len(distances) else None
    return found


def _seconds(bench: IdentityBench) -> float:
    """Median processor time of one photo, alone in its batch, with a release's noise; other programs do not lengthen it."""
    method, photos = bench.method(PAPER_EPSILONS[0]), bench.photos.images
    taken = []
    for i in range(min(TIMED, len(photos)) + 1):
        start = time.process_time()
        method.protect(photos[i % len(photos)][None])
        taken.append(time.process_time() - start)
    return round(float(np.median(taken[1:])), 4)  # the first warms up


RUNS: Registry[Experiment] = Registry("run")
RUNS.add(
    "trade-off",
    Experiment(measurement("identity-dp/trade-off", revision=3), _trade_off, photos_for(lambda preset: preset.photos)),
)
RUNS.add(
    "comparison",
    Experiment(measurement("identity-dp/comparison", revision=3), _comparison, photos_for(lambda preset: preset.compared)),
)
RUNS.add(
    "pictures",
    Experiment(
        measurement("identity-dp/pictures", revision=3), _pictures, photos_for(lambda preset: preset.pictured, shows=True)
    ),
)
RUNS.add("pairs", Experiment(measurement("identity-dp/pairs", revision=3), table3, held_out_people))
for _kind in ("challenging", "portraits"):
    RUNS.add(_kind, Experiment(measurement(f"identity-dp/{_kind}", revision=3), partial(_faces, _kind), own_faces))

IDENTITY_DP_FIGURES: Registry[str] = Registry("figure")
for _figure, _kind in (
    ("fig4", "trade-off"),
    ("fig5", "trade-off"),
    ("fig6", "pictures"),
    ("fig7", "pictures"),
    ("fig10", "challenging"),
    ("fig11", "portraits"),
    ("table1", "comparison"),
    ("table2", "comparison"),
    ("table3", "pairs"),
):
    IDENTITY_DP_FIGURES.add(f"identity-dp/{_figure}", _kind)
