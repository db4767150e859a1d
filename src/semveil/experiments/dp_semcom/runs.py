"""dp-semcom's figures [DPSC]: run, write JSON, draw from the JSON.

Figs. 3 and 4 are two views of one run (`curves.json`), Figs. 5 and 6 of another (`images.json`); `noise` compares the ways
to train the pair, which the paper leaves open (`noise.json`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from semveil.core.pixels import to_pixels
from semveil.core.registry import Registry
from semveil.core.results import rounded
from semveil.core.rng import streams
from semveil.data.save import save_png
from semveil.experiments.dp_semcom.figures import draw
from semveil.experiments.dp_semcom.power_blocks import blocks_link
from semveil.experiments.dp_semcom.presets import PRESETS
from semveil.experiments.dp_semcom.protected import Progress, quiet
from semveil.experiments.dp_semcom.setup import Setup, prepare_run
from semveil.experiments.kit.keeping import Keep, Kept, Measurement, measurement
from semveil.link.measure import compare, measure
from semveil.methods.dp_semcom import DPSemCom
from semveil.protection.linear_pair import LinearPair

CHUNK = 32  # photos transmitted together; part of what determines the channel's draws

# What the paper's text says; its curves are not printed as numbers, and nothing is read off them.
PAPER = {
    "source": "read from the text of [DPSC] Section 4.2; null where the text gives no number",
    "lpips_gap_eve_minus_bob": [0.1, 0.2],
    "lpips_bob_reaches_direct_from_nominal_epsilon": 5,
    "fppsr_eve": [0.9, 1.0],
    "fppsr_bob": None,
    "lpips_bob": None,
    "lpips_eve": None,
    "lpips_direct": None,
    "eve_sees_clear_faces_from_nominal_epsilon": 15,
}


@dataclass(frozen=True)
class Run:
    """What is measured, and how; the body may write pictures into the folder, and keep cells."""

    measurement: Measurement
    body: Callable[[Setup, Path, Progress, Keep], dict[str, Any]]


def reproduce(
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
        figure: `dp-semcom/fig3`, `fig4`, `fig5`, `fig6` or `noise`.
        preset: `smoke`, `small` or `paper`.
        out: folder of the results; made where it is missing. With `data`, fig5 and fig6 write photos into it.
        data: held-out photos, see `photo_sets.held_out_photos`; without it, public pictures where those will do.
        model: name or folder of a face model; the preset's where None.
        verifier: `dlib`, `edgeface` or `arcface`; the preset's where None.
        progress: what is being done, how much is done, how much there is.

    Returns:
        The figure, a PNG.

    Raises:
        ValueError: no such figure, preset, model or verifier.
        DataMissing: the preset needs `data`, or there are no held-out photos.
        WeightsMissing: weights that the preset cannot do without are not on this machine.
    """
    kind = FIGURES[figure]
    setup = prepare_run(kind, PRESETS[preset], data=data, model=model, verifier=verifier, progress=progress)
    path = Path(out) / f"{kind}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"seeds": list(setup.preset.seeds), "paper": PAPER, "photos": list(setup.photos.ids)}
    kept = Kept(path, RUNS[kind].measurement, config=setup.config, head=head)
    return draw(kept.whole(lambda keep: RUNS[kind].body(setup, path.parent, progress, keep)), figure)


