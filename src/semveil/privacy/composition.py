# SPDX-License-Identifier: Apache-2.0
"""Composition: joint guarantee of several releases about one person."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from flint import arb

from semveil.core.precision import working_precision
from semveil.core.rounding import PRECISION, float_above
from semveil.privacy.coverage import Coverage
from semveil.privacy.gaussian_curve import gaussian_epsilon_above
from semveil.privacy.guarantee import GaussianNoise, Guarantee, weakest

INDEPENDENT = "the composed releases draw independent noise"


def compose(*guarantees: Guarantee, times: Sequence[int] | None = None) -> Guarantee:
    """Sequential, adaptive composition: joint guarantee of releases about the same record.

    Epsilons of pure claims add. Gaussian noise composes exactly: releases of sensitivities D_i and sigmas s_i
    are together as private as one with D / s = mu = sqrt(sum (D_i / s_i)^2), whose epsilon follows at the
    largest of their deltas (Dong, Roth and Su 2022, Corollary 3.3; Balle and Wang 2018, Theorem 8). Pure and
    Gaussian claims together have the smaller of two epsilons at that delta: the sum of the pure ones plus the
    Gaussian epsilon; and rho + 2 sqrt(rho ln(1 / delta)) with rho = mu^2 / 2 + sum epsilon_i^2 / 2, by
    zero-concentrated differential privacy (Bun and Steinke 2016, Propositions 1.3, 1.4 and 1.6). Epsilons and
    deltas of all other claims are added. All figures are rounded up, and the basis is the weakest one.

    A part that any release shows unprotected has no finite epsilon, even if another release covers it. There
    is no parallel composition: all parts of a photo belong to one person.

    Args:
        *guarantees: of releases about one record.
        times: number of times each release was made; once by default.

    Raises:
        ValueError: no guarantees, or `times` has another length or a number below 1.

    Example:
        >>> from semveil.privacy.guarantee import Basis
        >>> skin = Guarantee(1.0, "the skin codes", Basis.PROVED)
        >>> compose(skin, skin).epsilon
        2.0
    """
    counts = [1] * len(guarantees) if times is None else list(times)
    if not guarantees or len(counts) != len(guarantees) or min(counts) < 1:
        raise ValueError(
            f"compose needs at least one guarantee, each made once or more often, got {len(guarantees)}, "
            f"{counts}"
        )
    if len(guarantees) == 1 and counts == [1]:
        return guarantees[0]
    coverage, opened = _together([guarantee.coverage for guarantee in guarantees])
    reasons = _union((*(g.reason for g in guarantees if g.epsilon is None), *opened))
    epsilon, delta = (None, 0.0) if reasons else _add(list(zip(guarantees, counts, strict=True)))
    if delta >= 1:
        epsilon, delta, reasons = None, 0.0, ("the deltas add up to 1 or more",)
    metrics = [g.metric for g in guarantees if g.metric]
    same_metric = len(metrics) == len(guarantees) and len({(m.norm, m.space) for m in metrics}) == 1
    rate = _weighted_sum((m.rate, n) for m, n in zip(metrics, counts, strict=True)) if same_metric else 0.0
    return Guarantee(
        epsilon,
        covers=coverage.words,
        basis=weakest(*(g.basis for g in guarantees)),
        delta=delta,
        not_covered=coverage.clear_words,
        assumptions=_union(a for g in guarantees for a in (*g.assumptions, INDEPENDENT)),
        metric=replace(metrics[0], rate=rate) if same_metric else None,
        reason="; ".join(reasons),
        gaussian=_one_gaussian(guarantees, counts) if epsilon is not None else None,
        coverage=coverage,
    )


def _together(coverages: Sequence[Coverage]) -> tuple[Coverage, tuple[str, ...]]:
    """Joint coverage, and a reason for each covered part that one of them leaves open."""
    covered = tuple(part for coverage in coverages for part in coverage.covered)
    clear = tuple(part for coverage in coverages for part in coverage.clear)
    opened = [part for part in covered if any(coverage.leaves_open(part) for coverage in coverages)]
    return Coverage(covered, clear), _union(
        f"one shows of {part.briefly()} what another covers" for part in opened
    )


def _add(claims: Sequence[tuple[Guarantee, int]]) -> tuple[float, float]:
    """Epsilon and delta of claims with finite epsilons, each with its number of repetitions."""
    pure = [(g.epsilon or 0.0, n) for g, n in claims if not g.delta]
    gaussian = [(g, n) for g, n in claims if g.gaussian is not None]
    other = [(g, n) for g, n in claims if g.delta and g.gaussian is None]
    epsilons = [*pure, *((g.epsilon or 0.0, n) for g, n in other)]
    deltas = [(g.delta, n) for g, n in other]
    if not gaussian:
        return _weighted_sum(epsilons), _weighted_sum(deltas)
    delta = max(g.delta for g, _ in gaussian)
    mu = _mu((g.gaussian, n) for g, n in gaussian if g.gaussian)
    apart = gaussian_epsilon_above(delta, 1.0, mu) if mu else 0.0
    by_sum = _weighted_sum([*epsilons, (apart, 1)])
    by_concentration = _weighted_sum(
        [*((g.epsilon or 0.0, n) for g, n in other), (_concentrated(pure, mu, delta), 1)]
    )
    return min(by_sum, by_concentration), _weighted_sum([*deltas, (delta, 1)])


def _mu(noises: Iterable[tuple[GaussianNoise, int]]) -> float:
    """sqrt(sum (sensitivity / sigma)^2), rounded up."""
    with working_precision(PRECISION):
        return float_above(
            sum((n * (arb(g.sensitivity) / arb(g.sigma)) ** 2 for g, n in noises), start=arb(0)).sqrt()
        )


def _concentrated(pure: Iterable[tuple[float, int]], mu: float, delta: float) -> float:
    """Epsilon at delta by zero-concentrated differential privacy, rounded up."""
    with working_precision(PRECISION):
        rho = (arb(mu) ** 2 + sum((n * arb(epsilon) ** 2 for epsilon, n in pure), start=arb(0))) / 2
        return float_above(rho + 2 * (rho * -arb(delta).log()).sqrt())


def _one_gaussian(guarantees: Sequence[Guarantee], counts: Sequence[int]) -> GaussianNoise | None:
    """Single Gaussian release equivalent to all of them; None if they are not all Gaussian."""
    noises = [g.gaussian for g in guarantees if g.gaussian is not None]
    if len(noises) < len(guarantees):
        return None
    return GaussianNoise(_mu(zip(noises, counts, strict=True)), 1.0)


def _weighted_sum(values: Iterable[tuple[float, int]]) -> float:
    with working_precision(PRECISION):
        return float_above(sum((n * arb(value) for value, n in values), start=arb(0)))


def _union(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
