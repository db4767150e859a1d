# SPDX-License-Identifier: Apache-2.0
"""Figure and tables of `security.json`: results of every attack on each protection."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from semveil.experiments.kit.plots import heat_table
from semveil.experiments.kit.statistics import shown_score, value
from semveil.experiments.kit.tables import markdown, means

PANELS = {
    "lpips": "LPIPS to the source (dark: reconstructed)",
    "fppsr": "fraction rejected by the recogniser, FPPSR (dark: recognised)",
    "face_detected": "face detection rate (dlib)",
}
CONTROL = "stolen"  # with Bob's key it is no attack but an upper bound for the others


def _attack_names(result: dict[str, Any]) -> list[str]:
    """Return the names of the attacks over all protections, in the order in which they were run."""
    return list(dict.fromkeys(eve["attack"] for case in result["cases"].values() for eve in case["eves"]))


def drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw metrics of Bob and of every attack at Bob's SNR, a panel for each metric.

    Args:
        result: content of `security.json`.
        folder: folder of the JSON, not used.
    """
    cases, attacks = result["cases"], _attack_names(result)
    panels = [name for name in PANELS if result["unprotected"]["direct"].get(name) is not None]
    figure = Figure(figsize=(2.2 + 0.95 * (len(attacks) + 1), 1.2 + len(panels) * (0.9 + 0.34 * len(cases))))
    for axes, metric in zip(np.atleast_1d(figure.subplots(len(panels), 1)), panels, strict=True):
        table = _table(result, metric, attacks)
        scale = np.nanmax(table) if metric == "lpips" else 1.0
        colours = table if metric != "face_detected" else 1 - table
        heat_table(axes, table, ["Bob", *attacks], list(cases), colours=colours, top=scale)
        axes.axvline(0.5, color="white", lw=3)
        axes.set_title(
            f"{PANELS[metric]}; direct transmission {value(result['unprotected']['direct'], metric):.2f}"
        )
    snr_db = result["config"]["preset"]["snr_db"]
    figure.suptitle(f"Bob and all attacks by Eve, {len(result['photos'])} photos, {snr_db:g} dB")
    return figure


def _table(result: dict[str, Any], metric: str, attacks: list[str]) -> NDArray[np.float64]:
    """(cases, 1 + attacks) means: Bob, then each attack at Eve's first SNR; NaN where it does not apply."""
    rows = []
    for case in result["cases"].values():
        eves = _first_eves(result, case)
        parties = (case["bob"], *(eves.get(attack, {}) for attack in attacks))
        rows.append([value(party, metric) for party in parties])
    return np.array(rows)


def _first_eves(result: dict[str, Any], case: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Attacks by name, at Eve's first SNR."""
    snr_db = result["config"]["preset"]["eve_snr_db"][0]
    return {eve["attack"]: eve for eve in case["eves"] if eve["snr_db"] == snr_db}


def table(result: dict[str, Any]) -> list[str]:
    """Return the tables: strongest attack on each protection, all attacks, linkage, attribute inference.

    Args:
        result: content of `security.json`.
    """
    config, verifier = result["config"], result["config"]["verifier"]
    parts = [
        f"{config['photos']}; Bob at {config['preset']['snr_db']:g} dB; model {config['model']['name']} "
        f"(`{config['model']['digest'][:12]}`); recogniser {verifier['name']}, threshold "
        f"{verifier['threshold']:.4g} ({verifier['threshold_from']}). Means over photos with 95 % intervals.",
        "Bob, and the strongest Eve (lowest LPIPS) on each protection; `stolen` is omitted where it uses the "
        "key.",
        markdown(*_best(result)),
        "LPIPS of every Eve at Bob's SNR. `stolen` has Bob's network or key (positive control).",
        markdown(*_everyone(result)),
        "Linkage: AUC for telling two transmissions of one photo from two of different photos, by the "
        "private codes, their norm, the common codes, or all codes.",
        markdown(*_linkage(result)),
    ]
    if any(point for case in result["cases"].values() for point in _attributes_of(case)):
        parts += ["Attribute inference by a linear probe: AUC.", markdown(*_attributes(result))]
    return parts


def _best(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    likeness = ("LPIPS", "LPIPS-Squeeze", "FPPSR", "identity similarity")
    head = ["protection", "basis", "receiver", "SNR, dB", *likeness, "rank-1", "face detection rate"]
    preset, plain = result["config"]["preset"], result["unprotected"]
    rows = [["", "", "inversion, no channel", "", *_figures(plain["inverted"])]]
    for name, of in (("direct", "direct"), ("direct, by rotation's public map", "same_map")):
        for snr_db, key in ((preset["snr_db"], of), (preset["noisier_db"], f"{of}_noisier")):
            if key in plain:
                rows.append(["", "", name, f"{snr_db:g}", *_figures(plain[key])])
    for name, case in result["cases"].items():
        basis = case["guarantee"]["basis"]
        rows.append([name, basis, "Bob", f"{preset['snr_db']:g}", *_figures(case["bob"])])
        rows.append([name, basis, "Bob", f"{preset['noisier_db']:g}", *_figures(case["bob_noisier"])])
        keyed = case["protection"] in ("rotation", "modulo")
        for snr_db in preset["eve_snr_db"]:
            eves = [e for e in case["eves"] if e["snr_db"] == snr_db]
            eves = [e for e in eves if not (keyed and e["attack"] == CONTROL)]
            best = min(eves, key=lambda eve: value(eve, "lpips"))
            rows.append([name, basis, f"Eve, {best['attack']}", f"{snr_db:g}", *_figures(best)])
    return head, rows


def _everyone(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    attacks, rows = _attack_names(result), []
    for name, case in result["cases"].items():
        eves = _first_eves(result, case)
        cells = [f"{value(eves[attack], 'lpips'):.3f}" if attack in eves else "" for attack in attacks]
        rows.append([name, f"{value(case['bob'], 'lpips'):.3f}", *cells])
    return ["protection", "Bob", *attacks], rows


def _linkage(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    snr_db = result["config"]["preset"]["eve_snr_db"][0]
    names = ("private codes", "norm", "common codes", "all codes")
    sources, rows = dict(zip(("private", "length", "common", "everything"), names, strict=True)), []
    for name, case in result["cases"].items():
        point: dict[str, Any] = next((p for p in case["linkage"] if p["snr_db"] == snr_db), {})
        rows.append([name, *(shown_score(point.get(source)) for source in sources)])
    return ["protection", *sources.values()], rows


def _attributes(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    names = list(result["config"]["attributes"])
    rows = []
    for name, case in result["cases"].items():
        point = next(iter(_attributes_of(case)), {})
        for source, heading in (("common codes", "common codes"), ("everything heard", "all received codes")):
            if any(source in point.get(attribute, {}) for attribute in names):
                scores = (shown_score(point.get(attribute, {}).get(source)) for attribute in names)
                rows.append([name, heading, *scores])
    return ["protection", "from", *names], rows


def _attributes_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in point.items() if k != "snr_db"} for point in case["attributes"]]


def _figures(party: dict[str, Any]) -> list[str]:
    found = party["reidentification"]
    likeness = means(party, ("lpips", "lpips_squeeze", "fppsr", "identity_similarity"))
    return [*likeness, shown_score(found and found["rank-1"]), *means(party, ("face_detected",))]
