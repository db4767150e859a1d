# SPDX-License-Identifier: Apache-2.0
"""Packing is lossless, interleaved, and keeps codes in symbols of their own."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semveil.channels import bandwidth_ratio, code_blocks, pack, unpack

floats = st.floats(width=32, allow_nan=False)


@given(st.integers(1, 3), st.lists(floats, min_size=2, max_size=24).filter(lambda row: len(row) % 2 == 0))
def test_round_trip_is_bit_exact(batch, row):
    reals = torch.tensor([row] * batch, dtype=torch.float32)
    symbols = pack(reals)
    assert symbols.shape == (batch, len(row) // 2) and symbols.dtype == torch.complex64
    assert unpack(symbols).numpy().tobytes() == reals.numpy().tobytes()


def test_memory_is_that_of_an_interleaved_iq_recording():
    reals = torch.arange(12, dtype=torch.float32).reshape(2, 6)
    assert pack(reals).numpy().tobytes() == reals.numpy().tobytes()
    np.testing.assert_array_equal(pack(reals)[0].numpy(), [0 + 1j, 2 + 3j, 4 + 5j])


def test_latents_are_read_code_after_code():
    latents = torch.randn(3, 28, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pack(latents), pack(latents.reshape(3, -1)))
    assert torch.equal(pack(latents.transpose(1, 2)), pack(latents.transpose(1, 2).contiguous()))


def test_double_precision_stays_double():
    assert pack(torch.zeros(1, 2, dtype=torch.float64)).dtype == torch.complex128


def test_a_conjugated_view_is_read_by_value():
    assert unpack(torch.tensor([[1 + 2j]]).conj()).tolist() == [[1, -2]]


@pytest.mark.parametrize("shape", [(1, 3), (2, 3, 5), (1, 0)])
def test_odd_or_no_reals_are_refused(shape):
    with pytest.raises(ValueError, match="even and positive"):
        pack(torch.zeros(shape))


@pytest.mark.parametrize(
    "reals", [torch.zeros(4), torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, 4, dtype=torch.complex64)]
)
def test_what_is_no_batch_of_reals_is_refused(reals):
    with pytest.raises(ValueError, match="pack takes"):
        pack(reals)


@pytest.mark.parametrize(
    "symbols", [torch.zeros(1, 4), torch.zeros(4, dtype=torch.complex64), torch.zeros(1, 0) + 0j]
)
def test_what_is_no_batch_of_symbols_is_refused(symbols):
    with pytest.raises(ValueError, match="symbols must be complex"):
        unpack(symbols)


@given(st.integers(1, 9), st.integers(1, 4).map(lambda half: 2 * half), st.data())
def test_blocks_carry_exactly_their_codes(codes, width, data):
    private = data.draw(st.lists(st.integers(0, codes - 1), unique=True))
    private_symbols, common_symbols = code_blocks(private, (codes, width))
    owner = torch.arange(codes, dtype=torch.float32)[:, None].expand(codes, width)[None]
    carried = unpack(pack(owner)[:, private_symbols]) if len(private_symbols) else torch.empty(0)
    assert sorted(set(carried.flatten().tolist())) == sorted(private)
    assert sorted([*private_symbols.tolist(), *common_symbols.tolist()]) == list(range(codes * width // 2))


def test_blocks_of_odd_codes_or_wrong_indices_are_refused():
    with pytest.raises(ValueError, match="odd width 3"):
        code_blocks([0], (2, 3))
    for wrong in ([2], [-1], [0, 0]):
        with pytest.raises(ValueError, match=r"different indices in 0\.\.1"):
            code_blocks(wrong, (2, 4))


def test_the_papers_message_takes_7168_channel_uses():
    symbols = pack(torch.zeros(1, 28, 512))
    assert symbols.shape[1] == 7168
    assert bandwidth_ratio(7168, 512) == pytest.approx(0.00911, abs=5e-6)
