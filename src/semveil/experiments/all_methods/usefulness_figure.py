# SPDX-License-Identifier: Apache-2.0
"""The table and the figure of privacy against usefulness, from the JSON alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.experiments.kit.plots import COLOURS, number
from semveil.experiments.kit.set_distance import NOT_MEASURED
from semveil.experiments.kit.statistics import mean
from semveil.experiments.kit.tables import markdown
from semveil.experiments.kit.utility import utility_table

_MARKERS = dict(zip(("dp-semcom", "dp-image", "latent-dp", "identity-dp", "noise-image"), "o^vsD", strict=True))


def usefulness_tables(result: Mapping[str, Any]) -> str:
    """Two tables: what each case promises and what attackers make of it; what of the faces is kept."""
    cases: Mapping[str, Mapping[str, Any]] = result["cases"]
    verifiers = list(result["config"]["verifiers"])
    attackers = [f"{name}{how}" for name in verifiers for how in ("", ", learnt")]
    head = ["case", "ε of what", "basis", "face found", "SSIM", *(f"taken for another, {name}" for name in verifiers)]
    head += [f"rank 1, {name}" for name in attackers]
    rows = []
    for name, case in cases.items():
        columns = ["face_detected", "ssim", *(f"protected {verifier}" for verifier in verifiers)]
        cells = [_mean(case, column) for column in columns]
        rows.append([name, *_claim(case["guarantee"]), *cells, *(_rank(case["reidentified"].get(who)) for who in attackers)])
    seen: Mapping[str, Any] = next(iter(result.get("judged", {}).values()), {})
    kept = [(name, {**case["kept"], **seen.get(name, {})}) for name, case in cases.items()]
    return "\n\n".join([_about(result), markdown(head, rows), utility_table(kept)])


def drawing(result: Mapping[str, Any], folder: Path) -> Figure:
    """Every case as a point: how often the best attacker finds the person, and how far the landmarks moved."""
    figure = Figure(figsize=(8.6, 5.4))
    axes = figure.subplots()
    epsilons = result["config"]["preset"]["epsilons"]
    colours = dict(zip(epsilons, COLOURS["series"], strict=False))
    for case in result["cases"].values():
        error, ranks = mean(case["kept"], "five_point_error"), _best_rank(case)
        if error is None:
            continue
        look = {"color": colours.get(case["asked_epsilon"], "#999999"), "marker": _MARKERS.get(case["method"], "x")}
        axes.plot([ranks], [error.value], ls="", alpha=0.8, label=case["method"], **look)
    axes.set(xlabel="found first by the best attacker", ylabel="landmark error / eye distance (dlib's five points)")
    handles = {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    marks = [axes.plot([], [], ls="", marker="o", color=colour)[0] for colour in colours.values()]
    names = [*handles, *(f"$\\epsilon$ {epsilon:g}" for epsilon in colours)]
    figure.legend([*handles.values(), *marks], names, loc="outside lower center", ncols=5)
    preset = result["config"]["preset"]["name"]
    axes.set_title(f"Privacy against usefulness, {result['config']['photos']['count']} photos ({preset}); grey: no budget")
    return figure


def _best_rank(case: Mapping[str, Any]) -> float:
    return max((who["rank 1"][0] for who in case["reidentified"].values() if isinstance(who, dict)), default=0.0)


def _claim(guarantee: Mapping[str, Any] | None) -> tuple[str, str]:
    if guarantee is None:
        return "no release", ""
    if guarantee["epsilon"] is None:
        return "none", guarantee["basis"]
    delta = f", δ {guarantee['delta']:.2g}" if guarantee["delta"] else ""
    part = "" if guarantee["whole_record_epsilon"] is not None else " only; the rest is in clear"
    return f"{number(float(format(guarantee['epsilon'], '.4g')))}{delta} of {guarantee['covers']}{part}", guarantee["basis"]


def _mean(case: Mapping[str, Any], column: str) -> str:
    found = mean(dict(case), column)
    return NOT_MEASURED if found is None else str(found)


def _rank(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return NOT_MEASURED
    value, low, high = found["rank 1"]
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _about(result: Mapping[str, Any]) -> str:
    config = result["config"]
    model, identity = config["model"], config["identity_model"]
    people = next((case["reidentified"]["people"] for case in result["cases"].values() if case["reidentified"]), 0)
    guessing = f"; guessing finds 1 in {people}" if people else "; nobody to be found again in this preset"
    judge = "with" if result.get("judged") else "without"
    return (
        f"{config['photos']['description']}; models {model['name']} (`{model['digest'][:12]}`) and {identity['name']} "
        f"(`{identity['digest'][:12]}`); one draw per photo, noise simulated, claims those of a release{guessing}. Attackers "
        f"who learnt protected public faces themselves. Means over photos with 95 % intervals; {judge} an independent judge."
    )
