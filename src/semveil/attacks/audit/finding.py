"""The outcome of a distinguishing game, and the verdict that follows from it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from semveil.core.privacy import Basis, Guarantee


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
        visible: the largest epsilon that these draws could have forced, if they had separated the inputs perfectly.
        separated: every counted draw told its input.
        constant: all draws of an input were one and the same, and the two differed.
        event: the event that forces `lower`, in words; None where none forces anything.
        hits: counted draws in that event, from the likelier input and from the other.
        caught_factor: the smallest tried factor by which noise could be too small and the same test would call it violated;
            None where no factor was caught, or none could be tried.
        factors: those that were tried.
    """

    target: str
    pair: str
    claim: Guarantee
    draws: int
    counted: int
    false_alarm: float
    lower: float
    visible: float
    separated: bool
    constant: bool
    event: str | None
    hits: tuple[int, int] | None
    caught_factor: float | None
    factors: tuple[float, ...]

    @property
    def verdict(self) -> Verdict:
        """`violated` and `no finite epsilon` are proved by the draws; `pass` only says that this test found nothing."""
        epsilon = self.claim.epsilon
        if epsilon is None:
            return Verdict.NO_FINITE_EPSILON if self.separated else Verdict.NOT_TESTABLE
        if self.lower > epsilon or self.constant:
            return Verdict.VIOLATED
        blind = bool(self.factors) and self.caught_factor is None
        return Verdict.NOT_TESTABLE if epsilon >= self.visible or blind else Verdict.PASS

    @property
    def remark(self) -> str:
        """Why the verdict is what it is, where the numbers alone do not say it."""
        epsilon = self.claim.epsilon
        match self.verdict:
            case Verdict.NOT_TESTABLE if epsilon is None:
                return "no epsilon is claimed, and the draws do not always tell the inputs apart"
            case Verdict.NOT_TESTABLE if epsilon is not None and epsilon >= self.visible:
                return f"{self.counted} counted draws cannot show more than epsilon {self.visible:.3g}"
            case Verdict.NOT_TESTABLE:
                return f"the test would not have noticed noise {max(self.factors):g} times too small either"
            case Verdict.VIOLATED if self.constant:
                return "the output is always the same for one input, and another for the other"
            case Verdict.VIOLATED if self.claim.basis == Basis.SIMULATION:
                return "the claim is for ideal noise (basis: simulation); what is drawn here does not keep it"
            case Verdict.NO_FINITE_EPSILON:
                return "every draw told its input: no finite epsilon, as the protection itself says"
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
            "epsilon_lower_bound": self.lower,
            "largest_visible_epsilon": self.visible,
            "notices_noise_too_small_by": self.caught_factor,
            "draws_per_input": self.draws,
            "counted_draws_per_input": self.counted,
            "false_alarm_probability": self.false_alarm,
            "event": self.event,
            "hits": None if self.hits is None else list(self.hits),
            "remark": self.remark or None,
        }
