# SPDX-License-Identifier: Apache-2.0
"""Noise modulo the box: Bob subtracts it exactly, uniform noise hides everything, and the printed epsilon is
exact.
"""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from semveil.core.errors import KeyProblem
from semveil.keys.keystream import KeyStream
from semveil.mechanisms import ClipBox
from semveil.privacy.guarantee import Basis
from semveil.protection.circle_noise import closed_form_epsilon
from semveil.protection.modulo import POINTS, Modulo, guard_for

BOX = ClipBox(-1.5, 3.4)
SHAPE = (7, 8)


def streams(count: int, message: int = 0) -> list[KeyStream]:
    return [
        KeyStream(message.to_bytes(16, "little") + image.to_bytes(16, "little")) for image in range(count)
    ]


def blocks(count: int, seed: int = 1) -> torch.Tensor:
    return torch.empty(count, *SHAPE).uniform_(-1.5, 3.4, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 1), st.sampled_from([0.0, 0.1, 5.0, 300.0]))
def test_bob_gets_the_block_back_to_half_a_step(guard, epsilon):
    protection, block = Modulo(BOX, SHAPE, guard=guard, epsilon=epsilon), blocks(3)
    protected = protection.protect(block, streams(3))
    assert protected.side == b""
    error = (protection.deprotect(protected.sent, b"", streams(3)) - block).abs()
    if guard * POINTS > 4:  # with no guard band the last half step of the box wraps around
        assert error.max() < protection.step / 2 + 1e-5
    assert protected.sent.abs().max() <= POINTS / 2 * protection.step + 1e-5


def test_the_corners_survive_noise_within_the_guard_band_and_not_beyond_it():
    protection = Modulo(BOX, SHAPE, guard=0.2)
    corners = torch.stack([torch.full(SHAPE, -1.5), torch.full(SHAPE, 3.4)])
    protected = protection.protect(corners, streams(2))
    half = 0.1 * 4.9
    outwards = torch.tensor([-1.0, 1.0]).view(2, 1, 1)
    inside = protection.deprotect(protected.sent + outwards * (half - 0.01), b"", streams(2))
    torch.testing.assert_close(inside, corners, atol=1e-3, rtol=0)
    beyond = protection.deprotect(protected.sent + outwards * (half + 0.01), b"", streams(2))
    torch.testing.assert_close(beyond, corners.flip(0), atol=1e-3, rtol=0)


def test_what_is_sent_is_uniform_on_the_grid_whatever_the_block():
    protection, count = Modulo(BOX, SHAPE), 2000
    for message, value in enumerate((-1.5, 0.0, 3.4)):
        sent = protection.protect(torch.full((count, *SHAPE), value), streams(count, message)).sent.double()
        points = (sent / protection.step).round().long().flatten() + POINTS // 2
        assert (sent.flatten() / protection.step + POINTS // 2 - points).abs().max() < 1e-3
        counts = np.bincount(points.numpy(), minlength=POINTS)
        assert len(counts) == POINTS and stats.chisquare(counts).pvalue > 1e-5


def test_two_photos_are_indistinguishable_but_not_under_one_stream_or_much_epsilon():
    one, other = blocks(1), blocks(1, seed=2)
    count = 1000
    heard = lambda protection, block, message: (  # noqa: E731
        protection.protect(block.expand(count, -1, -1), streams(count, message)).sent.flatten().numpy()
    )
    assert (
        stats.ks_2samp(heard(Modulo(BOX, SHAPE), one, 0), heard(Modulo(BOX, SHAPE), other, 1)).pvalue > 1e-5
    )
    loud = Modulo(BOX, SHAPE, epsilon=300)
    centre, corner = torch.full((1, *SHAPE), 0.95), torch.full((1, *SHAPE), 3.4)
    assert stats.ks_2samp(heard(loud, centre, 0), heard(loud, corner, 1)).pvalue < 1e-9
    assert torch.equal(*[Modulo(BOX, SHAPE).protect(one, streams(1)).sent for _ in range(2)])


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 30.0, 1000.0])
def test_epsilon_is_exact_and_the_closed_form(epsilon):
    protection = Modulo(BOX, SHAPE, epsilon=epsilon)
    n = math.prod(SHAPE)
    assert protection.epsilon <= epsilon
    assert protection.epsilon == pytest.approx(epsilon, rel=1e-6)
    circumference = 4.9 * (1 + protection.guard)
    assert closed_form_epsilon(n, circumference, protection.scale) == pytest.approx(
        protection.epsilon, rel=1e-6
    )
    by_hand = n * math.log(max(protection.noise.counts) / min(protection.noise.counts))
    assert protection.epsilon == pytest.approx(by_hand, rel=1e-9)


