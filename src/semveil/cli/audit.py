# SPDX-License-Identifier: Apache-2.0
"""`semveil audit`: lower bounds on epsilon by distinguishing games."""

import math
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from semveil.cli import completion, options
from semveil.cli.console import make_table, show, stages, when_interrupted

FEWEST_DRAWS = 2_000


def audit(
    everything: Annotated[
        bool, typer.Option("--all", help="Audit every registered mechanism and method.")
    ] = False,
    mechanism: Annotated[
        list[str] | None,
        typer.Option(
            help=(
                "What to audit: laplace, release/gaussian, rotation, dp-semcom and others; repeat it for "
                "several."
            ),
            metavar="NAME",
            autocompletion=completion.audited,
        ),
    ] = None,
    epsilon: Annotated[str, typer.Option(help="Claimed epsilons to test.", metavar="E,E,...")] = "0.1,1,5",
    draws: Annotated[
        int,
        typer.Option(
            help="Draws of each input for mechanisms of single numbers; costlier outputs get a share.",
            metavar="N",
        ),
    ] = 1_000_000,
    model: options.Model = None,
    device: options.Device = "auto",
    out: Annotated[Path | None, typer.Option(help="JSON file to write.", metavar="FILE.json")] = None,
    as_json: options.Json = False,
) -> None:
    """Try to refute privacy claims by distinguishing games.

    A game tells from an output which of two inputs it came from. 'pass' means that these draws refute
    nothing, while a planted fault that doubles epsilon would be caught in 19 of 20 runs, by the game or by
    the fit of the outputs to their law; otherwise the claim is 'not testable'. With --out an interrupted
    audit goes on where it stopped. The exit code is 1 if a proved or computational claim is refuted.

    Example: semveil audit --mechanism release/laplace --epsilon 1 --draws 100000
    """
    if everything == bool(mechanism):
        raise options.OptionError("say what to audit: --all, or --mechanism NAME")
    budgets = _budgets(epsilon)
    if draws < FEWEST_DRAWS:
        raise options.OptionError(f"--draws must be at least {FEWEST_DRAWS}, got {draws}")
    if out is not None:
        options.check_output_file(out)
    models_there = options.on_device(device)

    from semveil.audit.run import audit
    from semveil.cli.parties import default_model
    from semveil.core.results import write_result

    unfinished = None if out is None else out.with_name(out.name + ".unfinished")
    kept = (
        f"games that are done are kept in {unfinished}; run the same command again to go on"
        if unfinished
        else "nothing is kept without --out FILE.json"
    )
    with when_interrupted(kept), stages(quiet=as_json) as advance, models_there:
        result = audit(
            mechanism or (),
            epsilons=budgets,
            draws=draws,
            model=model or default_model(),
            unfinished=unfinished,
            finished=None if out is None else partial(write_result, out),
            progress=advance,
        )
    findings = result["findings"]
    verdicts = [finding["verdict"] for finding in findings]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    lines = [
        f"{len(findings)} games: {counts}. False alarms: at most {findings[0]['false_alarm_probability']:g} "
        "each."
    ]
    lines += [
        f"REFUTED: {f['target']}, {f['pair']}, claimed on basis {f['basis']}, by the {f['carried_by']}."
        for f in findings
        if f["alarm"]
    ]
    show(result, [*lines, *([f"Written: {out}."] if out else [])], as_json=as_json, table=_table(findings))
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


def _table(findings: list[dict[str, Any]]) -> object:
    rows = [
        (
            f["target"],
            f["pair"],
            _claim(f),
            f["basis"],
            f["epsilon_lower_bound"],
            f["max_detectable_epsilon"],
            _power(f),
            f["draws_per_input"],
            f["verdict"],
            f["carried_by"] or "",
        )
        for f in findings
    ]
    columns = [
        "target",
        "inputs",
        "claim (ε, δ)",
        "basis",
        "ε ≥",
        "detects to",
        "power",
        "draws",
        "verdict",
        "by",
    ]
    return make_table(columns, rows)


def _claim(finding: dict[str, Any]) -> str:
    from semveil.core.rounding import text_above
    from semveil.privacy.strength import in_a_word

    epsilon, delta = finding["claimed_epsilon"], finding["claimed_delta"]
    if epsilon is None:
        return "none"
    return (
        f"{text_above(epsilon, 4)}{f', {text_above(delta, 1)}' if delta else ''}: "
        f"{in_a_word(epsilon, delta or 0.0)}"
    )


def _power(finding: dict[str, Any]) -> float | None:
    """Power against the planted fault that is hardest to detect."""
    powers = finding["power"].values()
    return min((max(p["distinguishing_game"], p["goodness_of_fit"] or 0.0) for p in powers), default=None)
