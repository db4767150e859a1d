# SPDX-License-Identifier: Apache-2.0
"""Privacy claims as values: sensitivities, guarantees, and their change under post-processing."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from flint import arb

from semveil.core.precision import working_precision
from semveil.core.rounding import PRECISION, float_above, text_above
from semveil.privacy.coverage import Coverage, Part
from semveil.privacy.strength import NO_GUARANTEE, strength


class Norm(StrEnum):
    """Norm of the distance between two records."""

    L1 = "l1"
    L2 = "l2"


class Basis(StrEnum):
    """Basis of an epsilon, strongest first."""

    PROVED = "proved"
    COMPUTATIONAL = "computational"
    OBSERVED_SENSITIVITY = "observed-sensitivity"
    FITTED = "fitted"
    SIMULATION = "simulation"
    NONE = "none"

    @property
    def meaning(self) -> str:
        """Explanation in plain words."""
        return _MEANINGS[self]


_MEANINGS = {
    Basis.PROVED: "holds by proof for the noise that was drawn",
    Basis.COMPUTATIONAL: "holds against adversaries with bounded computing power",
    Basis.OBSERVED_SENSITIVITY: "the sensitivity is a maximum over seen data and bounds nothing unseen",
    Basis.FITTED: "a law fitted to the outputs, which bounds nothing",
    Basis.SIMULATION: "holds for ideal noise; the noise drawn is plain floating point from a seeded stream",
    Basis.NONE: "nothing backs a claim",
}


def weakest(*bases: Basis) -> Basis:
    """Weakest of several bases, that of a claim which depends on all of them.

    Args:
        *bases: at least one.

    Example:
        >>> weakest(Basis.PROVED, Basis.SIMULATION).value
        'simulation'
    """
    return max(bases, key=list(Basis).index)


@dataclass(frozen=True)
class Sensitivity:
    """Largest distance between the values of two records: max ||f(x) - f(x')|| over any two records x, x'.

    Args:
        value: the largest distance, finite and not negative, in the units of f.
        norm: `"l1"` or `"l2"`.
        dimension: number of coordinates of f in the distance.
        source: origin of the value, in words.
        basis: `proved` if it bounds every possible record, `observed-sensitivity` if it is a maximum over
            seen ones.

    Raises:
        ValueError: the value, norm or dimension is out of range.

    Example:
        >>> Sensitivity(10.0, "l2", 4, source="an example").to("l1").value
        20.0
    """

    value: float
    norm: Norm
    dimension: int
    source: str
    basis: Basis = Basis.PROVED

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))
        object.__setattr__(self, "norm", Norm(self.norm))
        object.__setattr__(self, "basis", Basis(self.basis))
        if not (math.isfinite(self.value) and self.value >= 0):
            raise ValueError(
                f"a sensitivity must be finite and >= 0, got {self.value}; clip the values first"
            )
        if self.dimension < 1:
            raise ValueError(f"a sensitivity needs a dimension of at least 1, got {self.dimension}")

    def to(self, norm: Norm | str) -> "Sensitivity":
        """Upper bound in another norm, rounded up: ||x||_1 <= sqrt(n) ||x||_2 and ||x||_2 <= ||x||_1.

        Args:
            norm: `l1` or `l2`.

        Raises:
            ValueError: another norm.
        """
        norm = Norm(norm)
        if norm == self.norm:
            return self
        return replace(
            self,
            value=_root_times_above(self.dimension, self.value) if norm == Norm.L1 else self.value,
            norm=norm,
            source=f"{self.source}; bounded in {norm} from {self.norm}",
        )


@dataclass(frozen=True)
class MetricForm:
    """Metric (distance-bounded) privacy: the loss between two records is at most `rate` times their distance.

    Args:
        rate: loss (nats) per unit of distance, finite and not negative.
        norm: of the distance.
        space: space in which the distance is measured, in words.
    """

    rate: float
    norm: Norm
    space: str = "the clipped values"

    def __post_init__(self) -> None:
        object.__setattr__(self, "norm", Norm(self.norm))
        if not (math.isfinite(self.rate) and self.rate >= 0):
            raise ValueError(
                f"a metric form needs a finite rate >= 0, got {self.rate}; use None where there is no bound"
            )


_UNSAID = Coverage(())  # placeholder until the words are parsed


@dataclass(frozen=True)
class GaussianNoise:
    """Law behind the (epsilon, delta) of Gaussian noise, for exact composition of several releases.

    Args:
        sensitivity: L2, largest distance between the values of any two records.
        sigma: standard deviation of the noise per coordinate, in the same units.
    """

    sensitivity: float
    sigma: float

    def __post_init__(self) -> None:
        if not (
            math.isfinite(self.sensitivity)
            and self.sensitivity >= 0
            and math.isfinite(self.sigma)
            and self.sigma > 0
        ):
            raise ValueError(
                f"Gaussian noise has a finite sensitivity >= 0 and a finite sigma > 0, got {self}"
            )


@dataclass(frozen=True)
class Guarantee:
    """Differential-privacy claim with its basis and conditions.

    For any two records x, x' and any set S of outputs, P[M(x) in S] <= exp(epsilon) P[M(x') in S] + delta;
    the record is one person's photo (local model), and "any two" means replacement.

    Args:
        epsilon: in nats; None where no finite epsilon holds (infinity is stored as None).
        covers: the protected part of the record, in words.
        basis: of the claim. With `fitted` and `none` there is no claim, so epsilon must be None.
        delta: in [0, 1).
        not_covered: parts of the record that the release shows unprotected, in words.
        assumptions: conditions of the claim.
        metric: the claim in metric form, if there is one.
        reason: why there is no finite epsilon; given only where epsilon is None.
        gaussian: law of the noise, if the claim is that of Gaussian noise.
        coverage: `covers` and `not_covered` as values; derived from the words where they are fixed names, and
            set by `about`.

    Raises:
        ValueError: epsilon or delta out of range, or a finite epsilon on a basis that permits none.

    Example:
        >>> Guarantee(1.0, "the skin codes", Basis.PROVED).summary()
        'Covers the skin codes with epsilon 1: strong (basis: proved, holds by proof for the noise that was
        drawn).'
    """

    epsilon: float | None
    covers: str
    basis: Basis
    delta: float = 0.0
    not_covered: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    metric: MetricForm | None = None
    reason: str = ""
    gaussian: GaussianNoise | None = None
    coverage: Coverage = _UNSAID

    def __post_init__(self) -> None:
        object.__setattr__(self, "basis", Basis(self.basis))
        object.__setattr__(self, "not_covered", _as_tuple("not_covered", self.not_covered))
        object.__setattr__(self, "assumptions", _as_tuple("assumptions", self.assumptions))
        if self.epsilon == math.inf:
            object.__setattr__(self, "epsilon", None)
        if self.epsilon is not None and not self.epsilon >= 0:
            raise ValueError(f"epsilon must be >= 0, or None for no finite epsilon; got {self.epsilon}")
        if not 0 <= self.delta < 1:
            raise ValueError(
                f"delta must lie in [0, 1), got {self.delta}; at 1 nothing is claimed: use epsilon None"
            )
        if not self.covers:
            raise ValueError("a guarantee must say what it covers")
        if (self.coverage.words, self.coverage.clear_words) != (self.covers, self.not_covered):
            said = Coverage((Part.of(self.covers),), tuple(map(Part.of, self.not_covered)))
            object.__setattr__(self, "coverage", said)
        if self.gaussian is not None and not self.delta:
            raise ValueError("the claim of Gaussian noise has a delta above 0")
        if self.epsilon is None:
            object.__setattr__(self, "reason", self.reason or "no finite epsilon holds")
            object.__setattr__(self, "gaussian", None)
        elif self.basis in (Basis.FITTED, Basis.NONE):
            raise ValueError(
                f"basis {self.basis.value!r} carries no finite epsilon, got {self.epsilon}; use epsilon None"
            )
        elif self.reason:
            raise ValueError("a reason is given for a missing epsilon only")

    @classmethod
    def none(cls, covers: str, *, reason: str, not_covered: Sequence[str] = ()) -> "Guarantee":
        """Return the guarantee of a release without a provable protection.

        Args:
            covers: the part of the record in question, in words.
            reason: why no finite epsilon holds.
            not_covered: other parts that the release shows, in words.
        """
        return cls(None, covers, Basis.NONE, not_covered=tuple(not_covered), reason=reason)

    def about(self, coverage: Coverage) -> "Guarantee":
        """Return the same claim with a coverage, from which its words are derived.

        Args:
            coverage: protected and unprotected parts of the photo.
        """
        return replace(self, covers=coverage.words, not_covered=coverage.clear_words, coverage=coverage)

    @property
    def whole_record_epsilon(self) -> float | None:
        """Epsilon of the whole photo: that of the covered part, or None if anything is left uncovered."""
        return None if self.not_covered else self.epsilon

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary without infinities; a missing epsilon is null and has a reason.

        `coverage` and `gaussian` are included only if they add information to the other fields.
        """
        plain = {
            **asdict(self),
            "basis": self.basis.value,
            "not_covered": list(self.not_covered),
            "assumptions": list(self.assumptions),
            "metric": self.metric and {**asdict(self.metric), "norm": self.metric.norm.value},
            "reason": self.reason or None,
            "whole_record_epsilon": self.whole_record_epsilon,
        }
        del plain["coverage"], plain["gaussian"]
        plain |= {} if self.gaussian is None else {"gaussian": asdict(self.gaussian)}
        return plain if self.coverage.is_words_only else plain | {"coverage": self.coverage.as_dict()}

    def briefly(self, record: str = "photo") -> str:
        """Describe epsilon, its strength, basis and coverage in a few words.

        Args:
            record: unit of protection, in a word.

        Example:
            >>> claim = Guarantee(2000.0, "the skin codes", Basis.PROVED, not_covered=("the hair codes",))
            >>> claim.briefly()
            'epsilon 2000: protects nobody, for the skin codes (basis: proved); nothing for the photo as a
            whole'
        """
        if self.epsilon is None:
            return f"no finite epsilon, so {NO_GUARANTEE} (basis: {self.basis.value}): {self.reason}"
        delta = f" and delta {text_above(self.delta, 4)}" if self.delta else ""
        word = strength(self.epsilon, self.delta).word
        rest = f"; nothing for the {record} as a whole" if self.not_covered else ""
        return (
            f"epsilon {text_above(self.epsilon)}{delta}: {word}, for {self.covers} (basis: "
            f"{self.basis.value}){rest}"
        )

    def summary(self) -> str:
        """Describe the guarantee in one plain sentence, with figures rounded up.

        Epsilon is always accompanied by its strength, its basis and its coverage.
        """
        if self.epsilon is None:
            claim = f"Covers {self.covers} with no finite epsilon, because {self.reason}"
        else:
            delta = f" and delta {text_above(self.delta, 4)}" if self.delta else ""
            word = strength(self.epsilon, self.delta).word
            claim = f"Covers {self.covers} with epsilon {text_above(self.epsilon)}{delta}: {word}"
        if self.metric:
            rate = text_above(self.metric.rate, 4)
            claim += f", at most {rate} per unit of {self.metric.norm.value} distance of {self.metric.space}"
        claim += f" (basis: {self.basis.value}, {self.basis.meaning})"
        if self.not_covered:
            claim += (
                f"; not covered: {', '.join(self.not_covered)}, so the whole record has no finite epsilon"
            )
        return claim + "."


