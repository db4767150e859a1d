# SPDX-License-Identifier: Apache-2.0
"""Privacy claims: what they refuse to say, how they combine, what they print."""

import json
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semveil.privacy.composition import compose
from semveil.privacy.guarantee import (
    Basis,
    Guarantee,
    MetricForm,
    Norm,
    Sensitivity,
    post_process,
    weakest,
)

BASES_WITH_EPSILON = [b for b in Basis if b not in (Basis.FITTED, Basis.NONE)]
guarantees = st.builds(
    Guarantee,
    epsilon=st.none() | st.floats(0, 1e6) | st.just(math.inf),
    covers=st.just("the skin codes"),
    basis=st.sampled_from(BASES_WITH_EPSILON),
    delta=st.floats(0, 0.9),
    not_covered=st.lists(st.sampled_from(["hair", "background"]), unique=True).map(tuple),
    metric=st.none() | st.builds(MetricForm, rate=st.floats(0, 10), norm=st.sampled_from(Norm)),
)


@given(value=st.floats(0, 1e6), n=st.integers(1, 100_000))
def test_norm_conversion_bounds_and_never_shrinks(value: float, n: int) -> None:
    l2 = Sensitivity(value, "l2", n, source="test")
    assert l2.to("l1").value == pytest.approx(value * math.sqrt(n))
    assert Fraction(l2.to("l1").value) ** 2 >= Fraction(value) ** 2 * n  # rounded up
    assert l2.to("l1").to("l2").value >= value
    assert l2.to("l2") is l2
    assert l2.to("l1").norm is Norm.L1


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_sensitivity_must_be_a_real_bound(value: float) -> None:
    with pytest.raises(ValueError, match="finite and >= 0"):
        Sensitivity(value, "l1", 3, source="test")


def test_sensitivity_refuses_unknown_norm_and_empty_dimension() -> None:
    with pytest.raises(ValueError, match="l3"):
        Sensitivity(1.0, "l3", 3, source="test")
    with pytest.raises(ValueError, match="dimension"):
        Sensitivity(1.0, "l1", 0, source="test")


@pytest.mark.parametrize("basis", [Basis.FITTED, Basis.NONE])
def test_no_finite_epsilon_without_a_basis_that_carries_one(basis: Basis) -> None:
    with pytest.raises(ValueError, match="carries no finite epsilon"):
        Guarantee(1.0, "everything", basis)
    assert Guarantee(None, "everything", basis).reason


@pytest.mark.parametrize(
    "bad",
    [
        {"epsilon": -1.0},
        {"epsilon": math.nan},
        {"delta": 1.0},
        {"delta": -0.1},
        {"covers": ""},
        {"not_covered": "hair"},
    ],
)
def test_claims_out_of_range_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError):
        Guarantee(**{"epsilon": 1.0, "covers": "everything", "basis": Basis.PROVED, **bad})


@given(st.lists(guarantees, min_size=1, max_size=5))
def test_composition_adds_and_keeps_the_weakest(parts: list[Guarantee]) -> None:
    total = compose(*parts)
    assert total.basis == weakest(*(g.basis for g in parts))
    assert set(total.not_covered) == {c for g in parts for c in g.not_covered}
    delta = sum(g.delta for g in parts)
    if any(g.epsilon is None for g in parts) or delta >= 1:
        assert total.epsilon is None
        assert total.reason
    else:
        assert total.epsilon == pytest.approx(sum(g.epsilon for g in parts))
        assert total.delta == pytest.approx(delta)
    if any(g.metric is None for g in parts) or len({g.metric.norm for g in parts}) > 1:
        assert total.metric is None
    else:
        assert total.metric.rate == pytest.approx(sum(g.metric.rate for g in parts))


@given(guarantees, guarantees, guarantees)
def test_composition_is_associative(a: Guarantee, b: Guarantee, c: Guarantee) -> None:
    left, right = compose(compose(a, b), c), compose(a, compose(b, c))
    assert (left.epsilon is None) == (right.epsilon is None)
    assert left.epsilon == pytest.approx(right.epsilon)
    assert left.basis == right.basis


def test_nothing_composes_to_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        compose()


@given(guarantees)
def test_post_processing_keeps_epsilon_and_clear_inputs_void_the_whole(guarantee: Guarantee) -> None:
    after = post_process(guarantee, "the generator")
    assert (after.epsilon, after.delta, after.basis, after.not_covered) == (
        guarantee.epsilon,
        guarantee.delta,
        guarantee.basis,
        guarantee.not_covered,
    )
    mixed = post_process(guarantee, "the generator", also_reads=["the attributes"])
    assert mixed.epsilon == guarantee.epsilon
    assert "the attributes" in mixed.not_covered
    assert mixed.whole_record_epsilon is None


@given(guarantees)
def test_json_is_strict_and_complete(guarantee: Guarantee) -> None:
    data = json.loads(json.dumps(guarantee.as_dict(), allow_nan=False))
    assert (data["epsilon"] is None) == (data["reason"] is not None)
    assert data["basis"] in {b.value for b in Basis}
    assert {"covers", "not_covered", "assumptions", "metric", "delta", "whole_record_epsilon"} <= set(data)


@given(guarantees)
def test_summary_is_one_sentence_with_basis_and_coverage(guarantee: Guarantee) -> None:
    text = guarantee.summary()
    assert guarantee.covers in text
    assert f"basis: {guarantee.basis.value}" in text
    assert all(part in text for part in guarantee.not_covered)
    assert text.endswith(".")
    assert "\n" not in text
    assert "inf" not in text.lower().replace("finite", "")
    if guarantee.epsilon is None:
        assert "no finite epsilon" in text


def test_infinite_epsilon_is_stored_as_missing_with_a_reason() -> None:
    guarantee = Guarantee(math.inf, "everything", Basis.PROVED)
    assert guarantee.epsilon is None
    assert guarantee.as_dict()["reason"] == "no finite epsilon holds"


def test_the_honest_nothing() -> None:
    nothing = Guarantee.none("the image", reason="the protector is deterministic")
    assert nothing.epsilon is None
    assert nothing.basis is Basis.NONE
    assert "the protector is deterministic" in nothing.summary()


def test_bases_are_ordered_from_strong_to_weak() -> None:
    assert weakest(*Basis) is Basis.NONE
    assert weakest(Basis.PROVED, Basis.COMPUTATIONAL) is Basis.COMPUTATIONAL
    assert weakest(Basis.OBSERVED_SENSITIVITY, Basis.SIMULATION) is Basis.SIMULATION
