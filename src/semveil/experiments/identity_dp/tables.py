"""Markdown of identity-dp's result files."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from semveil.experiments.identity_dp import claims as identity_dp_claims
from semveil.experiments.identity_dp.figures import judges, row_name
from semveil.experiments.identity_dp.paper import COLUMNS
from semveil.experiments.identity_dp.presets import FACENETS
from semveil.experiments.kit.axes import mean, number
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.markdown import markdown
from semveil.experiments.kit.set_distance import NOT_MEASURED, shown_distances
from semveil.experiments.kit.utility import utility_table

REPORTED = "as reported by the paper"


def _trade_off(result: dict[str, Any]) -> str:
    names = _distances(result["reconstructed"]["images"])
    metrics = [*names, "psr", "psnr", "ssim", "face_detected"]
    head = ["law", "nominal ε", "true ε (basis)", "cosine kept", *map(_column, metrics)]
    rows = [["none", "", "", "1", *_cells(result["reconstructed"]["images"], metrics)]]
    for point in result["points"]:
        kept = point["cosine_kept"]
        what = [point["perturbation"], f"{point['nominal_epsilon']:g}", _epsilon(point["of_a_release"])]
        rows.append([*what, "" if kept is None else f"{kept:.4f}", *_cells(point["images"], metrics)])
    observed = result["config"]["observed_sensitivity"]
    d = result["config"]["model"]["dimension"]
    parts = [
        _about(result),
        f"`as published` takes {observed:.2f}, the largest L1 distance between these photos' identity vectors, for the "
        f"sensitivity; {2 * d**0.5:.2f} bounds that of any two. Its true ε is what a release with that noise would claim. "
        f"Other people's identity distance: {_others(result)}. ε covers the identity vector; the attributes pass in clear.",
        markdown(head, rows),
        _claims(identity_dp_claims.trade_off(result)),
    ]
    return "\n\n".join(parts)


def _comparison(result: dict[str, Any]) -> str:
    found = mean(result["source"], "face_detected")
    assert found is not None
    rows = [_row(row, found.value) for row in result["rows"]]
    head = _head(result["rows"][0]["images"])
    seconds = result["seconds_per_image"]
    paper = result["paper"]
    parts = [
        _about(result),
        f"In the photos dlib finds a face in {found}. Other people's identity distance: {_others(result)}. identity-dp takes "
        f"{seconds:.3f} s of processor time per photo, one at a time with {result['threads']} thread(s), without "
        f"finding and aligning the face (the paper: {paper['seconds_per_image']:g} s on {paper['seconds_per_image_on']}). "
        "Amounts are the paper's, at 256 px, and shrink with the crop; `text` and `numbers` are the readings of the errata.",
        markdown(head, rows),
        _claims(identity_dp_claims.comparison(result)),
        f"Table I, {REPORTED} (CelebA-HQ, 256 px; PSR by Microsoft Azure Face):",
        _reported(paper["table1"]),
        f"Table II, {REPORTED} (CelebA); nothing of it is measured here but identity-dp's rows above:",
        _reported(paper["table2"]),
    ]
    return "\n\n".join(parts)


def _pairs(result: dict[str, Any]) -> str:
    judged = list(result["rows"][0]["true_acceptance"])
    head = ["method", "ε (basis)", *(f"true acceptance, {name}" for name in judged), "Fréchet"]
    rows = []
    for row in result["rows"]:
        rates = [f"{m:.3f} ± {s:.3f}" for m, s in (row["true_acceptance"][name] for name in judged)]
        rows.append([_name(row), _epsilon(row.get("of_a_release")), *rates, shown_distances(row)])
    paper = []
    for row in result["paper"]["table3"]:
        rates = [f"{m:.3f} ± {s:.3f}" for m, s in (row[name] for name in FACENETS)]
        paper.append([row["method"], row["setting"], *rates, f"{row['fid']:.4f}"])
    counts = result["pairs"]
    parts = [
        f"{_material(result)} Recognisers: {', '.join(judged)}.{_lacking(result)}",
        f"{counts['same']} pairs of one person and {counts['different']} of two people, in {counts['folds']} folds that share "
        f"nobody; the second photo of a pair is protected; the threshold of each fold is that at which the others' pairs show "
        f"a false acceptance rate of {result['far']:g}. Mean and deviation over folds.",
        markdown(head, rows),
        _claims(identity_dp_claims.pairs(result)),
        f"Table III, {REPORTED} (LFW; FaceNet):",
        markdown(["method", "setting", "CASIA", "VGGFace2", "FID"], paper),
    ]
    return "\n\n".join(parts)


def _evaluation(result: dict[str, Any]) -> str:
    found = mean(result["source"], "face_detected")
    assert found is not None
    rows, head = [_row(row, found.value) for row in result["rows"]], _head(result["rows"][0]["images"])
    if result["pairs"]:
        judged = list(result["rows"][0]["true_acceptance"])
        head += [f"true acceptance, {name}" for name in judged]
        for cells, row in zip(rows, result["rows"], strict=True):
            for rate in map(row["true_acceptance"].get, judged):
                cells.append(NOT_MEASURED if rate is None else f"{rate[0]:.3f} ± {rate[1]:.3f}")
    kept = [(_name(row), row["kept"]) for row in result["rows"] if "kept" in row]
    return "\n\n".join([_about(result), markdown(head, rows), *([utility_table(kept)] if kept else [])])


def _row(row: dict[str, Any], source_rate: float) -> list[str]:
    images = row["images"]
    cells = _cells(images, _metrics(images))
    rate = mean(images, "face_detected")
    ratio = "" if rate is None or not source_rate else f"{rate.value / source_rate:.3f}"
    return [_name(row), _epsilon(row.get("of_a_release")), *cells, ratio, shown_distances(images)]


def _head(columns: Iterable[str]) -> list[str]:
    return ["method", "ε (basis)", *map(_column, _metrics(columns)), "of the photos'", "Fréchet"]


def _metrics(columns: Iterable[str]) -> list[str]:
    """What a row of Table I shows: every recogniser's distance and verdict, then the rest."""
    names = list(columns)
    alone = [name for name in names if name.startswith("protected ")]
    sharp = [name for name in names if name == "sharpness"]  # results of earlier versions have none
    return [*_distances(names), *alone, "psr", "psnr", "ssim", *sharp, "face_detected"]


