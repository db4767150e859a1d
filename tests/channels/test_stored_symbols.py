# SPDX-License-Identifier: Apache-2.0
"""Symbols stored in whole steps: smaller files, the noise that was promised, and nothing else read back."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from channels.message_cases import message
from hypothesis import given
from hypothesis import strategies as st

from semveil.channels import Message, MessageError, message_bytes, noise_power, read_message, write_message
from semveil.channels.container import encode, read
from semveil.channels.message import STORED_VERSION
from semveil.channels.stored_symbols import packed, packed_size, rounded, step_for, to_steps, unpacked

STEP = step_for(20.0)


def symbols(count: int = 20_000) -> torch.Tensor:
    return torch.randn(1, count, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))


@given(st.integers(2, 16), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_packing_gives_back_what_it_took(bits: int, count: int, seed: int) -> None:
    steps = np.random.default_rng(seed).integers(-(1 << (bits - 1)), 1 << (bits - 1), (1, count, 2))
    data = packed(steps, bits)
    assert len(data) == packed_size(bits, (1, count))
    np.testing.assert_array_equal(unpacked(data, bits, (1, count)), steps)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0, 40.0])
def test_rounding_costs_what_it_says(snr_db: float) -> None:
    """Uniform noise 15 dB below the channel's: Bob's SNR falls by 10 log10(1 + 10^-1.5) = .135 dB."""
    sent = symbols()
    error = (rounded(sent, step_for(snr_db)) - sent).abs().square()
    spread = float(error.std()) / len(error[0]) ** 0.5
    assert abs(float(error.mean()) - float(noise_power(snr_db + 15))) < 5 * spread + 0.02 * float(
        error.mean()
    )


def test_too_many_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 16 bits"):
        to_steps(symbols(10), step_for(100.0))
    for snr_db in (math.nan, -math.inf, -1e9, 101.0):
        with pytest.raises(ValueError, match="rounded for an SNR of -100 to 100 dB"):
            step_for(snr_db)


def stored(**changes: object) -> Message:
    plain = message(**changes)
    return message(**{**changes, "symbols": rounded(plain.symbols, STEP), "symbol_step": STEP})


def test_a_message_comes_back_with_all_of_it(tmp_path: Path) -> None:
    sent = stored()
    write_message(tmp_path / "m.svl", sent)
    again = read_message(tmp_path / "m.svl")
    assert torch.equal(again.symbols, sent.symbols) and torch.equal(again.gains, sent.gains)
    assert (again.symbol_step, again.snr_db, again.guarantee) == (STEP, sent.snr_db, sent.guarantee)
    assert message_bytes(again) == message_bytes(sent)
    many = {
        "latent_shape": (28, 64),
        "symbols": symbols(896),
        "gains": torch.ones(1, 1),
        "private_codes": (0,),
        "clip_upper": torch.tensor(1.469),
    }
    sizes = [len(message_bytes(make(**many))) for make in (message, stored)]
    assert sizes[1] < 0.4 * sizes[0]


def test_files_that_were_altered_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.svl"
    write_message(path, stored())
    header, payload = read(path, STORED_VERSION)
    for changes in (
        {"bits": 0}, {"bits": 17}, {"bits": True}, {"step": 0.0}, {"step": "x"}, {"step": 1}, {"shape": [2]},
        {"shape": [2, 0]},
        {"shape": "ab"}, {"side": -1}, {"side": 3}, {"side": len(payload) + 9}, {"snr_db": "x"}, {"more": 1},
    ):  # fmt: skip
        path.write_bytes(encode(STORED_VERSION, {**header, **changes}, payload))
        with pytest.raises(MessageError):
            read_message(path)
    for version in (STORED_VERSION + 1, 99):
        path.write_bytes(encode(version, header, payload))
        with pytest.raises(MessageError, match="upgrade semveil"):
            read_message(path)


def test_symbols_off_the_grid_are_no_stored_symbols() -> None:
    for changes in ({"symbol_step": STEP}, {"symbol_step": -1.0}, {"symbol_step": 1e-9}):
        with pytest.raises(MessageError):
            message(**changes)
