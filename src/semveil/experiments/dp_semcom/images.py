# SPDX-License-Identifier: Apache-2.0
"""Figs. 5 and 6 of [DPSC]: images decoded by Bob and by Eve, `images.json`."""

from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.core.progress import Progress
from semveil.experiments.dp_semcom.measures import result_of_paper
from semveil.experiments.dp_semcom.setup import Setup, prepare_run
from semveil.experiments.dp_semcom.shown import LABELS, title_of
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.kit.picture_grid import draw_pictures, save_picture
from semveil.link.measure import measure


def _run(setup: Setup, out: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Save every party's image of every photo next to the JSON, and return their metrics."""
    records: list[dict[str, Any]] = []
    for done, (name, method) in enumerate(setup.methods.items(), 1):
        result = method.transmit(
            setup.photos.images, snr_db=setup.preset.snr_db, codes=setup.codes, run=setup.preset.seeds[0]
        )
        measured = measure(result, method, setup.verifier, ids=setup.photos.ids)
        for i, record in enumerate(measured):
            record["files"] = {}
            for party in ("source", "inverted", "direct", "bob", "eve"):
                shared = party in ("source", "inverted", "direct")  # independent of epsilon
                file = f"{i + 1}-{party}" if shared else f"{i + 1}-{party}-{name}"
                record["files"][party] = save_picture(out, file, getattr(result, party)[i])
        records += measured
        progress("transmit", done, len(setup.methods))
    return {"photos_may_be_shown": setup.photos.public, "images": records}


def _pictures(party: str, result: dict[str, Any], folder: Path) -> Figure:
    """Draw a party's images of every photo over nominal epsilon."""
    rows: dict[str, list[tuple[Path, str]]] = {}
    for record in result["images"]:
        row = rows.setdefault(record["source"], [(folder / record["files"]["source"], "source")])
        words = f"nominal $\\epsilon$ = {record['nominal_epsilon']:g}"
        row.append((folder / record["files"][party], words))
    heading = title_of(result, f"Images decoded by {LABELS[party]}")
    return draw_pictures(list(rows.values()), title=heading)


IMAGES = result_of_paper(
    "dp-semcom/images", revision=3, load=partial(prepare_run, "images"), measure=whole(_run),
    figures={"fig5": partial(_pictures, "bob"), "fig6": partial(_pictures, "eve")},
)  # fmt: skip
