"""Draw identity-dp's figures from their JSON alone, and the pictures that it names."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semveil.core.registry import Registry
from semveil.core.results import read_result
from semveil.experiments.identity_dp.presets import LITERAL, OURS, PUBLISHED
from semveil.experiments.kit.axes import legend, line, mean
from semveil.experiments.kit.picture_grid import Cell, draw_pictures
from semveil.experiments.kit.style import COLOURS, finish, styled

FACES = ("fig6", "fig7", "fig8", "fig10", "fig11")
FACES_DPI = 72  # photographs do not compress; these files are kept in the repository
LOOKS = {
    PUBLISHED: {"color": COLOURS["eve"], "marker": "s"},
    LITERAL: {"color": COLOURS["eve"], "marker": "x", "ls": ":"},
    OURS: {"color": COLOURS["bob"], "marker": "o"},
    "privunit": {"color": COLOURS["paper"], "marker": "^"},
}
PER_ROW = 8  # faces


def draw(path: Path, figure: str) -> Path:
    """Draw one figure of a result file.

    Args:
        path: the JSON of a run; figures that show faces also read the pictures that it names.
        figure: such as `identity-dp/fig4`.

    Returns:
        The PNG, beside the JSON.
    """
    name = figure.rsplit("/", 1)[-1]
    picture = styled(lambda: DRAWINGS[figure](read_result(path), path.parent))
    return finish(picture, path.with_name(f"{name}.png"), dpi=FACES_DPI if name in FACES else 150)


def distance_judge(result: dict[str, Any]) -> str:
    """Whose identity distance is shown: FaceNet's where it was measured, else another's, of unit vectors if there is one."""
    columns = (result.get("reconstructed") or result["rows"][0])["images"]
    judges = [name.removeprefix("identity_distance ") for name in columns if name.startswith("identity_distance ")]
    return min(judges, key=lambda judge: (not judge.startswith("facenet"), judge == "dlib"))


def judges(result: dict[str, Any]) -> str:
    """Who stands in for whom."""
    names = " and ".join(name for name in result["config"]["verifiers"] if name != "bundled")
    judge = distance_judge(result)
    distance = "" if judge.startswith("facenet") else f"; distance by {judge} in place of FaceNet"
    return f"PSR against {names} in place of Microsoft Azure Face{distance}"


def _fig4(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(11.4, 5.4))
    left, right = figure.subplots(1, 2)
    judge = distance_judge(result)
    _over_epsilons(left, result, f"identity_distance {judge}")
    others = result["other_people"][f"identity_distance {judge}"]
    if others is not None:
        left.axhline(others, color=COLOURS["direct"], ls=":", label="other people")
    left.set(ylabel=f"identity distance by {judge}", ylim=(0, None))
    _over_epsilons(right, result, "psr")
    reported = {float(epsilon): rate for epsilon, rate in result["paper"]["psr"].items()}
    theirs = [row for row in result["paper"]["table1"] if row["method"] == "identity-dp"]
    reported |= {float(row["setting"].removeprefix("epsilon ")): row["psr"] for row in theirs}
    right.plot(list(reported), list(reported.values()), "*", ls="", color="#777777", ms=10, label="the paper, by its judge")
    right.set(ylabel="protection success rate (PSR)", ylim=(-0.03, 1.03))
    return _finished(figure, [left, right], result, "Identity protection")


def _fig5(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(14.4, 5.0))
    panels = figure.subplots(1, 3)
    for axes, metric, label in zip(
        panels, ("psnr", "ssim", "face_detected"), ("PSNR (dB)", "SSIM", "share in which dlib finds a face"), strict=True
    ):
        _over_epsilons(axes, result, metric)
        axes.set(ylabel=label)
    source = mean(result["source"], "face_detected")
    if source:
        panels[2].axhline(source.value, color=COLOURS["direct"], ls=":", label="photos")
    panels[2].set(ylim=(0, 1.03))
    return _finished(figure, panels, result, "Image utility")


def _fig6(result: dict[str, Any], folder: Path) -> Figure:
    rows = _by_source(result, folder, lambda record: record["shows"] in ("source", "no noise", "mean distance"))
    draws = f"of {result['config']['preset']['candidates']} draws that at the mean identity distance"
    return draw_pictures(rows, title=f"{OURS}, {draws} ($\\epsilon$ of the identity alone, basis: {_basis(result)})")


def _fig7(result: dict[str, Any], folder: Path) -> Figure:
    rows, labels = [], []
    for reading in dict.fromkeys(record.get("reading") for record in result["images"] if record.get("reading")):

        def shown(record: dict[str, Any], reading: str = reading) -> bool:
            return record["shows"] in ("source", "first draw") or record.get("reading") == reading

        found = _by_source(result, folder, shown)
        rows += found
        labels += [f"read by: {reading}"] * len(found)
    rows = [sorted(row, key=lambda cell: cell[1].startswith("$")) for row in rows]
    title = f"Traditional methods, in two readings, and identity-dp (basis: {_basis(result)})"
    return draw_pictures(rows, row_labels=labels, title=title)


def _fig8(result: dict[str, Any], folder: Path) -> Figure:
    """Rows: photos, other programs' outputs, ours."""
    rows: dict[str, list[Cell]] = {}
    for record in result["pictures"]:
        rows.setdefault(record["shows"], []).append((folder / record["file"], record["source"]))
    return draw_pictures(list(rows.values()), row_labels=list(rows), title="Beside identity-dp")


