# SPDX-License-Identifier: Apache-2.0
"""The explanation is true for whoever reads only one line of it."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from privacy.certificate_cases import CLAIM, FULL, certificates
from scipy.stats import norm

from semveil.mechanisms import gaussian_epsilon
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import Certificate
from semveil.privacy.explain import _factor, _percent, _up, explain, explain_epsilon
from semveil.privacy.guarantee import Basis, Guarantee
from semveil.privacy.strength import best_guess, in_a_word


def optimal_test(p, q):
    """How often the likelihood-ratio test is right about a fair coin toss between two laws."""
    return float(np.maximum(p, q).sum() / 2)


@given(st.floats(0, 8), st.floats(0, 0.9))
def test_the_best_guess_is_reached_by_the_worst_mechanism(epsilon, delta):
    """The pair of laws that every (epsilon, delta)-private mechanism is a post-processing of."""
    grown = math.exp(epsilon)
    p = np.array([delta, (1 - delta) * grown / (1 + grown), (1 - delta) / (1 + grown), 0])
    assert best_guess(epsilon, delta) == pytest.approx(optimal_test(p, p[::-1]))


@pytest.mark.parametrize("ratio", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 1e-2])
def test_gaussian_noise_stays_below_it_and_a_smaller_bound_would_not(ratio, delta):
    right = norm.cdf(0.5 / ratio)
    epsilon = gaussian_epsilon(delta, ratio)
    assert right <= best_guess(epsilon, delta)
    assert right > best_guess(epsilon / 9, delta)  # the check can fail


def test_randomised_response_meets_it():
    truth = math.exp(1.0) / (1 + math.exp(1.0))
    assert best_guess(1.0) == pytest.approx(
        optimal_test(np.array([truth, 1 - truth]), np.array([1 - truth, truth]))
    )


@given(certificates)
def test_epsilon_never_stands_without_its_basis(certificate):
    for line in explain(certificate):
        assert line.isprintable()
        for found in re.finditer(r"[Ee]psilon (?=[\d.])", line):
            assert "(basis: " in line, line
            assert certificate.guarantee.covers in line or "nominal" in line[: found.end()], line


@given(certificates)
def test_every_explanation_says_what_is_and_is_not_covered_and_against_whom(certificate):
    lines = explain(certificate)
    topics = [line.split(":")[0] for line in lines]
    for topic in (
        "In short",
        "Protected",
        "Not protected",
        "Against whom",
        "Made with",
        "Validity",
    ):
        assert topics.count(topic) == 1
    joined = " ".join(lines)
    for text in (
        *certificate.guarantee.not_covered,
        *certificate.guarantee.assumptions,
        certificate.software_version,
    ):
        assert text in joined
    for caveat in certificate.caveats:
        assert caveat.meaning in joined
    assert "not signed" in joined and certificate.guarantee.basis.value in lines[0]


@pytest.mark.parametrize(("model", "unit"), [("faces-64", "latent units"), (None, "8-bit levels")])
def test_scales_have_the_unit_of_what_gets_the_noise(model, unit):
    made = Certificate(
        release="image",
        method="x",
        protection="x",
        guarantee=CLAIM,
        mechanism="laplace",
        scale=3.0,
        model=model,
    )
    assert f"Mechanism: laplace of scale 3 ({unit})." in explain(made)


@given(certificates)
def test_nothing_is_called_protected_on_a_weak_basis(certificate):
    lines = explain(certificate)
    claim = certificate.guarantee
    assert (" is protected in " in lines[0]) == (
        claim.epsilon is not None
        and claim.basis in (Basis.PROVED, Basis.COMPUTATIONAL)
        and in_a_word(claim.epsilon, claim.delta) != "protects nobody"
    )
    if claim.epsilon is None:
        assert lines[0].startswith("In short: nothing is guaranteed")
        assert not explain_epsilon(claim)


def test_part_of_a_photo_is_never_called_the_whole():
    assert "part of the photo is protected" in explain(FULL)[0]
    assert "no finite epsilon holds for the photo as a whole" in explain(FULL)[2]
    assert "that agree in everything that is not protected" in explain(FULL)[4]
    whole = replace(FULL, guarantee=replace(CLAIM, not_covered=()), caveats=())
    assert "the photo as a whole is protected" in explain(whole)[0]


@pytest.mark.parametrize(
    ("epsilon", "word", "odds"),
    [(0.0, "as good as it gets", "likelier"), (1.0, "strong", "2.719 times"),
     (1.2, "limited", "3.321 times"), (3.0, "limited", "20.09 times"),
     (4.7, "weak", "110 times"),
     (9.0, "weak", "8104 times"), (10.0, "protects nobody", "22,030 times"),
     (1e5, "protects nobody", "10^43429.5 times")],
)  # fmt: skip
def test_the_word_follows_the_odds(epsilon, word, odds):
    made = Certificate(
        release="image", method="m", protection="p", guarantee=Guarantee(epsilon, "all codes", Basis.PROVED)
    )
    lines = explain(made)
    assert f": {word} (basis: proved)" in lines[0]
    assert (" is protected in " in lines[0]) == (epsilon < 10)
    assert odds in lines[4]


def test_the_nominal_epsilon_of_a_trained_pair_is_called_a_setting():
    claim = Guarantee.none("the skin codes", reason="the network is deterministic")
    lines = explain(
        replace(
            FULL,
            guarantee=claim,
            part_budgets={},
            caveats=(),
            nominal_epsilon=10.0,
            calibration="as_published",
        )
    )
    (asked,) = [line for line in lines if "nominal epsilon 10" in line]
    assert "name of a setting (basis: none)" in asked
    assert "assume that anyone who hears the symbols can find out who is shown" in lines[3]


def test_the_holder_of_a_key_is_named():
    claim = replace(CLAIM, epsilon=0.0, basis=Basis.COMPUTATIONAL)
    lines = explain(replace(FULL, guarantee=claim, part_budgets={}, caveats=(Caveat.CODES_IN_CLEAR,)))
    assert "but not the key" in lines[3]
    assert "nobody without the key" in lines[4]
    assert any("malleable" in line for line in lines)


@given(st.floats(1e-300, 1e300))
def test_figures_are_rounded_up(value):
    printed = float(_up(value).replace(",", ""))
    assert value * (1 - 1e-5) <= printed <= value * 1.0011


@given(st.floats(0.5, 0.9999))
def test_percentages_are_rounded_up(share):
    assert share - 1e-9 <= float(_percent(share).split()[0]) / 100 <= share + 1.1e-4


@given(st.floats(0, 1e4))
def test_factors_are_rounded_up(epsilon):
    text = _factor(epsilon)
    if text.startswith("10^"):
        assert 0 <= float(text[3:]) * math.log(10) - epsilon + 1e-6 < 0.25
    else:
        assert float(text.replace(",", "")) >= math.exp(epsilon) * (1 - 1e-5)
