# SPDX-License-Identifier: Apache-2.0
"""The driver of all experiments: measure or reuse, write JSON, draw figures, print tables."""

import re
from pathlib import Path

from semveil.core.errors import SemveilError
from semveil.core.files import write_whole
from semveil.core.progress import Progress, quiet
from semveil.core.results import read_result
from semveil.experiments.kit.experiment import Result, Run, find, of_result
from semveil.experiments.kit.keeping import Kept, is_outdated
from semveil.experiments.kit.plots import finish, styled

PHOTOGRAPHS_DPI = 72  # photographs do not compress; these files are kept in the repository
OUTDATED = (
    "**Outdated**: measured with an earlier revision of this experiment "
    "([results](../../results/README.md#outdated-results)); to be re-measured."
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
) -> Path:
    """Run what a figure shows, write its JSON into a folder, and draw it from there.

    A result that lies there is drawn and not measured again where its key is the same, see `keeping`; an
    interrupted run goes on.

    Args:
        figure: such as `dp-semcom/fig3`.
        preset: `smoke`, `small`, `paper` or another of the experiment's.
        out: folder of the results; made where it is missing. With `data`, figures that show faces write
            photos into it.
        data: held-out photos, see `photo_sets.held_out_photos`, or what the experiment names; without it,
            public pictures where those will do.
        model: name or folder of a model; the preset's where None.
        verifier: recogniser, or several with commas between them; the preset's where None.
        progress: what is being done, how much is done, how much there is.

    Returns:
        The figure, a PNG; of a result without figures its JSON.

    Raises:
        ValueError: no such figure, preset, model or verifier.
        DataMissing: the preset needs `data`, or there are no such photos.
        WeightsMissing: weights that the preset cannot do without are not on this machine.
    """
    experiment, out = find(figure), Path(out)
    if experiment.load is None or experiment.measure is None:
        raise ValueError(
            f"{figure} cannot be measured by this command, only redrawn from an {experiment.file} written by "
            "another command"
        )
    chosen = experiment.presets[preset]
    run = Run(
        figure.rpartition("/")[2],
        chosen,
        out,
        None if data is None else Path(data),
        model,
        verifier,
        progress,
    )
    inputs = experiment.load(run)
    out.mkdir(parents=True, exist_ok=True)
    paper = {} if experiment.paper is None else {"paper": dict(experiment.paper)}
    path = out / experiment.file
    kept = Kept(path, experiment.measurement, config=inputs.config, head={**inputs.head, **paper})
    experiment.measure(inputs, kept, run)
    return draw(path, figure)


def draw(path: Path, figure: str) -> Path:
    """Draw one figure of a result file, from it and the pictures that it names alone.

    Args:
        path: the JSON.
        figure: such as `dp-semcom/fig3`.

    Returns:
        The PNG, beside the JSON; the JSON itself where the result has no figures.
    """
    experiment, name = find(figure), figure.rpartition("/")[2]
    if not experiment.figures:
        return path
    picture = styled(lambda: experiment.figures[name](read_result(path), path.parent))
    dpi = PHOTOGRAPHS_DPI if name in experiment.photographs else 150
    return finish(picture, path.with_name(f"{name}.png"), dpi=dpi)


def tables(result: Result) -> str:
    """A result as Markdown; one of an older revision says that it is.

    Args:
        result: content of a result file.

    Raises:
        ValueError: no tables are made of this experiment.
    """
    experiment = of_result(result)
    if experiment.table is None:
        raise ValueError(f"experiment {experiment.name!r} has no tables")
    told = experiment.table(result)
    text = told if isinstance(told, str) else "\n\n".join(told)
    return f"{OUTDATED}\n\n{text}" if is_outdated(result) else text


def publish(path: Path, page: Path) -> None:
    """Write the tables of a result file between a page's markers, `<!-- tables: NAME -->` and `<!-- end -->`.

    Args:
        path: the JSON, after which the markers are named.
        page: Markdown.

    Raises:
        SemveilError: the page has no such markers.
        ValueError: no tables are made of this experiment.
    """
    text = tables(read_result(path))
    write_whole(page, fill(page.read_text(encoding="utf-8"), path.stem, text))


def fill(page: str, name: str, text: str) -> str:
    """Put tables between the markers of a page.

    Args:
        page: Markdown.
        name: of the tables, behind `tables:` in the marker before them.
        text: replaces all that stands between the markers.

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
    """What is claimed of a result file, what was measured, and the verdict; nothing where no claims are held against it.

    Args:
        path: of the JSON.

    Returns:
        For each claim `text`, `ours` and `verdict`, in words.
    """
    result = read_result(path)
    claims = of_result(result).claims
    return (
        []
        if claims is None
        else [{"text": claim.text, "ours": claim.ours, "verdict": claim.verdict} for claim in claims(result)]
    )
