# SPDX-License-Identifier: Apache-2.0
"""The audit: play every game there is for what is asked, at several claimed budgets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from semveil.audit import DRAWS, FALSE_ALARM, Finding, Game, TrainingGame, play, play_training
from semveil.audit.games import draws as audit_draws
from semveil.audit.games import groups as audit_groups
from semveil.audit.games import identity as audit_identity
from semveil.audit.games import latents as audit_latents
from semveil.audit.games import ledger as audit_ledger
from semveil.audit.games import subspace as audit_subspace
from semveil.audit.games import training as audit_training
from semveil.audit.games.identity import identity_games
from semveil.audit.games.images import image_games
from semveil.audit.games.latents import latent_games
from semveil.audit.games.mechanisms import release_games, simulated_games
from semveil.audit.games.methods import method_games, modulo_games, rotation_games
from semveil.audit.games.sphere import sphere_games, sphere_release_games
from semveil.audit.journal import Journal, sources_digest
from semveil.core.provenance import commit, versions
from semveil.core.registry import Registry
from semveil.mechanisms import MECHANISMS, SPHERE_MECHANISMS, ExactMechanism
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.protections import PROTECTIONS
from semveil.methods.registry import image_methods
from semveil.models.face import DEFAULT_MODEL, load_model

EPSILONS = (0.1, 1.0, 5.0)

AnyGame = Game | TrainingGame


@dataclass(frozen=True)
class Target:
    """Something to audit.

    Attributes:
        games: claimed epsilon, or None for none -> games.
        takes_epsilon: a budget can be asked of it.
        goes_without: it also works without one.
    """

    games: Callable[[Any], Sequence[AnyGame]]
    takes_epsilon: bool = True
    goes_without: bool = False

    def budgets(self, epsilons: Sequence[float]) -> list[float | None]:
        """Budgets to audit the target at; None stands for an audit without one.

        Args:
            epsilons: asked for; ignored where the target takes none.
        """
        return [*([None] if self.goes_without else []), *(epsilons if self.takes_epsilon else [])]


def targets(model: str = DEFAULT_MODEL) -> Registry[Target]:
    """All audit targets: registered laws and their releases, keyed protections, dp-semcom with each
    protection, image methods, and what surrounds a release (repeated draws, the ledger, group photos,
    DP-SGD).

    Args:
        model: name or folder of the face model that the games use.
    """
    found: Registry[Target] = Registry("audit target")
    for name, law in MECHANISMS.items():
        found.add(name, Target(partial(simulated_games, name)))
        if isinstance(law.example()[0], ExactMechanism):
            found.add(f"release/{name}", Target(partial(release_games, name)))
    for name in SPHERE_MECHANISMS:
        found.add(f"sphere/{name}", Target(partial(sphere_games, name)))
        found.add(f"release/sphere/{name}", Target(partial(sphere_release_games, name)))
    found.add("rotation", Target(rotation_games, takes_epsilon=False, goes_without=True))
    found.add("modulo", Target(modulo_games, goes_without=True))
    for protection, kind in PROTECTIONS.items():
        found.add(
            f"{DPSemCom.name}/{protection}",
            Target(
                partial(_games_of_method, protection, model),
                takes_epsilon=kind.takes_epsilon and kind.trained is None,
                goes_without=not kind.genuine_noise,
            ),
        )
    for name in audit_latents.VARIANTS:
        own = audit_latents.takes_epsilon(name)
        found.add(name, Target(partial(latent_games, name, model), takes_epsilon=own, goes_without=not own))
    for name in audit_latents.SEARCHED:
        found.add(f"search/{name}", Target(partial(audit_latents.searched_games, name)))
    for name in audit_subspace.VARIANTS:
        found.add(name, Target(partial(audit_subspace.subspace_games, name)))
    for name in audit_identity.VARIANTS:
        own = audit_identity.takes_epsilon(name)
        found.add(name, Target(partial(identity_games, name), takes_epsilon=own, goes_without=not own))
    found.add(audit_training.TARGET, Target(audit_training.training_games))
    found.add(audit_draws.TARGET, Target(audit_draws.draws_games))
    found.add(audit_ledger.TARGET, Target(partial(_games_of_ledger, model)))
    found.add(audit_groups.TARGET, Target(lambda epsilon: audit_groups.group_games(), takes_epsilon=False, goes_without=True))
    played = {name.partition("/")[0] for name in (*audit_latents.VARIANTS, *audit_identity.VARIANTS)}
    for name in image_methods():
        if name in played:
            continue
        found.add(name, Target(partial(_games_of_images, name), takes_epsilon=False, goes_without=True))
    return found


def _games_of_images(name: str, epsilon: None) -> list[Game]:
    return image_games(name)


def _games_of_method(protection: str, model: str, epsilon: float | None) -> list[Game]:
    return method_games(protection, epsilon, load_model(model))


def _games_of_ledger(model: str, epsilon: float) -> list[Game]:
    return audit_ledger.ledger_games(epsilon, load_model(model))


def choose(names: Sequence[str], available: Registry[Target]) -> list[str]:
    """Resolve target names; a prefix before the slash, such as `release`, stands for all of its targets.

    Args:
        names: targets or prefixes; empty for all.
        available: as `targets` gives them.

    Returns:
        Names without repetition, in the order asked for.

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
        names: of targets or groups; all where none is named.
        epsilons: to claim, positive; targets without a budget play once.
        draws: of each input for single numbers; costlier games play a stated share.
        model: for whole methods.
        unfinished: a file where findings are kept as they come; those of the same audit that lie there are not played again.
            It is taken away at the end.
        finished: told of the result before that, to write it.
        progress: told what is played, how many draws are done and how many there are.

    Returns:
        JSON-ready: settings, versions, and the finding of every game.
    """
    available = targets(model)
    chosen = choose(names, available)
    config = {"draws": draws, "model": model, "false_alarm_probability_of_each": FALSE_ALARM}
    known = {**config, "model_digest": load_model(model).digest, "versions": versions(), "sources": sources_digest()}
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
