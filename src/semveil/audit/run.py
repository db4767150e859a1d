# SPDX-License-Identifier: Apache-2.0
"""Audit: all games of the requested targets at several claimed budgets."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from semveil.audit import DRAWS, FALSE_ALARM, Finding, TrainingGame, play, play_training
from semveil.audit.journal import Journal, sources_digest
from semveil.audit.target import AnyGame, Target, targets
from semveil.core.provenance import commit, versions
from semveil.core.registry import Registry
from semveil.models.face import DEFAULT_MODEL, load_model

EPSILONS = (0.1, 1.0, 5.0)


def choose(names: Sequence[str], available: Registry[Target]) -> list[str]:
    """Resolve target names; a prefix before the slash, such as `release`, selects all of its targets.

    Args:
        names: targets or prefixes; empty for all.
        available: registry returned by `targets`.

    Returns:
        Names without repetition, in the order of the request.

    Raises:
        ValueError: a name is neither a target nor a prefix.

    Example:
        >>> choose(["dp-semcom/rotation", "modulo"], targets())
        ['dp-semcom/rotation', 'modulo']
    """
    chosen: list[str] = []
    for name in names or list(available):
        group = [target for target in available if target.startswith(f"{name}/")]
        if not group:
            available[name]  # raises with a suggestion
        chosen += [target for target in (group or [name]) if target not in chosen]
    return chosen


def audit(
    names: Sequence[str] = (),
    *,
    epsilons: Sequence[float] = EPSILONS,
    draws: int = DRAWS,
    model: str = DEFAULT_MODEL,
    unfinished: Path | None = None,
    finished: Callable[[dict[str, Any]], None] | None = None,
    progress: Callable[..., None] = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Play the games of the targets at the claimed budgets.

    Args:
        names: of targets or groups; empty for all.
        epsilons: claimed budgets, positive; targets without a budget play once.
        draws: number of draws of each input for single numbers; costlier games play a stated fraction.
        model: name or folder of the face model for whole methods.
        unfinished: journal file that stores findings as they are produced; findings of the same audit already
            in it are not played again. It is deleted at the end.
        finished: callback that receives the result, to write it before the journal is deleted.
        progress: callback with the game played, the number of draws done and their total.

    Returns:
        JSON-ready: settings, versions, and the finding of every game.
    """
    available = targets(model)
    chosen = choose(names, available)
    config = {"draws": draws, "model": model, "false_alarm_probability_of_each": FALSE_ALARM}
    known = {
        **config,
        "model_digest": load_model(model).digest,
        "versions": versions(),
        "sources": sources_digest(),
    }
    journal = None if unfinished is None else Journal(unfinished, known)
    findings = []
    for name in chosen:
        target = available[name]
        for epsilon in target.budgets(epsilons):
            for game in target.games(epsilon):
                stage = f"{name}, {game.pair}" + ("" if epsilon is None else f", epsilon {epsilon:g}")
                found = None if journal is None else journal.get(stage)
                if found is None:
                    finding = _played(game, draws, partial(progress, stage))
                    found = {"asked_epsilon": epsilon, **finding.as_dict()}
                    if journal is not None:
                        journal.add(stage, found)
                findings.append(found)
    result = {
        "experiment": "audit",
        "config": config,
        "versions": versions(),
        "commit": commit(),
        "alarms": sum(found["alarm"] for found in findings),
        "cpu_seconds": round(sum(found["cpu_seconds"] for found in findings), 1),
        "findings": findings,
    }
    if finished:
        finished(result)
    if journal is not None:
        journal.finish()
    return result


def _played(game: AnyGame, draws: int, progress: Callable[[int, int], None]) -> Finding:
    if isinstance(game, TrainingGame):
        return play_training(game, progress=progress)
    return play(game, draws=draws, progress=progress)
