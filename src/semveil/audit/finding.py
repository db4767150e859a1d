# SPDX-License-Identifier: Apache-2.0
"""Outcome of a distinguishing game, with its verdict."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from semveil.audit.fit import Fit
from semveil.audit.power import POWER, Power
from semveil.privacy.guarantee import Basis, Guarantee

GAME, FIT = "distinguishing game", "goodness of fit"


class Verdict(StrEnum):
    """Verdict of a game on a claim."""

    PASS = "pass"
    VIOLATED = "violated"
    NOT_TESTABLE = "not testable"
    NO_FINITE_EPSILON = "no finite epsilon"


@dataclass(frozen=True)
class Finding:
    """Outcome of a game.

    Attributes:
        target, pair, claim: as in the game.
        draws: number of draws of each input; `counted` of them gave the bound, the others selected the
            events.
        false_alarm: upper bound on the probability that a true claim is reported as violated.
        lower: lower bound on epsilon at the claim's delta.
        max_detectable_epsilon: largest bound that these draws could give, had they separated the inputs
            perfectly.
        separated: whether every counted draw identified its input.
        event: the event that gives `lower`, in words; None if `lower` is 0.
        hits: counted draws in that event, from the likelier input and from the other.
        fit: fit of the outputs to the claimed law; None where no law is known, or nothing is claimed.
        powers: power of as many draws against each planted fault.
        cpu_seconds: processor time of the game, including its faults.
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
        """Verdict on the claim.

        `violated` and `no finite epsilon` are proved by the draws, up to false alarms. `pass` means that no
        violation was found although a fault that doubles epsilon would have been detected in 19 of 20 runs.
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
        """Test that refuted the claim, or on whose power a `pass` rests.

        For a `pass` it is the game alone if its power suffices. None for other verdicts.
        """
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
        """Reason for the verdict where the numbers alone do not give it."""
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
        """Whether a proved or computational claim is refuted."""
        return self.verdict == Verdict.VIOLATED and self.claim.basis in (Basis.PROVED, Basis.COMPUTATIONAL)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
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
