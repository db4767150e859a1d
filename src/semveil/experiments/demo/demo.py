# SPDX-License-Identifier: Apache-2.0
"""The demo: one real portrait over the wiretap channel, as a figure, a JSON file and a web page.

It is protected by the paper's pairs and by a key.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from semveil.core.progress import Progress, quiet
from semveil.core.provenance import commit, versions
from semveil.core.results import write_result
from semveil.core.rounding import text_above
from semveil.experiments.demo.report import setting, write_report
from semveil.experiments.dp_semcom.setup import PICTURED_EPSILONS, protected_method
from semveil.experiments.kit.photo_sets import public_photos
from semveil.experiments.kit.picture_grid import draw_pictures
from semveil.experiments.kit.plots import finish, styled
from semveil.faces.pixels import to_pixels
from semveil.link.measure import measure
from semveil.link.words import person
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.pairs import pair_digest
from semveil.models.face import DEFAULT_MODEL, load_model
from semveil.models.inversion_cache import cached_inversion
from semveil.privacy.strength import in_a_word
from semveil.recognition.by_name import Remembering, load_verifier

SNR_DB = 20.0
FILES = ("demo.png", "report.html", "result.json")
Pictures = dict[str, NDArray[np.uint8]]


def demo(
    out: Path,
    *,
    seed: int = 0,
    model: str = DEFAULT_MODEL,
    progress: Progress = quiet,
    console: Console | None = None,
) -> Path:
    """Send the astronaut's portrait to Bob and Eve; write `demo.png`, `result.json` and `report.html`.

    The protection is the paper's pair at five nominal epsilons, then keyed rotation, whose key only Bob has.

    Args:
        out: output folder, created if missing.
        seed: seed of the channel noise; the key and its nonce are always new.
        model: name or folder of a face model.
        progress: progress callback.
        console: console for the table.

    Returns:
        The path of the figure; the other files are in the same folder.

    Raises:
        OutputError: a file cannot be written.
    """
    out = Path(out)
    faces = load_model(model)
    verifier, verifier_info = load_verifier("dlib", resolution=faces.size)
    remembering = Remembering(verifier)
    progress("find and align the face", 0, 1)
    photos = public_photos(faces, 1)
    progress("find and align the face", 1, 1)
    tick = lambda done, total: progress("invert", done, total)  # noqa: E731
    codes, inversion = cached_inversion(faces, photos.images, progress=tick)
    methods = [protected_method(faces, epsilon, progress=progress) for epsilon in PICTURED_EPSILONS]
    methods.append(DPSemCom(faces, protection="rotation"))
    records: list[dict[str, Any]] = []
    pictures: Pictures = {}
    for done, method in enumerate(methods, 1):
        result = method.transmit(photos.images, snr_db=SNR_DB, codes=codes, run=seed)
        (record,) = measure(result, method, remembering, ids=photos.ids)
        records.append({**record, "guarantee_text": result.transmission.guarantee.summary()})
        for party in ("source", "inverted", "direct", "bob", "eve"):
            name = f"{party} {setting(record)}" if party in ("bob", "eve") else party
            pictures[name] = to_pixels(getattr(result, party))[0]
        progress("transmit", done, len(methods))
    *published, keyed = records
    paired, rotated = methods[0], methods[-1]
    content = {
        "experiment": "demo",
        "config": {
            "photo": "the portrait 'astronaut' of scikit-image (NASA, public domain)",
            "model": {"name": faces.name, "digest": faces.digest},
            "verifier": verifier_info,
            "inversion": inversion,
            "private_codes": list(paired.private_codes),
            "private_parts": paired.private_parts,
            "calibration": paired.calibration.name,
            "protection": paired.protection,
            "snr_db": SNR_DB,
            "pairs": {f"{m.nominal_epsilon:g}": pair_digest(m.pair) for m in methods if m.pair},
        },
        "seeds": {"channel": seed},
        "versions": versions(),
        "commit": commit(),
        "images": published,
        "keyed": {**keyed, "protection": rotated.protection, "private_codes": list(rotated.private_codes)},
    }
    out.mkdir(parents=True, exist_ok=True)
    write_result(out / "result.json", content)
    figure = finish(styled(lambda: _figure(content, pictures)), out / "demo.png")
    write_report(out / "report.html", content, pictures)
    (console or Console()).print(_table(content))
    return figure


def quality(metrics: dict[str, Any]) -> str:
    """Format LPIPS if it was measured, otherwise PSNR.

    Args:
        metrics: metrics with `lpips`, None if it was not measured, and `psnr` in dB, None for identical
            pixels.

    Example:
        >>> quality({"lpips": 0.1234, "psnr": 20.0}), quality({"lpips": None, "psnr": 20.04})
        ('LPIPS .123', 'PSNR 20.0 dB')
    """
    if metrics["lpips"] is not None:
        return f"LPIPS {metrics['lpips']:.3f}".replace(" 0.", " .")
    return f"PSNR {metrics['psnr']:.1f} dB" if metrics["psnr"] is not None else "identical"


def _figure(content: dict[str, Any], pictures: Pictures) -> Any:
    records = [*content["images"], content["keyed"]]

    def caption(head: str, metrics: dict[str, Any]) -> str:
        return f"{head}\n{quality(metrics)}\n{person(metrics)}"

    rows = [[(pictures["source"], "source\n\n")]]
    for party, words in (("inverted", "inversion"), ("direct", "direct, unprotected")):
        rows[0].append((pictures[party], caption(words, records[0][party])))
    for party in ("bob", "eve"):
        captions = {f"{party} {setting(one)}": caption(_head(one), one[party]) for one in records}
        rows.append([(pictures[name], words) for name, words in captions.items()])
    config, claim = content["config"], content["keyed"]["guarantee"]
    aside = (
        f"Sent at {config['snr_db']:g} dB to both; recogniser: {config['verifier']['name']}.\n"
        f"Nominal $\\epsilon$: the paper's networks, for {', '.join(_short(config['private_parts']))}.\n"
        "A setting that guarantees nothing (basis: none);\nan adaptive eavesdropper inverts them (semveil "
        "attack).\n"
        f"Last column: {claim['covers']}, under a key shared with Bob.\n"
        f"$\\epsilon$ = {claim['epsilon']:g}, $\\delta$ = {claim['delta']:.2g} (basis: {claim['basis']})."
    )
    return draw_pictures(rows, title="One photo, two receivers", row_labels=("", "Bob", "Eve"), aside=aside)


def _head(record: dict[str, Any]) -> str:
    """Caption of a record: its nominal epsilon, or its protection with epsilon and basis."""
    if record["nominal_epsilon"] is not None:
        return f"nominal $\\epsilon$ = {record['nominal_epsilon']:g}"
    claim = record["guarantee"]
    return f"{record['protection']}, key\n$\\epsilon$ = {claim['epsilon']:g} ({claim['basis']})"


def _short(parts: list[str]) -> list[str]:
    """First word of each part, once: `shared 0`, `skin shape` -> `shared`, `skin`."""
    return list(dict.fromkeys(part.split()[0] for part in parts))


def _table(content: dict[str, Any]) -> Table:
    """Summary table, 80 columns wide; only the guarantee may be folded."""
    records = [*content["images"], content["keyed"]]
    measured = "LPIPS" if records[0]["bob"]["lpips"] is not None else "PSNR in dB"
    snr, judge = content["config"]["snr_db"], content["config"]["verifier"]["name"]
    title = f"{measured} to the photo at {snr:g} dB, and identity decision of {judge}"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    for column in ("protection", "Bob", "person", "Eve", "person"):
        table.add_column(column, justify="right" if column in ("Bob", "Eve") else "left", no_wrap=True)
    table.add_column("guarantee (basis)", overflow="fold")
    first = records[0]
    for name, party in (("inversion only", "inverted"), ("no protection", "direct")):
        table.add_row(name, _number(first[party]), _seen(first[party]), "", "", "none (none)")
    for record in records:
        bob, eve = record["bob"], record["eve"]
        nominal = record["nominal_epsilon"]
        name = f"{record['protection']}, key" if nominal is None else f"nn, nominal {nominal:g}"
        table.add_row(name, _number(bob), _seen(bob), _number(eve), _seen(eve), _promise(record["guarantee"]))
    return table


def _promise(claim: dict[str, Any]) -> str:
    if (epsilon := claim["epsilon"]) is None:
        return f"none ({claim['basis']})"
    return f"epsilon {text_above(epsilon)}: {in_a_word(epsilon, claim['delta'])} ({claim['basis']})"


def _number(metrics: dict[str, Any]) -> str:
    return quality(metrics).removeprefix("LPIPS ").removeprefix("PSNR ").removesuffix(" dB")


def _seen(metrics: dict[str, Any]) -> str:
    return person(metrics).removesuffix(" person")
