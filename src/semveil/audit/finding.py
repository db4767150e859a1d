# SPDX-License-Identifier: Apache-2.0
"""The outcome of a distinguishing game, and its verdict."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from semveil.audit.fit import Fit
from semveil.audit.power import POWER, Power
from semveil.privacy.guarantee import Basis, Guarantee

GAME, FIT = "distinguishing game", "goodness of fit"


class Verdict(StrEnum):
    """What a game says about a claim."""

    PASS = "pass"
    VIOLATED = "violated"
    NOT_TESTABLE = "not testable"
    NO_FINITE_EPSILON = "no finite epsilon"


@dataclass(frozen=True)
class Finding:
    """A game's outcome.

    Attributes:
        target, pair, claim: as the game has them.
        draws: of each input; `counted` of them gave the bound, the others chose the events.
        false_alarm: probability at most with which a true claim is called violated.
        lower: epsilon that the draws force, at the claim's delta.
        max_detectable_epsilon: the largest that these draws could have forced, had they separated the inputs
            perfectly.
        separated: every counted draw told its input.
        event: the event that forces `lower`, in words; None where none forces anything.
        hits: counted draws in that event, from the likelier input and from the other.
        fit: how the outputs fit the claimed law; None where no law is known, or nothing is claimed.
        powers: how surely each planted fault is caught by as many draws.
        cpu_seconds: processor time of the game, with its faults.
    """

    target: str
    pair: str
    claim: Guarantee
    draws: int
    counted: int
    false_alarm: float
    lower: float
    max_detectable_epsilon: float
    separated: bool
    event: str | None
    hits: tuple[int, int] | None
    fit: Fit | None = None
    powers: tuple[Power, ...] = ()
    cpu_seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """`violated` and `no finite epsilon` are proved by the draws, but for the false alarms.

        `pass` says that nothing was found, and that a fault that doubles epsilon would have been, in 19 of 20
        runs.
        """
        epsilon = self.claim.epsilon
        if epsilon is None:
            return Verdict.NO_FINITE_EPSILON if self.separated else Verdict.NOT_TESTABLE
        if self.lower > epsilon or (self.fit is not None and self.fit.refuted):
            return Verdict.VIOLATED
        return (
            Verdict.PASS
            if self.powers and all(power.caught for power in self.powers)
            else Verdict.NOT_TESTABLE
        )

    @property
    def carried_by(self) -> str | None:
        """The test whose power a `pass` rests on, or that refuted the claim: the game alone where it suffices."""
        if self.verdict == Verdict.VIOLATED:
            assert self.claim.epsilon is not None
            return GAME if self.lower > self.claim.epsilon else FIT
        if self.verdict != Verdict.PASS:
            return None
        if all(power.by_game >= POWER for power in self.powers):
            return GAME
        return FIT if all((power.by_fit or 0.0) >= POWER for power in self.powers) else f"{GAME} and {FIT}"

    @property
    def remark(self) -> str:
        """Why the verdict is what it is, where the numbers alone do not say it."""
        epsilon = self.claim.epsilon
        match self.verdict:
            case Verdict.NOT_TESTABLE if epsilon is None:
                return "no epsilon is claimed, and not every output identifies its input"
            case Verdict.NOT_TESTABLE:
                missed = [power.fault for power in self.powers if not power.caught]
                return (
                    f"insufficient power at this number of draws to detect: {', '.join(missed)}"
                    if missed
                    else "no fault was planted"
                )
            case Verdict.VIOLATED if self.claim.basis == Basis.SIMULATION:
                return "the claim holds for ideal noise (basis: simulation); the simulated samples violate it"
            case Verdict.VIOLATED if self.carried_by == FIT and self.fit is not None:
                return f"the outputs do not follow {self.fit.law}: {self.fit.statistic}"
            case Verdict.NO_FINITE_EPSILON:
                return "every output identifies its input: no finite epsilon, as the protection states"
        return ""

    @property
    def alarm(self) -> bool:
        """A claim that people may rely on is refuted."""
        return self.verdict == Verdict.VIOLATED and self.claim.basis in (Basis.PROVED, Basis.COMPUTATIONAL)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "target": self.target,
            "pair": self.pair,
            "claimed_epsilon": self.claim.epsilon,
            "claimed_delta": self.claim.delta,
            "basis": self.claim.basis.value,
            "verdict": self.verdict.value,
            "alarm": self.alarm,
            "carried_by": self.carried_by,
            "epsilon_lower_bound": self.lower,
            "max_detectable_epsilon": self.max_detectable_epsilon,
            "draws_per_input": self.draws,
            "counted_draws_per_input": self.counted,
            "false_alarm_probability": self.false_alarm,
            "event": self.event,
            "hits": None if self.hits is None else list(self.hits),
            "fit": self.fit
            and {
                "law": self.fit.law,
                "draws_per_input": self.fit.draws,
                "statistic": self.fit.statistic,
                "distance": self.fit.distance,
                "critical_distance": self.fit.critical,
            },
            "power": {
                power.fault: {"distinguishing_game": power.by_game, "goodness_of_fit": power.by_fit}
                for power in self.powers
            },
            "remark": self.remark or None,
            "cpu_seconds": round(self.cpu_seconds, 2),
        }