def test_the_loss_bounds_what_any_two_values_give_and_is_reached():
    protection = Modulo(BOX, (1, 1), epsilon=2.0)
    counts = np.array(protection.noise.counts, dtype=object) / 2**64
    worst = max(
        np.log((counts / np.roll(counts, shift)).astype(float)).max() for shift in range(1, POINTS, 37)
    )
    reached = np.log((counts / np.roll(counts, POINTS // 2)).astype(float)).max()
    assert worst <= protection.epsilon and reached == pytest.approx(protection.epsilon, rel=1e-9)


def test_the_guarantee_says_what_it_is():
    uniform = Modulo(BOX, SHAPE).guarantee("the private codes", not_covered=["the common codes"])
    assert (uniform.epsilon, uniform.delta, uniform.basis) == (0.0, 0.0, Basis.COMPUTATIONAL)
    assert uniform.whole_record_epsilon is None
    laplace = Modulo(BOX, SHAPE, epsilon=5).guarantee("the private codes")
    assert laplace.epsilon == pytest.approx(5) and any("Laplace" in text for text in laplace.assumptions)


def test_parameters_are_json():
    for protection in (Modulo(BOX, SHAPE), Modulo(BOX, SHAPE, guard=0.3, epsilon=1.0)):
        assert json.loads(json.dumps(protection.parameters())) == protection.parameters()
    assert Modulo(BOX, SHAPE).parameters() != Modulo(BOX, SHAPE, epsilon=1.0).parameters()


def test_every_key_reads_some_block_of_the_box():
    protection = Modulo(BOX, SHAPE)
    sent = protection.protect(blocks(3), streams(3)).sent + 0.3
    for read in (protection.interpret(sent), protection.deprotect(sent, b"", streams(3, message=5))):
        assert torch.equal(read, BOX.clip(read))


def test_the_guard_band_holds_its_deviations():
    for snr_db in (15, 20, 30):
        guard = guard_for(snr_db, deviations=3)
        noise = (1 + guard) / math.sqrt(12 * 10 ** (snr_db / 10))
        assert guard == pytest.approx(2 * 3 * noise)
    assert guard_for(-5) == 1


def test_bad_settings_and_inputs_are_refused():
    with pytest.raises(ValueError, match="guard"):
        Modulo(BOX, SHAPE, guard=-0.1)
    with pytest.raises(ValueError, match="epsilon"):
        Modulo(BOX, SHAPE, epsilon=math.inf)
    with pytest.raises(ValueError, match="bounds"):
        Modulo(ClipBox(torch.zeros(2), torch.ones(2)), SHAPE)
    protection = Modulo(BOX, SHAPE)
    with pytest.raises(ValueError, match="NaN"):
        protection.protect(blocks(1) * math.nan, streams(1))
    with pytest.raises(ValueError, match="blocks"):
        protection.protect(blocks(1)[:, :2], streams(1))
    with pytest.raises(KeyProblem, match="streams"):
        protection.protect(blocks(2), streams(1))
    with pytest.raises(KeyProblem, match="side"):
        protection.deprotect(blocks(1), b"x", streams(1))
