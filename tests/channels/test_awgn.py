# SPDX-License-Identifier: Apache-2.0
"""The noise has the power, the law and the independence it should;
each check also fails on a broken sampler.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from semveil.channels import awgn, noise_power

LEVEL = 1e-6  # two-sided chance that a right sampler fails one check
BATCH, COUNT = 20, 7168


def sample(snr_db: float, power: float = 1.0, scale: float = 1.0) -> np.ndarray:
    silence = torch.zeros(BATCH, COUNT, dtype=torch.complex64)
    received = awgn(silence, snr_db, power=power, rng=torch.Generator().manual_seed(7))
    return scale * received.numpy().astype(np.complex128)


def power_fits(noise: np.ndarray, variance: float) -> bool:
    """Chi-square: 2/sigma^2 sum |n|^2 has 2M degrees of freedom, and M for each real axis alone."""
    low, high = stats.chi2.interval(1 - LEVEL, 2 * noise.size)
    total = 2 / variance * np.sum(np.abs(noise) ** 2)
    low_axis, high_axis = stats.chi2.interval(1 - LEVEL, noise.size)
    axes = [2 / variance * np.sum(axis**2) for axis in (noise.real, noise.imag)]
    return bool(low < total < high and all(low_axis < axis < high_axis for axis in axes))


@pytest.mark.parametrize(("snr_db", "power"), [(20.0, 1.0), (0.0, 1.0), (-10.0, 0.5), (37.5, 4.0)])
def test_noise_power_is_per_complex_symbol_and_half_of_it_per_axis(snr_db, power):
    variance = power * 10 ** (-snr_db / 10)
    assert noise_power(snr_db, power=power).item() == pytest.approx(variance)
    assert power_fits(sample(snr_db, power), variance)


@pytest.mark.parametrize(
    "broken",
    [
        lambda n: n * math.sqrt(0.5),  # noise power halved
        lambda n: n * math.sqrt(2),  # the whole noise power on each axis
        lambda n: n * 0,
        lambda n: n.real * math.sqrt(2) + 0j,  # all on one axis
        lambda n: n * 1.01,  # 2 % too much power
    ],
)
def test_the_power_check_sees_a_broken_sampler(broken: Callable[[np.ndarray], np.ndarray]):
    assert not power_fits(broken(sample(20.0)), 0.01)


def test_both_axes_are_gaussian():
    noise = sample(20.0)
    deviation = math.sqrt(0.005)
    for axis in (noise.real, noise.imag):
        assert stats.kstest(axis.ravel(), "norm", (0, deviation)).pvalue > LEVEL
    laplace = np.random.default_rng(0).laplace(0, deviation / math.sqrt(2), noise.size)
    assert stats.kstest(laplace, "norm", (0, deviation)).pvalue < LEVEL


def uncorrelated(first: np.ndarray, second: np.ndarray) -> bool:
    """|correlation| under z/sqrt(M), its asymptotic deviation for independent samples."""
    correlation = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    return bool(abs(correlation) < stats.norm.isf(LEVEL / 2) / math.sqrt(first.size))


def test_axes_neighbours_and_messages_are_independent():
    noise = sample(20.0)
    for first, second in [
        (noise.real, noise.imag),
        (noise[:, 1:].real, noise[:, :-1].real),
        (noise[:, 1:].real, noise[:, :-1].imag),
        (noise[1:].real, noise[:-1].real),
    ]:
        assert uncorrelated(first, second)
        assert not uncorrelated(first, second + 0.05 * first)


def test_noise_is_added_to_what_is_sent():
    sent = torch.randn(3, 16, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    alone = awgn(torch.zeros_like(sent), 10.0, rng=torch.Generator().manual_seed(1))
    together = awgn(sent, 10.0, rng=torch.Generator().manual_seed(1))
    torch.testing.assert_close(together - sent, alone, rtol=0, atol=1e-6)


def test_infinite_snr_is_noiseless_and_takes_as_many_draws():
    sent = torch.randn(3, 16, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    first, second = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    assert torch.equal(awgn(sent, math.inf, rng=first), sent)
    awgn(sent, 3.0, rng=second)
    assert torch.equal(first.get_state(), second.get_state())


def test_each_message_may_have_its_own_snr():
    snr_db = torch.tensor([0.0, 20.0, math.inf])
    sent = torch.zeros(3, 50_000, dtype=torch.complex64)
    noise = awgn(sent, snr_db, rng=torch.Generator().manual_seed(0)).numpy()
    assert (
        power_fits(noise[0].astype(complex), 1.0)
        and power_fits(noise[1].astype(complex), 0.01)
        and not noise[2].any()
    )
    assert not power_fits(noise[0].astype(complex), 0.01)


@given(st.floats(-300, 300), st.floats(1e-3, 1e3))
def test_snr_in_db_survives_the_way_there_and_back(snr_db, power):
    ratio = power / noise_power(snr_db, power=power).item()
    assert 10 * math.log10(ratio) == pytest.approx(snr_db, abs=1e-9)


def test_a_seed_repeats_the_noise_and_no_seed_does_not():
    sent = torch.zeros(1, 64, dtype=torch.complex64)
    state = torch.get_rng_state()
    seeded = [awgn(sent, 0.0, rng=torch.Generator().manual_seed(3)) for _ in range(2)]
    free = [awgn(sent, 0.0) for _ in range(2)]
    assert torch.equal(*seeded) and not torch.equal(*free)
    assert torch.equal(torch.get_rng_state(), state), "the global stream must stay untouched"


def test_double_precision_stays_double():
    assert awgn(torch.zeros(1, 4, dtype=torch.complex128), 0.0).dtype == torch.complex128


@pytest.mark.parametrize("snr_db", [math.nan, -math.inf, -301.0, torch.tensor([0.0, math.nan])])
def test_an_snr_that_is_none_is_refused(snr_db):
    with pytest.raises(ValueError, match=r"snr_db must lie in \[-300, inf\]"):
        awgn(torch.zeros(2, 4, dtype=torch.complex64), snr_db)


def test_wrong_shapes_and_powers_are_refused():
    sent = torch.zeros(2, 4, dtype=torch.complex64)
    for snr_db in (torch.zeros(3), torch.zeros(2, 1)):
        with pytest.raises(ValueError, match="one per message"):
            awgn(sent, snr_db)
    with pytest.raises(ValueError, match="symbols must be complex"):
        awgn(torch.zeros(2, 4), 0.0)
    for power in (0.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="power must be"):
            awgn(sent, 0.0, power=power)