def _faces(result: dict[str, Any], folder: Path) -> Figure:
    rows: list[list[Cell]] = []
    faces = result["faces"]
    for start in range(0, len(faces), PER_ROW):
        part = faces[start : start + PER_ROW]
        rows += [[(folder / face[key], face["source"]) for face in part] for key in ("source_file", "file")]
    guarantee = result["guarantee"]
    claim = f"$\\epsilon$ {guarantee['epsilon']:g} for {guarantee['covers']}, basis: {guarantee['basis']}"
    return draw_pictures(rows, row_labels=["photos", "protected"] * (len(rows) // 2), title=f"identity-dp ({claim})")


def _table1(result: dict[str, Any], folder: Path) -> Figure:
    return _bars(result, "table1", result["rows"])


def _table2(result: dict[str, Any], folder: Path) -> Figure:
    return _bars(result, "table2", [row for row in result["rows"] if row["method"] == "identity-dp"])


def _table3(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(12.6, 5.6))
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    rows = result["rows"]
    names = [row_name(row) for row in rows]
    found = list(rows[0]["true_acceptance"])
    width = 0.8 / len(found)
    for k, judge in enumerate(found):
        values = [row["true_acceptance"][judge] for row in rows]
        at = [i + (k - (len(found) - 1) / 2) * width for i in range(len(rows))]
        left.bar(at, [v[0] for v in values], width, yerr=[v[1] for v in values], color=COLOURS["series"][k], label=judge)
    for k, theirs in enumerate(row for row in result["paper"]["table3"] if row["method"] == "identity-dp"):
        label = f"the paper, {theirs['setting']}, FaceNet (VGGFace2)"
        left.axhline(theirs["facenet-vggface2"][0], color="#777777", ls="--" if k else ":", label=label)
    left.set(ylim=(0, 1.03), title=f"true acceptance at a false one of {result['far']:g}; bars: deviation over folds")
    metric = next((row["frechet_metric"] for row in rows if row["frechet"] is not None), "no features on this machine")
    right.bar(range(len(rows)), [row["frechet"] or 0 for row in rows], color=COLOURS["bob"])
    right.set(title=f"Fréchet distance ({metric})")
    for axes in (left, right):
        axes.set_xticks(range(len(rows)), names, rotation=25, ha="right")
    legend(figure, [left])
    counts = result["pairs"]
    figure.suptitle(
        f"{_about(result)}\n{counts['same']} pairs of one person, {counts['different']} of two, in {counts['folds']} folds"
    )
    return figure


def row_name(row: dict[str, Any]) -> str:
    """What a row is called.

    Example:
        >>> row_name({"method": "blur", "amount": 7.0, "reading": "text"})
        'blur 7, text'
        >>> row_name({"method": "identity-dp", "setting": "privunit", "nominal_epsilon": 6.0})
        'identity-dp, privunit, $\\\\epsilon$ 6'
    """
    if "reading" in row:
        return f"{row['method']} {row['amount']:g}, {row['reading']}"
    name = ", ".join(part for part in (row["method"], row.get("setting")) if part)
    return name if row.get("nominal_epsilon") is None else f"{name}, $\\epsilon$ {row['nominal_epsilon']:g}"


def _bars(result: dict[str, Any], table: str, rows: Sequence[dict[str, Any]]) -> Figure:
    """Bars of every metric: what was measured, then what the paper reports, hollow."""
    figure = Figure(figsize=(15.6, 9.6))
    judge = distance_judge(result)
    panels = {
        f"identity_distance {judge}": f"identity distance ({judge})",
        "psr": "PSR",
        "frechet": "Fréchet distance",
        "psnr": "PSNR (dB)",
        "ssim": "SSIM",
        "face_detected": "face found",
    }
    reported = result["paper"][table]
    names = [*map(row_name, rows), *(" ".join(f"{row['method']} {row['setting']} (paper)".split()) for row in reported)]
    for axes, (metric, label) in zip(figure.subplots(2, 3).flat, panels.items(), strict=True):
        for at, row in enumerate(rows):
            colour = COLOURS["bob"] if row["method"] == "identity-dp" else COLOURS["series"][1]
            if metric == "frechet":
                axes.bar(at, row["images"]["frechet"] or 0, color=colour)
                continue
            found = mean(row["images"], metric)
            if found:
                axes.bar(at, found.value, color=colour)
                axes.errorbar(at, found.value, [[found.value - found.low], [found.high - found.value]], color="#222222")
        for at, theirs in enumerate(reported, len(rows)):
            value = theirs.get("identity_distance facenet-vggface2" if metric.startswith("identity_distance") else metric)
            if value is not None:
                axes.bar(at, value, fill=False, edgecolor="#777777", hatch="//")
        axes.set_xticks(range(len(names)), names, rotation=70, ha="right", fontsize=7)
        axes.set(title=label)
    note = "hatched: as reported by the paper, whose distance is FaceNet's (VGGFace2)"
    figure.suptitle(f"{_about(result)}\n{judges(result)}\n{note}")
    return figure


def _over_epsilons(axes: Axes, result: dict[str, Any], metric: str) -> None:
    for how, look in LOOKS.items():
        points = [point for point in result["points"] if point["perturbation"] == how]
        if points:
            epsilons = [point["nominal_epsilon"] for point in points]
            line(axes, epsilons, [point["images"] for point in points], metric, label=how, **look)
    plain = mean(result["reconstructed"]["images"], metric)
    if plain:
        axes.axhline(plain.value, color=COLOURS["inverted"], ls=":", label="no noise")
    axes.set(xscale="log", xlabel="nominal $\\epsilon$ of the identity vector; attributes in clear")


def _finished(figure: Figure, panels: Sequence[Axes], result: dict[str, Any], what: str) -> Figure:
    legend(figure, panels)
    figure.suptitle(f"{what}: {_about(result)}\n{judges(result)}")
    return figure


def _by_source(result: dict[str, Any], folder: Path, chosen: Callable[[dict[str, Any]], bool]) -> list[list[Cell]]:
    rows: dict[str, list[Cell]] = {}
    for record in result["images"]:
        if chosen(record):
            rows.setdefault(record["source"], []).append((folder / record["file"], _caption(record)))
    return list(rows.values())


def _caption(record: dict[str, Any]) -> str:
    if "nominal_epsilon" in record:
        return f"$\\epsilon$ {record['nominal_epsilon']:g}"
    return record["shows"] + (f" {record['amount']:g}" if "amount" in record else "")


def _basis(result: dict[str, Any]) -> str:
    return next(record["guarantee"]["basis"] for record in result["images"] if "guarantee" in record)


def _about(result: dict[str, Any]) -> str:
    config = result["config"]
    return f"{config['photos']['count']} photos, {config['model']['name']} (d = {config['model']['dimension']})"


DRAWINGS: Registry[Callable[[dict[str, Any], Path], Figure]] = Registry("figure")
for _name, _drawing in (
    ("fig4", _fig4),
    ("fig5", _fig5),
    ("fig6", _fig6),
    ("fig7", _fig7),
    ("fig8", _fig8),
    ("fig10", _faces),
    ("fig11", _faces),
    ("table1", _table1),
    ("table2", _table2),
    ("table3", _table3),
):
    DRAWINGS.add(f"identity-dp/{_name}", _drawing)
