# SPDX-License-Identifier: Apache-2.0
"""Named random streams: stable, independent of each other's use, fresh without a seed."""

import numpy as np
import pytest
import torch

from semveil.core.rng import streams

NAMES = ("dp", "bob", "eve", "train", "crops")


def test_streams_do_not_shift_each_other() -> None:
    alone = streams(5)
    expected = torch.rand(4, generator=alone["eve"])
    busy = streams(5)
    for name in NAMES:
        if name != "eve":
            torch.rand(100, generator=busy[name])
    assert torch.equal(torch.rand(4, generator=busy["eve"]), expected)


def test_a_stream_goes_on_where_it_was() -> None:
    run = streams(5)
    first, second = torch.rand(4, generator=run["dp"]), torch.rand(4, generator=run["dp"])
    assert not torch.equal(first, second)
    assert torch.equal(torch.cat([first, second]), torch.rand(8, generator=streams(5)["dp"]))


def test_seeds_are_stable_over_versions() -> None:
    assert [streams(7)[name].initial_seed() for name in ("dp", "bob")] == [
        4900115909935399285,
        2892040647578353083,
    ]


def test_streams_and_seeds_are_uncorrelated() -> None:
    n = 20_000
    draws = [torch.randn(n, generator=streams(seed)[name]) for seed in (0, 1, -1) for name in NAMES]
    correlation = np.corrcoef(torch.stack(draws).numpy())
    np.fill_diagonal(correlation, 0)
    assert abs(correlation).max() < 5.5 / n**0.5  # 105 pairs, each about normal with std 1/sqrt(n)


def test_without_a_seed_every_run_differs_and_hides_its_entropy() -> None:
    a, b = streams(None), streams(None)
    assert not torch.equal(torch.rand(4, generator=a["dp"]), torch.rand(4, generator=b["dp"]))
    assert a.seed is None
    assert "entropy" not in repr(a)


def test_the_global_stream_is_left_alone() -> None:
    before = torch.get_rng_state()
    torch.rand(3, generator=streams(1)["dp"])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_seed_of_numpy_is_the_same_number() -> None:
    assert streams(np.int64(7))["dp"].initial_seed() == streams(7)["dp"].initial_seed()


@pytest.mark.parametrize("seed", [1.5, "7", True])
def test_seeds_are_integers(seed: object) -> None:
    with pytest.raises(TypeError, match="integer"):
        streams(seed)


def test_streams_have_names() -> None:
    with pytest.raises(ValueError, match="name"):
        streams(1)[""]
