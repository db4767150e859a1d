"""Markdown of `security.json`: who sees what behind each protection."""

from typing import Any

from semveil.experiments.dp_semcom.security_figure import attack_names
from semveil.experiments.kit.markdown import markdown
from semveil.experiments.kit.statistics import mean_of_photos

CONTROL = "stolen"  # with Bob's key it is no attack but shows what the others fall short of


def security_tables(result: dict[str, Any]) -> str:
    """Four tables: the best Eve of each protection, all of them, what links transmissions, and what attributes follow."""
    config, verifier = result["config"], result["config"]["verifier"]
    parts = [
        f"{config['photos']}; Bob at {config['preset']['snr_db']:g} dB; model {config['model']['name']} "
        f"(`{config['model']['digest'][:12]}`); recogniser {verifier['name']}, threshold {verifier['threshold']:.4g} "
        f"({verifier['threshold_from']}). Means over photos with 95 % intervals.",
        "Bob, and the best Eve (least LPIPS) of each protection; `stolen` left out where it steals a key.",
        markdown(*_best(result)),
        "LPIPS of every Eve, same SNR as Bob. `stolen` has Bob's network or key: the positive control.",
        markdown(*_everyone(result)),
        "Two transmissions of one photo against two of different photos: AUC from the private block, its length, the common "
        "codes, everything.",
        markdown(*_linkage(result)),
    ]
    if any(point for case in result["cases"].values() for point in _attributes_of(case)):
        parts += ["Attributes by a linear probe: AUC.", markdown(*_attributes(result))]
    return "\n\n".join(parts)


def _best(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    likeness = ("LPIPS", "LPIPS-Squeeze", "judged another person", "identity similarity")
    head = ["protection", "basis", "who", "dB", *likeness, "rank-1", "face found"]
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
            eves = [e for e in case["eves"] if e["snr_db"] == snr_db and not (keyed and e["attack"] == CONTROL)]
            best = min(eves, key=lambda eve: _mean(eve["lpips"]))
            rows.append([name, basis, f"Eve, {best['attack']}", f"{snr_db:g}", *_figures(best)])
    return head, rows


def _everyone(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    attacks, snr_db = attack_names(result), result["config"]["preset"]["eve_snr_db"][0]
    rows = []
    for name, case in result["cases"].items():
        eves = {eve["attack"]: eve for eve in case["eves"] if eve["snr_db"] == snr_db}
        cells = [f"{_mean(eves[attack]['lpips']):.3f}" if attack in eves else "" for attack in attacks]
        rows.append([name, f"{_mean(case['bob']['lpips']):.3f}", *cells])
    return ["protection", "Bob", *attacks], rows


def _linkage(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    snr_db = result["config"]["preset"]["eve_snr_db"][0]
    sources = ("private", "length", "common", "everything")
    rows = []
    for name, case in result["cases"].items():
        point: dict[str, Any] = next((p for p in case["linkage"] if p["snr_db"] == snr_db), {})
        rows.append([name, *(_score(point.get(source)) for source in sources)])
    return ["protection", *sources], rows


def _attributes(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    names = list(result["config"]["attributes"])
    rows = []
    for name, case in result["cases"].items():
        point = next(iter(_attributes_of(case)), {})
        for source in ("common codes", "everything heard"):
            if any(source in point.get(attribute, {}) for attribute in names):
                rows.append([name, source, *(_score(point.get(attribute, {}).get(source)) for attribute in names)])
    return ["protection", "from", *names], rows


def _attributes_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in point.items() if k != "snr_db"} for point in case["attributes"]]


def _figures(party: dict[str, Any]) -> list[str]:
    means = [_interval(party.get(name)) for name in ("lpips", "lpips_squeeze", "fppsr", "identity_similarity")]
    found = party["reidentification"]
    return [*means, _score(found and found["rank-1"]), _interval(party["face_detected"])]


def _interval(values: list[float | None] | None) -> str:
    mean = mean_of_photos(values) if values else None
    return str(mean) if mean else "not measured"


def _mean(values: list[float | None] | None) -> float:
    mean = mean_of_photos(values) if values else None
    return mean.value if mean else float("nan")


def _score(score: dict[str, float] | None) -> str:
    return f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]" if score else ""
