# SPDX-License-Identifier: Apache-2.0
"""The range coder: every text comes back, at its information content; tables that are none are refused."""

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semveil.channels.range_coder import TOTAL, UNIFORM, Table, decode, encode


def table(weights: list[int]) -> Table:
    """Counts in proportion to weights, at least 1 each."""
    free, total = TOTAL - len(weights), sum(weights)
    ends = [free * sum_ // total for sum_ in accumulate(weights)]
    return Table((0, *(end + i for i, end in enumerate(ends, 1))))


@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 10**6), min_size=1, max_size=300), st.integers(0, 10**9)),
        max_size=60,
    )
)
def test_what_was_encoded_comes_back(text: list[tuple[list[int], int]]) -> None:
    tables = [table(weights) for weights, _ in text]
    symbols = [number % len(weights) for weights, number in text]
    data = encode(zip(symbols, tables, strict=True))
    assert decode(data, tables) == symbols
    assert decode(data + bytes(5), tables) == symbols


def test_the_length_is_the_information_content() -> None:
    rng, law = np.random.default_rng(0), [9000, 900, 90, 9, 1]
    model = table(law)
    symbols = rng.choice(5, 20_000, p=np.array(law) / sum(law)).tolist()
    counts = np.diff(model.starts)
    bits = -sum(math.log2(counts[symbol] / TOTAL) for symbol in symbols)
    length = 8 * len(encode((symbol, model) for symbol in symbols))
    assert bits < length + 8 and length < bits * 1.0001 + 64
    assert 8 * len(encode((4 - symbol, model) for symbol in symbols)) > 2 * length  # a wrong law costs more


def test_carries_run_through() -> None:
    """The last symbol of many: the lower end of the interval is full of ones, and a carry crosses all of
    them.
    """
    for last in (0, 65_535):
        symbols = [65_535] * 50 + [last, 1]
        assert decode(encode((symbol, UNIFORM) for symbol in symbols), [UNIFORM] * 52) == symbols


@pytest.mark.parametrize("starts", [(0,), (1, TOTAL), (0, 5, 5, TOTAL), (0, 9, 4, TOTAL), (0, TOTAL - 1)])
def test_tables_that_are_none(starts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rise from 0"):
        Table(starts)


def test_symbols_that_a_table_has_not() -> None:
    for symbol in (-1, 2):
        with pytest.raises(IndexError):
            encode([(symbol, Table((0, 7, TOTAL)))])
