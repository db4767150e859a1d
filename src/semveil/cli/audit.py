"""`semveil audit`: lower bounds on epsilon by distinguishing games."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semveil.cli import options
from semveil.cli.console import make_table, show, stages

if TYPE_CHECKING:
    from semveil.attacks.audit import Finding

FEWEST_DRAWS = 2_000


def audit(
    everything: Annotated[bool, typer.Option("--all", help="Every registered mechanism and method.")] = False,
    mechanism: Annotated[
        list[str] | None,
        typer.Option(help="What to audit: laplace, release/gaussian, rotation, dp-semcom, ...; repeatable.", metavar="NAME"),
    ] = None,
    epsilon: Annotated[str, typer.Option(help="Claimed budgets.", metavar="E,E,...")] = "0.1,1,5",
    draws: Annotated[
        int, typer.Option(help="Draws of each input for single numbers; costlier outputs get a share.", metavar="N")
    ] = 1_000_000,
    model: options.Model = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.", metavar="FILE.json")] = None,
    as_json: options.Json = False,
) -> None:
    """Try to refute privacy claims: tell from an output which of two inputs it came from.

    `pass` says that these draws refute nothing, up to the largest visible epsilon; a claim beyond it is `not testable`.
    The exit code is 1 where a proved or computational claim is refuted.

    Example: semveil audit --mechanism release/laplace --epsilon 1 --draws 100000
    """
    if everything == bool(mechanism):
        raise options.OptionError("say what to audit: --all, or --mechanism NAME")
    budgets = _budgets(epsilon)
    if draws < FEWEST_DRAWS:
        raise options.OptionError(f"--draws must be at least {FEWEST_DRAWS}, got {draws}")
    if out is not None:
        options.check_output_file(out)

    from semveil.cli.parties import default_model
    from semveil.core.results import write_result
    from semveil.experiments.audit import as_result, audit

    name = model or default_model()
    with stages(quiet=as_json) as advance:
        found = audit(mechanism or (), epsilons=budgets, draws=draws, model=name, progress=advance)
    result = as_result(found, draws=draws, model=name)
    if out is not None:
        write_result(out, result)
    verdicts = [finding.verdict.value for _, finding in found]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    lines = [f"{len(found)} games: {counts}. False alarms: at most {found[0][1].false_alarm:g} each."]
    lines += [f"REFUTED: {f.target}, {f.pair}, claimed on basis {f.claim.basis.value}." for _, f in found if f.alarm]
    show(result, [*lines, *([f"Written: {out}."] if out else [])], as_json=as_json, table=_table([f for _, f in found]))
    if result["alarms"]:
        raise typer.Exit(1)


def _budgets(text: str) -> list[float]:
    try:
        budgets = [float(word) for word in text.split(",")]
    except ValueError:
        raise options.OptionError(f"--epsilon takes numbers such as 0.1,1,5, got {text!r}") from None
    if not all(math.isfinite(e) and e > 0 for e in budgets):
        raise options.OptionError(f"claimed budgets must be finite and positive, got {text!r}")
    return budgets


def _table(found: "list[Finding]") -> object:
    rows = [
        (
            f.target,
            f.pair,
            _claim(f),
            f.claim.basis.value,
            f.lower,
            f.visible,
            None if f.caught_factor is None else f"1/{f.caught_factor:g}",
            f.draws,
            f.verdict.value,
        )
        for f in found
    ]
    columns = ["target", "inputs", "claim (ε, δ)", "basis", "ε ≥", "visible to", "notices noise x", "draws", "verdict"]
    return make_table(columns, rows)


def _claim(finding: "Finding") -> str:
    claim = finding.claim
    if claim.epsilon is None:
        return "none"
    return f"{claim.epsilon:.4g}" + (f", {claim.delta:.1g}" if claim.delta else "")