def post_process(guarantee: Guarantee, step: str, *, also_reads: Sequence[Part | str] = ()) -> Guarantee:
    """Guarantee after a further step on the released values.

    It is unchanged if the step reads nothing else of the record. Other parts that the step reads (attributes,
    common codes, the photo around the face) are unprotected: they are added to `not_covered`, and the whole
    record no longer has a finite epsilon.

    Args:
        guarantee: of the step's input.
        step: description of the step, in words.
        also_reads: unprotected parts of the record that enter the result, as values or in words.

    Raises:
        ValueError: `also_reads` is a single text.

    Example:
        >>> skin = Guarantee(1.0, "the skin codes", Basis.PROVED)
        >>> post_process(skin, "the generator", also_reads=["the hair codes"]).whole_record_epsilon is None
        True
    """
    if isinstance(also_reads, str):
        raise ValueError(
            f"also_reads takes a list of parts, got the single text {also_reads!r}; write [{also_reads!r}]"
        )
    parts = [Part.of(part) if isinstance(part, str) else part for part in also_reads]
    reads = f" and, unprotected, {', '.join(part.in_clear() for part in parts)}" if parts else ""
    coverage = guarantee.coverage
    return replace(
        guarantee.about(Coverage(coverage.covered, (*coverage.clear, *parts))),
        assumptions=_union(
            (*guarantee.assumptions, f"of the record, {step} reads only what is released{reads}")
        ),
    )


def _root_times_above(n: int, value: float) -> float:
    """sqrt(n) value, rounded up."""
    with working_precision(PRECISION):
        return float_above(arb(n).sqrt() * arb(value))


def _as_tuple(name: str, texts: Sequence[str]) -> tuple[str, ...]:
    if isinstance(texts, str):
        raise ValueError(f"{name} takes a list of texts, got the single text {texts!r}; write [{texts!r}]")
    return tuple(texts)


def _union(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