def _run_curves(setup: Setup, out: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Bob, Eve and the direct link over all epsilons, per photo and channel seed."""
    first = next(iter(setup.methods.values()))
    total = len(setup.methods) * len(setup.preset.seeds)
    progress("measure", 0, total)
    unprotected = {
        "inverted": _per_seed(setup, first, ["inverted"], setup.preset.seeds[:1])["inverted"],
        "direct": _per_seed(setup, first, ["direct"])["direct"],
    }
    points: list[dict[str, Any]] = []
    for name, method in setup.methods.items():
        before = len(points) * len(setup.preset.seeds)

        def tick(done: int, before: int = before) -> None:
            progress("measure", before + done, total)

        points.append(keep(name, partial(_point, setup, method, setup.preset.seeds, tick)))
    return {**unprotected, "points": points}


def _point(
    setup: Setup, method: DPSemCom, seeds: Sequence[int], tick: Callable[[int], None] = lambda done: None
) -> dict[str, Any]:
    """What Bob and Eve get by one method."""
    return {**_describe(setup, method), **_per_seed(setup, method, ["bob", "eve"], seeds, tick=tick)}


def _run_noise(setup: Setup, out: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Bob and Eve for every way to train the pair, and for genuine noise, which Bob cannot take off."""
    points = []
    for done, (name, method) in enumerate(setup.methods.items(), 1):
        points.append(keep(name, partial(_noise_point, setup, method)))
        progress("measure", done, len(setup.methods))
    return {"direct": _per_seed(setup, method, ["direct"], setup.preset.seeds[:1])["direct"], "points": points}


def _noise_point(setup: Setup, method: DPSemCom) -> dict[str, Any]:
    """What Bob and Eve get by one method, and Bob with gains of their own for genuine noise."""
    point = _point(setup, method, setup.preset.seeds[:1])
    return point if method.pair is not None else {**point, "bob_power_blocks": _power_blocks(setup, method)}


def _power_blocks(setup: Setup, method: DPSemCom) -> dict[str, Any]:
    """Bob under genuine noise where private and common codes have gains of their own; metric -> (1, photos) values."""
    run, columns = streams(setup.preset.seeds[0]), []
    for first in range(0, len(setup.codes), CHUNK):
        rows = slice(first, first + CHUNK)
        images, _ = blocks_link(method, setup.codes[rows], snr_db=setup.preset.snr_db, noise=run["dp"], channel=run["bob"])
        columns.append(compare(setup.photos.images[rows], images.clamp(-1, 1), setup.verifier))
    return {
        name: [rounded([v for part in columns for v in part[name]])] if isinstance(first_values, list) else first_values
        for name, first_values in columns[0].items()
    }


def _run_images(setup: Setup, out: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Every party's image of every photo, as files beside the JSON, with their measurements in it."""
    folder = out / "images"
    folder.mkdir(exist_ok=True)
    records: list[dict[str, Any]] = []
    for done, (name, method) in enumerate(setup.methods.items(), 1):
        result = method.transmit(setup.photos.images, snr_db=setup.preset.snr_db, codes=setup.codes, run=setup.preset.seeds[0])
        measured = measure(result, method, setup.verifier, ids=setup.photos.ids)
        for i, record in enumerate(measured):
            record["files"] = {}
            for party in ("source", "inverted", "direct", "bob", "eve"):
                shared = party in ("source", "inverted", "direct")  # the same whatever epsilon is
                file = f"{i + 1}-{party}.png" if shared else f"{i + 1}-{party}-{name}.png"
                save_png(folder / file, to_pixels(getattr(result, party)[i : i + 1])[0])
                record["files"][party] = f"images/{file}"
        records += measured
        progress("transmit", done, len(setup.methods))
    return {"photos_may_be_shown": setup.photos.public, "images": records}


def _describe(setup: Setup, method: DPSemCom) -> dict[str, Any]:
    """What protects, and what that is worth."""
    calibration, noise = method.calibration, method.noise_calibration(setup.codes)
    genuine = DPSemCom(setup.model, epsilon=calibration.nominal_epsilon, calibration="as_published", protection="laplace")
    return {
        "nominal_epsilon": calibration.nominal_epsilon,
        "protection": method.protection,
        "noise": method.pair.settings.noise if method.pair else None,
        "start": method.pair.settings.start if method.pair else None,
        "guarantee": method.guarantee(simulated=True).as_dict(),
        "nominal_scale": calibration.scale,
        "guarantee_of_genuine_noise": genuine.guarantee(simulated=True).as_dict(),
        "noise_calibration": noise.as_dict() if noise else None,
        "distance_from_identity": method.pair.distance_from_identity() if isinstance(method.pair, LinearPair) else None,
    }


def _per_seed(
    setup: Setup,
    method: DPSemCom,
    parties: Sequence[str],
    seeds: Sequence[int] | None = None,
    tick: Callable[[int], None] = lambda done: None,
) -> dict[str, dict[str, Any]]:
    """Party -> metric -> (seeds, photos) values, or None with `<metric>_reason`."""
    table: dict[str, dict[str, Any]] = {party: {} for party in parties}
    for done, seed in enumerate(setup.preset.seeds if seeds is None else seeds, 1):
        run = streams(seed)
        records: list[dict[str, Any]] = []
        for first in range(0, len(setup.codes), CHUNK):
            rows = slice(first, first + CHUNK)
            result = method.transmit(setup.photos.images[rows], snr_db=setup.preset.snr_db, codes=setup.codes[rows], run=run)
            records += measure(result, method, setup.verifier, ids=setup.photos.ids[rows], parties=parties)
        for party in parties:
            for name in records[0][party]:
                column = [record[party][name] for record in records]
                if name.endswith("_reason") or f"{name}_reason" in records[0][party]:
                    table[party][name] = column[0]
                else:
                    table[party].setdefault(name, []).append(rounded(column))
        tick(done)
    return table


RUNS: Registry[Run] = Registry("run")
RUNS.add("curves", Run(measurement("dp-semcom/curves", revision=2), _run_curves))
RUNS.add("images", Run(measurement("dp-semcom/images", revision=2), _run_images))
RUNS.add("noise", Run(measurement("dp-semcom/noise", revision=2), _run_noise))

FIGURES: Registry[str] = Registry("figure")
for _figure, _kind in (("fig3", "curves"), ("fig4", "curves"), ("fig5", "images"), ("fig6", "images"), ("noise", "noise")):
    FIGURES.add(f"dp-semcom/{_figure}", _kind)