def _reported(rows: Sequence[dict[str, Any]]) -> str:
    cells = [[row["method"], row["setting"], *(f"{row[name]:g}" for name in COLUMNS)] for row in rows]
    return markdown(["method", "setting", "distance, CASIA", "distance, VGGFace2", "PSR", "PSNR", "SSIM", "FDR"], cells)


def _about(result: dict[str, Any]) -> str:
    thresholds = "; ".join(
        f"{name} accepts from {card['threshold']:.4g} ({card['threshold_from']})"
        for name, card in result["config"]["verifiers"].items()
    )
    words = f"{_material(result)} {judges(result)}; {thresholds}.{_lacking(result)}"
    return f"{words} Mean over photos with a 95 % bootstrap interval."


def _material(result: dict[str, Any]) -> str:
    """Photos and model."""
    config = result["config"]
    model = config["model"]
    description = config["photos"]["description"]
    return f"{description}; model {model['name']} (`{model['digest'][:12]}`), d = {model['dimension']}."


def _lacking(result: dict[str, Any]) -> str:
    absent = ", ".join(result["config"]["facenets_missing"])
    return f" Not measured, for want of weights: {absent}." if absent else ""


def _others(result: dict[str, Any]) -> str:
    return ", ".join(f"{name.removeprefix('identity_distance ')} {value}" for name, value in result["other_people"].items())


def _distances(columns: Iterable[str]) -> list[str]:
    return [name for name in columns if name.startswith("identity_distance ")]


def _column(metric: str) -> str:
    """A metric as a column's head."""
    words = {"psr": "PSR", "psnr": "PSNR", "ssim": "SSIM", "face_detected": "face found"}
    return words.get(metric, metric.replace("identity_distance ", "distance, ").replace("protected ", "PSR, "))


def _name(row: dict[str, Any]) -> str:
    return row_name(row).replace("$\\epsilon$", "nominal ε")


def _cells(columns: dict[str, Any], metrics: Sequence[str]) -> list[str]:
    found = [mean(columns, metric) for metric in metrics]
    return [NOT_MEASURED if value is None else str(value) for value in found]


def _epsilon(guarantee: dict[str, Any] | None) -> str:
    if guarantee is None or guarantee["epsilon"] is None:
        return "none"
    rounded = float(f"{guarantee['epsilon']:.4g}")
    return f"{number(rounded)} ({guarantee['basis']}; the identity alone)"


def _claims(claims: Iterable[Claim]) -> str:
    return markdown(["The paper's text, or our aim", "Here", ""], [[claim.text, claim.ours, claim.verdict] for claim in claims])


IDENTITY_DP_TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "identity-dp/trade-off": _trade_off,
    "identity-dp/comparison": _comparison,
    "identity-dp/pairs": _pairs,
    "identity-dp/evaluation": _evaluation,
}
