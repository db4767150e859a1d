# SPDX-License-Identifier: Apache-2.0
"""Releases add up as the theorems have it, never to less: against exact fractions and mpmath."""

import math
from fractions import Fraction

import mpmath
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from semveil.core.rounding import loss_above, sum_above, text_above
from semveil.mechanisms import Gaussian
from semveil.privacy.composition import compose
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Basis, GaussianNoise, Guarantee, MetricForm, Norm, Sensitivity

DELTA = 1e-5
M = "0f" * 32


def pure(epsilon: float) -> Guarantee:
    return Guarantee(epsilon, "all codes", Basis.PROVED)


def gaussian(sensitivity: float, sigma: float, delta: float = DELTA) -> Guarantee:
    return Gaussian(sigma, delta).guarantee(
        Sensitivity(sensitivity, "l2", 4, source="a test"), covers="all codes"
    )


def delta_of(epsilon: float, mu: mpmath.mpf) -> mpmath.mpf:
    """Balle and Wang 2018, Theorem 8, in 60 digits."""
    epsilon = mpmath.mpf(epsilon)
    return mpmath.ncdf(mu / 2 - epsilon / mu) - mpmath.exp(epsilon) * mpmath.ncdf(-mu / 2 - epsilon / mu)


@given(st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=2, max_size=6))
@example([0.1] * 3)
def test_pure_claims_add_and_are_never_rounded_down(epsilons: list[float]) -> None:
    exact = sum(map(Fraction, epsilons))
    total = compose(*map(pure, epsilons)).epsilon
    assert total is not None and exact <= Fraction(total) <= exact * (1 + Fraction(2, 2**53)) + Fraction(
        1, 2**1000
    )


def test_the_nearest_float_is_often_too_low() -> None:
    """Negative control: what is held against the exact sum above fails with sums to nearest."""
    triples = [(0.1 * i, 0.7 / (i + 1), 1.3 * i) for i in range(1, 400)]
    low = [t for t in triples if Fraction(math.fsum(t)) < sum(map(Fraction, t))]
    assert len(low) > 50
    assert not [t for t in triples if Fraction(compose(*map(pure, t)).epsilon or 0) < sum(map(Fraction, t))]


@given(st.lists(st.floats(1e-12, 0.1), min_size=2, max_size=5))
def test_deltas_that_come_from_no_gaussian_noise_add(deltas: list[float]) -> None:
    total = compose(*(Guarantee(0.0, "all codes", Basis.COMPUTATIONAL, delta=delta) for delta in deltas))
    exact = sum(map(Fraction, deltas))
    assert total.epsilon == 0 and exact <= Fraction(total.delta) <= exact * (1 + Fraction(2, 2**53))


@given(st.lists(st.tuples(st.floats(0.05, 3), st.floats(0.5, 4)), min_size=2, max_size=5))
def test_gaussian_releases_compose_exactly(noises: list[tuple[float, float]]) -> None:
    total = compose(*(gaussian(*noise) for noise in noises))
    with mpmath.workdps(60):
        mu = mpmath.sqrt(sum((mpmath.mpf(d) / mpmath.mpf(s)) ** 2 for d, s in noises))
        assert total.delta == DELTA and total.epsilon is not None
        assert delta_of(total.epsilon, mu) <= mpmath.mpf(DELTA)
        assert delta_of(total.epsilon * (1 - 1e-9), mu) > mpmath.mpf(DELTA) * (1 - mpmath.mpf(10) ** -6)
    assert total.epsilon < sum(gaussian(*noise).epsilon or 0 for noise in noises)  # what adding would give


def test_composing_in_steps_is_the_same_for_gaussian_releases() -> None:
    a, b, c = gaussian(1.0, 2.0), gaussian(3.0, 2.0), gaussian(1.0, 0.7)
    together = compose(a, b, c)
    assert compose(compose(a, b), c).epsilon == pytest.approx(together.epsilon, rel=1e-12)
    assert compose(a, times=[9]).epsilon == pytest.approx(gaussian(3.0, 2.0).epsilon, rel=1e-12)
    assert compose(pure(0.25), times=[3]).epsilon == 0.75


def zcdp(epsilons: list[float], mu: float) -> float:
    rho = mu**2 / 2 + sum(epsilon**2 / 2 for epsilon in epsilons)
    return rho + 2 * math.sqrt(rho * math.log(1 / DELTA))


