# SPDX-License-Identifier: Apache-2.0
"""Web page of the demo: a single file without scripts or external resources."""

import base64
import io
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.core.files import write_whole

METRICS = {
    "lpips": "LPIPS",
    "lpips_squeeze": "LPIPS-Squeeze",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "fppsr": "FPPSR",
    "fppsr_to_inversion": "FPPSR to inversion",
    "identity_similarity": "identity similarity",
    "face_detected": "face detected",
}

UNPROTECTED = {
    "source": "source",
    "inverted": "inversion (no channel)",
    "direct": "direct transmission, unprotected",
}
_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --accent: #0072b2; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
.faces { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .85rem; }
img { width: 100%; border-radius: .4rem; display: block; background: var(--soft); }
.scroll { overflow-x: auto; } \
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); \
text-align: right; white-space: nowrap; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
.note { border-left: 4px solid var(--accent); background: var(--soft); padding: .6rem 1rem; }
code { overflow-wrap: anywhere; }
""".strip()


def write_report(path: Path, content: Mapping[str, Any], pictures: Mapping[str, NDArray[np.uint8]]) -> None:
    """Write the web page.

    Args:
        path: path of the `.html` file.
        content: content of `result.json`.
        pictures: (S, S, 3) pixels by name: `source`, `inverted`, `direct`, `bob 10`, `eve 10` and so on, and
            `bob keyed`, `eve keyed`.
    """
    config, records = content["config"], [*content["images"], content["keyed"]]
    sections = [
        "<h1>One photo, two receivers</h1>",
        f"<p>Photo: {escape(config['photo'])}, inverted by <b>{escape(config['model']['name'])}</b> and sent "
        f"by dp-semcom over a wiretap channel at {config['snr_db']:g} dB. Bob has the deprotection network, "
        "or in the last picture the key; Eve decodes the received signal naively, as in the paper. An "
        "adaptive eavesdropper can undo the networks, but not the key.</p>",
        _faces(pictures, UNPROTECTED),
        "<h2>Bob</h2>",
        _faces(pictures, {f"bob {setting(r)}": _caption(r) for r in records}),
        "<h2>Eve</h2>",
        _faces(pictures, {f"eve {setting(r)}": _caption(r) for r in records}),
        "<h2>What is guaranteed, and what is not</h2>",
        _guarantees(records),
        "<h2>Measurements</h2>",
        _table(records),
        _reasons(records),
        f"<p>FPPSR 1: the recogniser ({escape(config['verifier']['name'])}, threshold "
        f"{config['verifier']['threshold']:.4g}, {escape(config['verifier']['threshold_from'])}) does not "
        "accept the face as the person; 0: it does. Rates need many photos: see the experiments.</p>",
        "<h2>How it was made</h2>",
        f"<p>Channel seed {content['seeds']['channel']}; calibration "
        f"<code>{escape(config['calibration'])}</code>; private codes of the pairs "
        f"{escape(', '.join(config['private_parts']))}, all under the key; model "
        f"<code>{config['model']['digest'][:16]}</code>; "
        f"{escape(', '.join(f'{k} {v}' for k, v in content['versions'].items() if v))}"
        + (f"; commit <code>{escape(content['commit'][:12])}</code>" if content["commit"] else "")
        + ".</p>",
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>semveil: one photo, two receivers</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )
    write_whole(path, page)


def setting(record: Mapping[str, Any]) -> str:
    """Return the name of a record's setting: its nominal epsilon, or `keyed`.

    Args:
        record: record of a result; its `nominal_epsilon` is None for keyed protection.

    Example:
        >>> setting({"nominal_epsilon": 10.0}), setting({"nominal_epsilon": None})
        ('10', 'keyed')
    """
    return "keyed" if record["nominal_epsilon"] is None else f"{record['nominal_epsilon']:g}"


def _data_uri(pixels: NDArray[np.uint8], *, side: int = 256) -> str:
    """Encode pixels (H, W, 3) as an embedded PNG, enlarged bicubically by the integer factor side // H."""
    factor = max(1, side // pixels.shape[0])
    size = (pixels.shape[1] * factor, pixels.shape[0] * factor)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _faces(pictures: Mapping[str, NDArray[np.uint8]], captions: Mapping[str, str]) -> str:
    cells = (
        f'<figure><img src="{_data_uri(pictures[name])}" alt="{escape(name)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for name, caption in captions.items()
    )
    return f'<div class="faces">{"".join(cells)}</div>'


def _caption(record: Mapping[str, Any]) -> str:
    claim = record["guarantee"]
    if record["nominal_epsilon"] is None:
        return f"{record['protection']}, key: ε = {claim['epsilon']:g} (basis: {claim['basis']})"
    return f"nominal ε = {record['nominal_epsilon']:g}"


def _guarantees(records: list[dict[str, Any]]) -> str:
    """List of the distinct guarantees (networks of all budgets share one), with an explanation."""
    claims = dict.fromkeys(record["guarantee_text"] for record in records)
    items = "".join(f"<li>{escape(claim)}</li>" for claim in claims)
    return (
        f'<div class="note"><ul>{items}</ul></div>'
        "<p>The nominal ε is the setting that the protection networks were trained with. They are "
        "deterministic, so no differential privacy follows from them: an eavesdropper who knows some of the "
        "sent photos can learn to invert them (<code>semveil attack</code>), and the codes that they do not "
        "protect (hair, mouth, nose, background, ...) are sent in the clear. Under a key all codes are "
        "hidden, with new noise for every message; anyone with the key sees what Bob sees.</p>"
    )


def _table(records: list[dict[str, Any]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("image", "ε (basis)", *METRICS.values()))
    first = records[0]
    rows = [_row("inversion", "", first["inverted"]), _row("direct", "", first["direct"])]
    for party in ("bob", "eve"):
        for record in records:
            nominal, claim = record["nominal_epsilon"], record["guarantee"]
            epsilon = (
                f"{record['protection']}, {claim['epsilon']:g}" if nominal is None else f"nominal {nominal:g}"
            )
            rows.append(_row(party.capitalize(), f"{epsilon} ({claim['basis']})", record[party]))
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(name: str, budget: str, metrics: Mapping[str, Any]) -> str:
    values = (metrics.get(metric) for metric in METRICS)
    return "<tr>" + "".join(f"<td>{text}</td>" for text in (name, budget, *map(_number, values))) + "</tr>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def _reasons(records: list[dict[str, Any]]) -> str:
    """Paragraphs with the reason for each missing metric."""
    bob = records[0]["bob"]
    reasons = {label: bob.get(f"{name}_reason") for name, label in METRICS.items()}
    lines = (f"{label} was not measured: {reason}" for label, reason in reasons.items() if reason)
    return "".join(f"<p>{escape(line)}</p>" for line in lines)
