# SPDX-License-Identifier: Apache-2.0
"""Driver of all experiments: measure or reuse, write JSON, draw figures, print tables."""

import re
from pathlib import Path

from semveil.core.errors import SemveilError
from semveil.core.files import write_whole
from semveil.core.progress import Note, Progress, quiet, unheard
from semveil.core.results import read_result
from semveil.experiments.kit.experiment import Result, Run, find, of_result
from semveil.experiments.kit.keeping import Kept, is_outdated
from semveil.experiments.kit.plots import finish, styled

PHOTOGRAPHS_DPI = 72  # low, as photographs do not compress and the files are committed
OUTDATED = (
    "**Outdated**: measured with an earlier revision of this experiment, as `results/README.md` says; to be "
    "re-measured."
)


def reproduce(
    figure: str,
    preset: str,
    out: Path,
    *,
    data: Path | None = None,
    model: str | None = None,
    verifier: str | None = None,
    progress: Progress = quiet,
    note: Note = unheard,
) -> Path:
    """Measure the result that a figure shows, write its JSON to a folder, and draw the figure.

    An existing result with the same key is drawn without measuring again, see `keeping`; an interrupted run
    is resumed.

    Args:
        figure: such as `dp-semcom/fig3`.
        preset: one of the experiment's presets, usually `smoke`, `small` or `paper`.
        out: folder of the results, created if missing. With `data`, figures that show faces write photos into
            it.
        data: path of the held-out photos, see `photo_sets.held_out_photos`, or of other data that the
            experiment requires; None for public images where the preset allows them.
        model: name or folder of a model; None for the preset's.
        verifier: recogniser, or several separated by commas; None for the preset's.
        progress: progress callback.
        note: receives a line if the folder holds a result of other inputs, before it is replaced.

    Returns:
        The path of the figure (PNG); of the JSON if the result has no figures.

    Raises:
        ValueError: no such figure, preset, model or verifier.
        DataMissing: the preset needs `data`, or there are no such photos.
        WeightsMissing: weights that the preset requires are not installed.
    """
    experiment, out = find(figure), Path(out)
    if experiment.load is None or experiment.measure is None:
        raise ValueError(
            f"{figure} cannot be measured by this command, only redrawn from an {experiment.file} written by "
            "another command"
        )
    chosen = experiment.presets[preset]
    run = Run(
        figure.rpartition("/")[2], chosen, out, None if data is None else Path(data), model, verifier,
        progress,
    )  # fmt: skip
    inputs = experiment.load(run)
    out.mkdir(parents=True, exist_ok=True)
    paper = {} if experiment.paper is None else {"paper": dict(experiment.paper)}
    path = out / experiment.file
    kept = Kept(path, experiment.measurement, config=inputs.config, head={**inputs.head, **paper})
    if kept.replaced:
        note(
            f"{str(path)!r} was measured with other inputs ({', '.join(kept.replaced)}) and is replaced as "
            "soon as something is measured; stop now and name another --out to keep it"
        )
    experiment.measure(inputs, kept, run)
    return draw(path, figure)


def draw(path: Path, figure: str) -> Path:
    """Draw one figure of a result from its JSON and the images that the JSON names.

    Args:
        path: path of the JSON.
        figure: such as `dp-semcom/fig3`.

    Returns:
        The path of the PNG next to the JSON; of the JSON if the result has no figures.
    """
    experiment, name = find(figure), figure.rpartition("/")[2]
    if not experiment.figures:
        return path
    picture = styled(lambda: experiment.figures[name](read_result(path), path.parent))
    dpi = PHOTOGRAPHS_DPI if name in experiment.photographs else 150
    return finish(picture, path.with_name(f"{name}.png"), dpi=dpi)


def tables(result: Result) -> str:
    """Return the tables of a result as Markdown, with a notice if it is outdated.

    Args:
        result: content of a result file.

    Raises:
        ValueError: the experiment has no tables.
    """
    experiment = of_result(result)
    if experiment.table is None:
        raise ValueError(f"experiment {experiment.name!r} has no tables")
    told = experiment.table(result)
    text = told if isinstance(told, str) else "\n\n".join(told)
    return f"{OUTDATED}\n\n{text}" if is_outdated(result) else text


def publish(path: Path, page: Path) -> None:
    """Write the tables of a result file into a Markdown page, see `fill`.

    Args:
        path: path of the JSON; its stem is the name in the markers.
        page: path of the page.

    Raises:
        SemveilError: the page has no such markers.
        ValueError: the experiment has no tables.
    """
    text = tables(read_result(path))
    write_whole(page, fill(page.read_text(encoding="utf-8"), path.stem, text))


def fill(page: str, name: str, text: str) -> str:
    """Put tables between the markers `<!-- tables: NAME -->` and `<!-- end -->` of a page.

    Args:
        page: text of the page in Markdown.
        name: NAME in the first marker.
        text: the tables, which replace everything between the markers.

    Raises:
        SemveilError: the page has no such markers.

    Example:
        >>> fill("<!-- tables: a -->\\nold\\n<!-- end -->", "a", "new")
        '<!-- tables: a -->\\nnew\\n<!-- end -->'
    """
    pattern = re.compile(rf"(<!-- tables: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(page):
        raise SemveilError(
            f"the page has no '<!-- tables: {name} -->' followed by '<!-- end -->'; add both where the table "
            "belongs"
        )
    return pattern.sub(lambda found: f"{found[1]}{text.strip()}\n{found[2]}", page)


def judged(path: Path) -> list[dict[str, str]]:
    """Return the claims about a result file with our values and verdicts, in words.

    Args:
        path: path of the JSON.

    Returns:
        For each claim `text`, `ours` and `verdict`; an empty list if the experiment has no claims.
    """
    result = read_result(path)
    claims = of_result(result).claims
    told = () if claims is None else claims(result)
    return [{"text": claim.text, "ours": claim.ours, "verdict": claim.verdict} for claim in told]
