# SPDX-License-Identifier: Apache-2.0
"""A pair is found however its numbers were written: 10 in Python, 10.0 from the command line."""

from pathlib import Path

from semveil.methods.pairs import pair_file
from semveil.protection.linear_pair import PairSettings


def test_whole_and_broken_numbers_name_the_same_file() -> None:
    whole = PairSettings((0, 1), 8, 10, "as_published", 1, snr_db=20)
    broken = PairSettings((0, 1), 8, 10.0, "as_published", 1.0, snr_db=20.0)
    assert whole == broken
    assert pair_file(Path(), whole) == pair_file(Path(), broken)