@pytest.mark.parametrize(
    ("epsilons", "copies", "smaller"),
    [([1.0], 1, "sum"), ([0.01] * 200, 3, "zcdp"), ([0.1], 40, "sum"), ([0.3] * 60, 40, "zcdp")],
)
def test_pure_and_gaussian_claims_take_the_smaller_of_two_ways(
    epsilons: list[float], copies: int, smaller: str
) -> None:
    noise = gaussian(1.0, 10.0)
    total = compose(*map(pure, epsilons), *[noise] * copies)
    apart = sum(epsilons) + (compose(*[noise] * copies).epsilon or 0)
    ways = {"sum": apart, "zcdp": zcdp(epsilons, math.sqrt(copies) / 10)}
    assert (
        total.epsilon == pytest.approx(min(ways.values()), rel=1e-9)
        and min(ways, key=ways.__getitem__) == smaller
    )
    assert total.delta == DELTA and total.epsilon >= min(ways.values()) * (1 - 1e-15)


def test_a_record_of_pure_claims_stays_a_pure_sum() -> None:
    total = compose(*[pure(0.01)] * 1000)
    assert total.delta == 0 and total.epsilon == pytest.approx(10.0)


def test_other_claims_with_a_delta_add_to_all_that() -> None:
    keyed = Guarantee(0.5, "all codes", Basis.COMPUTATIONAL, delta=1e-6)
    total = compose(gaussian(1.0, 10.0), keyed, pure(1.0))
    assert total.epsilon == pytest.approx(1.5 + (gaussian(1.0, 10.0).epsilon or 0))
    assert total.delta == pytest.approx(1.1e-5) and total.basis == Basis.SIMULATION


def test_the_largest_delta_of_gaussian_claims_is_stated() -> None:
    total = compose(gaussian(1.0, 5.0, 1e-9), gaussian(1.0, 5.0, 1e-6))
    assert total.delta == 1e-6
    with mpmath.workdps(60):
        assert delta_of(total.epsilon or 0, mpmath.sqrt(2) / 5) <= 1e-6


def test_deltas_of_1_and_more_end_the_claim() -> None:
    total = compose(*[Guarantee(0.0, "all codes", Basis.PROVED, delta=0.4)] * 3)
    assert (total.epsilon, total.delta) == (None, 0.0) and "add up to 1" in total.reason


def test_what_one_covers_and_another_shows_has_no_epsilon() -> None:
    skin, eyes = (
        pure(1.0).about(Coverage.of_codes(M, private, 28)) for private in ((0, 1, 4, 5), (0, 1, 6, 7))
    )
    whole = pure(10.0).about(Coverage.of_codes(M, range(28), 28))
    assert compose(skin, skin).epsilon == 2 and compose(whole, whole).epsilon == 20
    for pair in ((skin, eyes), (whole, skin)):
        total = compose(*pair)
        assert total.epsilon is None and "what another covers" in total.reason
    other = pure(1.0).about(Coverage.of_codes("1e" * 32, range(18), 18))
    assert compose(whole, other).epsilon == 11  # each hides all of the photo, by whatever model
    assert compose(other, skin).epsilon is None
    face = pure(6.0).about(Coverage.of(Part(Kind.IDENTITY, M, size=64), Part(Kind.ATTRIBUTES, M)))
    assert compose(whole, face).epsilon is None and compose(face, face).epsilon == 12


@given(st.lists(st.floats(0, 1e3), min_size=2, max_size=4))
def test_metric_rates_round_up(rates: list[float]) -> None:
    parts = [Guarantee(1.0, "all codes", Basis.PROVED, metric=MetricForm(rate, Norm.L1)) for rate in rates]
    metric = compose(*parts).metric
    assert metric is not None and Fraction(metric.rate) >= sum(map(Fraction, rates))


@given(st.floats(1e-300, 1e300), st.integers(1, 8))
def test_printed_numbers_are_never_below_the_value(value: float, digits: int) -> None:
    text = text_above(value, digits)
    assert value <= float(text) <= value * (1 + 10.0 ** (1 - digits)) * (1 + 1e-15)
    assert float(text) == value or len(text.partition("e")[0].replace(".", "").strip("0")) <= digits


def test_numbers_that_need_few_digits_stay_as_they_are() -> None:
    assert [text_above(x) for x in (0.0, 0.1, 1.0, 1e-5, 6.0, 1.0000004, math.inf)] == [
        "0", "0.1", "1", "1e-05", "6", "1.00001", "inf",
    ]  # fmt: skip
    assert pure(1.0000004).summary().startswith("Covers all codes with epsilon 1.00001: ")


def test_no_noise_has_an_infinite_loss() -> None:
    assert loss_above([1.0], [0.0]) == math.inf and loss_above([0.0, 1.0], [0.0, 2.0]) == 0.5
    assert sum_above([math.inf, 1.0]) == math.inf


def test_a_gaussian_law_belongs_to_a_claim_with_a_delta() -> None:
    with pytest.raises(ValueError, match="delta above 0"):
        Guarantee(1.0, "x", Basis.PROVED, gaussian=GaussianNoise(1.0, 1.0))
