# SPDX-License-Identifier: Apache-2.0
"""Bob and Eve hear the same symbols under independent noise."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import stats

from semveil.channels import Link, awgn, wiretap

LEVEL = 1e-6
SENT = torch.randn(10, 7168, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def independent(bob: torch.Tensor, eve: torch.Tensor) -> bool:
    """All four correlations between the axes of both noises lie within z/sqrt(M)."""
    noises = [(received - SENT).numpy().ravel() for received in (bob, eve)]
    bound = stats.norm.isf(LEVEL / 2) / math.sqrt(SENT.numel())
    axes = [[noise.real, noise.imag] for noise in noises]
    return all(abs(np.corrcoef(a, b)[0, 1]) < bound for a in axes[0] for b in axes[1])


def test_noises_are_independent():
    heard = wiretap(SENT, 10.0, rng_bob=rng(1), rng_eve=rng(2))
    assert independent(heard.bob, heard.eve)
    shared = rng(1)
    in_turn = wiretap(SENT, 10.0, rng_bob=shared, rng_eve=shared)
    assert independent(in_turn.bob, in_turn.eve)
    free = wiretap(SENT, 10.0)
    assert independent(free.bob, free.eve)


def test_the_independence_check_sees_shared_noise():
    assert not independent(awgn(SENT, 10.0, rng=rng(1)), awgn(SENT, 20.0, rng=rng(1)))


def test_equal_sources_are_refused():
    with pytest.raises(ValueError, match="in the same state"):
        wiretap(SENT, 10.0, rng_bob=rng(1), rng_eve=rng(1))


def within(noise: torch.Tensor, variance: float) -> bool:
    low, high = stats.chi2.interval(1 - LEVEL, 2 * noise.numel())
    return bool(low < 2 / variance * noise.abs().double().square().sum().item() < high)


@pytest.mark.parametrize(("eve_snr_db", "variance"), [(None, 0.1), (0.0, 1.0), (20.0, 0.01)])
def test_each_has_an_snr_and_eves_is_bobs_by_default(eve_snr_db, variance):
    heard = wiretap(SENT, 10.0, eve_snr_db, rng_bob=rng(1), rng_eve=rng(2))
    assert within(heard.bob - SENT, 0.1)
    assert within(heard.eve - SENT, variance)
    assert not within(heard.eve - SENT, variance / 2)


def test_one_snr_or_source_does_not_move_the_others_noise():
    first = wiretap(SENT, 10.0, 0.0, rng_bob=rng(1), rng_eve=rng(2))
    second = wiretap(SENT, 10.0, math.inf, rng_bob=rng(1), rng_eve=rng(3))
    assert torch.equal(first.bob, second.bob)
    assert torch.equal(second.eve, SENT)


def test_each_noise_comes_from_its_own_source():
    heard = wiretap(SENT, 10.0, 5.0, power=2.0, rng_bob=rng(1), rng_eve=rng(2))
    assert torch.equal(heard.bob, awgn(SENT, 10.0, power=2.0, rng=rng(1)))
    assert torch.equal(heard.eve, awgn(SENT, 5.0, power=2.0, rng=rng(2)))


def test_the_output_cannot_be_altered():
    with pytest.raises(dataclasses.FrozenInstanceError):
        wiretap(SENT, 0.0).eve = SENT  # type: ignore[misc]


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        (lambda symbols, snr_db, rng: symbols, "two things, .* got Tensor"),
        (lambda symbols, snr_db, rng: (symbols, None, None), "two things"),
        (lambda symbols, snr_db, rng: (symbols * math.nan, None), "finite symbols"),
        (lambda symbols, snr_db, rng: (symbols.real, None), "must return what it receives as"),
        ("rayleigh", "parse_link makes a channel from its description"),
    ],
)
def test_a_channel_of_ones_own_is_checked(channel, words):
    with pytest.raises(ValueError, match=words):
        wiretap(SENT[:2], 10.0, bob_channel=channel)


@pytest.mark.parametrize("csi", ["perfect", "ls", "mmse", "none"])
def test_a_link_is_over_a_channel_with_statistics(csi):
    with pytest.raises(ValueError, match="a function is a channel by itself"):
        Link(lambda symbols, snr_db, rng: (symbols, None), csi=csi)
