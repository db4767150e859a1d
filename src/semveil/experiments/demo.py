"""The demo: one real portrait over the wiretap channel, at five nominal budgets, as a figure, a JSON and a web page."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from semveil.core.pixels import to_pixels
from semveil.experiments.latents import invert_once
from semveil.experiments.photo_sets import public_photos
from semveil.experiments.picture_grid import draw_pictures
from semveil.experiments.presets import PICTURED_EPSILONS
from semveil.experiments.protected import Progress, protected_method, quiet
from semveil.experiments.provenance import commit, versions
from semveil.experiments.record import measure
from semveil.experiments.report import write_report
from semveil.experiments.result_file import write_result
from semveil.experiments.style import finish, styled
from semveil.experiments.verifiers import Remembering, load_verifier
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.face_model import DEFAULT_MODEL, load_model
from semveil.methods.pairs import pair_digest

SNR_DB = 20.0
Pictures = dict[str, NDArray[np.uint8]]


def demo(
    out: Path, *, seed: int = 0, model: str = DEFAULT_MODEL, progress: Progress = quiet, console: Console | None = None
) -> Path:
    """Send the astronaut's portrait to Bob and Eve at five nominal epsilons; write `demo.png`, `result.json`, `report.html`.

    Args:
        out: folder, made where it is missing.
        seed: of the channel's noise.
        model: name or folder of a face model.
        progress: what is being done, how much is done, how much there is.
        console: where the table is printed.

    Returns:
        The figure; the other files lie beside it.

    Raises:
        OutputError: a file cannot be written there.
    """
    out = Path(out)
    faces = load_model(model)
    verifier, verifier_info = load_verifier("dlib", resolution=faces.size)
    verifier = Remembering(verifier)
    progress("find and align the face", 0, 1)
    photos = public_photos(faces, 1)
    progress("find and align the face", 1, 1)
    codes, inversion = invert_once(
        DPSemCom(faces, protection="none"), photos.images, progress=lambda done, total: progress("invert", done, total)
    )
    methods = [protected_method(faces, epsilon, progress=progress) for epsilon in PICTURED_EPSILONS]
    records: list[dict[str, Any]] = []
    pictures: Pictures = {}
    for done, method in enumerate(methods, 1):
        result = method.transmit(photos.images, snr_db=SNR_DB, codes=codes, run=seed)
        (record,) = measure(result, method, verifier, ids=photos.ids)
        records.append({**record, "guarantee_text": result.transmission.guarantee.summary()})
        pictures |= {party: to_pixels(getattr(result, party))[0] for party in ("source", "inverted", "direct")}
        name = f"{method.nominal_epsilon:g}"
        pictures |= {f"{party} {name}": to_pixels(getattr(result, party))[0] for party in ("bob", "eve")}
        progress("transmit", done, len(methods))
    content = {
        "experiment": "demo",
        "config": {
            "photo": "the portrait 'astronaut' of scikit-image (NASA, public domain)",
            "model": {"name": faces.name, "digest": faces.digest},
            "verifier": verifier_info,
            "inversion": inversion,
            "private_codes": list(methods[0].private_codes),
            "private_parts": methods[0].private_parts,
            "calibration": methods[0].calibration.name,
            "protection": methods[0].protection,
            "snr_db": SNR_DB,
            "pairs": {f"{m.nominal_epsilon:g}": pair_digest(m.pair) for m in methods if m.pair},
        },
        "seeds": {"channel": seed},
        "versions": versions(),
        "commit": commit(),
        "images": records,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_result(out / "result.json", content)
    figure = finish(styled(lambda: _figure(content, pictures)), out / "demo.png")
    write_report(out / "report.html", content, pictures)
    (console or Console()).print(_table(content))
    return figure


def verdict(metrics: dict[str, Any]) -> str:
    """What a recogniser says, in two words.

    Example:
        >>> verdict({"fppsr": 1.0}), verdict({"fppsr": 0.0}), verdict({"fppsr": None})
        ('another person', 'same person', 'not judged')
    """
    return {None: "not judged", 0.0: "same person", 1.0: "another person"}[metrics["fppsr"]]


def quality(metrics: dict[str, Any]) -> str:
    """LPIPS where it was measured, else PSNR, each under its own name.

    Example:
        >>> quality({"lpips": 0.1234, "psnr": 20.0}), quality({"lpips": None, "psnr": 20.04})
        ('LPIPS .123', 'PSNR 20.0 dB')
    """
    if metrics["lpips"] is not None:
        return f"LPIPS {metrics['lpips']:.3f}".replace(" 0.", " .")
    return f"PSNR {metrics['psnr']:.1f} dB" if metrics["psnr"] is not None else "identical"


def _figure(content: dict[str, Any], pictures: Pictures) -> Any:
    records = content["images"]

    def caption(head: str, metrics: dict[str, Any]) -> str:
        return f"{head}\n{quality(metrics)}\n{verdict(metrics)}"

    first = records[0]
    top = [
        (pictures["source"], "source\n\n"),
        (pictures["inverted"], caption("inversion", first["inverted"])),
        (pictures["direct"], caption("direct, unprotected", first["direct"])),
    ]
    rows = [top]
    for party in ("bob", "eve"):
        rows.append([
            (pictures[f"{party} {epsilon:g}"], caption(f"nominal $\\epsilon$ = {epsilon:g}", record[party]))
            for record in records
            for epsilon in [record["nominal_epsilon"]]
        ])  # fmt: skip
    config = content["config"]
    aside = (
        f"Sent at {config['snr_db']:g} dB to both.\nProtected: {', '.join(_short(config['private_parts']))}.\n"
        "Nominal $\\epsilon$ sets how strongly;\nit is no guarantee (basis: none).\n"
        f"Judge of identity: {config['verifier']['name']}."
    )
    return draw_pictures(rows, title="One photo, two receivers", row_labels=("", "Bob", "Eve"), aside=aside)


def _short(parts: list[str]) -> list[str]:
    """Each part once: `shared 0`, `skin shape` -> `shared`, `skin`."""
    return list(dict.fromkeys(part.split()[0] for part in parts))


def _table(content: dict[str, Any]) -> Table:
    table = Table(title=f"dp-semcom, {content['config']['snr_db']:g} dB for Bob and Eve; nothing here is a guaranteed epsilon")
    for column in ("nominal epsilon", "basis", "Bob", "Bob's image shows", "Eve", "Eve's image shows"):
        table.add_column(column, justify="right" if column in ("nominal epsilon", "Bob", "Eve") else "left")
    first = content["images"][0]
    for name, party in (("inversion, no channel", "inverted"), ("direct, unprotected", "direct")):
        table.add_row(name, "", quality(first[party]), verdict(first[party]), "", "")
    for record in content["images"]:
        bob, eve, basis = record["bob"], record["eve"], record["guarantee"]["basis"]
        table.add_row(f"{record['nominal_epsilon']:g}", basis, quality(bob), verdict(bob), quality(eve), verdict(eve))
    return table
