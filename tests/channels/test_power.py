# SPDX-License-Identifier: Apache-2.0
"""Power normalisation against closed forms, and what it does to the receiver's error."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semveil.channels import (
    awgn,
    code_blocks,
    denormalise_power,
    denormalise_power_blocks,
    normalise_power,
    normalise_power_blocks,
    pack,
    unpack,
)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def test_gain_matches_the_closed_form():
    # Mean |s|^2 of (3, 4j) is 12.5 and of (1+j, 0) is 1.
    sent, gain = normalise_power(torch.tensor([[3, 4j], [1 + 1j, 0]]), power=2.0)
    torch.testing.assert_close(gain, torch.tensor([math.sqrt(2 / 12.5), math.sqrt(2)]))
    torch.testing.assert_close(sent[0], torch.tensor([1.2 + 0j, 1.6j]))


@given(st.integers(0, 99), st.floats(-12, 12), st.floats(1e-3, 1e3))
def test_sent_power_is_as_asked_and_the_receiver_recovers(seed, exponent, power):
    symbols = noise(3, 50, seed=seed) * 10**exponent
    before = symbols.clone()
    sent, gain = normalise_power(symbols, power)
    assert torch.equal(symbols, before)
    torch.testing.assert_close(
        sent.abs().double().square().mean(1), torch.full((3,), power).double(), rtol=1e-6, atol=0
    )
    # Three float32 roundings: times g, inverse, times 1/g.
    torch.testing.assert_close(denormalise_power(sent, gain), symbols, rtol=4 * 2**-24 * 2, atol=0)


def test_each_message_has_its_own_gain_that_depends_on_nothing_else():
    symbols = noise(4, 64) * torch.tensor([1, 10, 100, 1000.0])[:, None]
    _, together = normalise_power(symbols)
    alone = torch.cat([normalise_power(row[None])[1] for row in symbols])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, complex(0, math.nan)])
def test_what_is_not_finite_is_refused_with_its_image(bad):
    symbols = noise(3, 8)
    symbols[1, 3] = bad
    with pytest.raises(ValueError, match=r"image 1\) holds NaN or infinity"):
        normalise_power(symbols)


def test_silence_is_refused_and_so_is_what_single_precision_cannot_scale():
    symbols = noise(2, 8)
    with pytest.raises(ValueError, match=r"image 1\) is all zeros"):
        normalise_power(torch.stack([symbols[0], torch.zeros(8)]))
    for scale in (1e-44, 3e38):
        with pytest.raises(ValueError, match="out of the range"):
            normalise_power(torch.full((1, 8), scale, dtype=torch.complex64), 1e-3 if scale > 1 else 1.0)


@pytest.mark.parametrize("power", [0.0, -1.0, math.nan, math.inf])
def test_a_power_that_is_none_is_refused(power):
    with pytest.raises(ValueError, match="power must be a finite number > 0"):
        normalise_power(noise(1, 4), power)
    with pytest.raises(ValueError, match="power must be a finite number > 0"):
        normalise_power_blocks(noise(1, 4), [torch.arange(4)], power)


@pytest.mark.parametrize(
    "gain", [torch.ones(3), torch.ones(2, 1), torch.tensor([1, 0.0]), torch.tensor([1, math.nan])]
)
def test_a_wrong_gain_is_refused(gain):
    with pytest.raises(ValueError, match="gains must be finite, positive and of shape"):
        denormalise_power(noise(2, 4), gain)


@given(st.integers(0, 99), st.floats(0.05, 0.95))
def test_blocks_get_their_share_and_come_back(seed, share):
    blocks = code_blocks([0, 2], (6, 8))
    symbols = noise(3, 24, seed=seed)
    symbols[:, blocks[0]] *= 300
    sent, gains = normalise_power_blocks(symbols, blocks, 2.0, shares=(share, 1 - share))
    assert gains.shape == (3, 2)
    energy = [sent[:, block].abs().square().sum(1) for block in blocks]
    torch.testing.assert_close(energy[0], torch.full((3,), share * 24 * 2.0), rtol=1e-5, atol=0)
    torch.testing.assert_close(energy[1], torch.full((3,), (1 - share) * 24 * 2.0), rtol=1e-5, atol=0)
    torch.testing.assert_close(denormalise_power_blocks(sent, gains, blocks), symbols, rtol=1e-6, atol=0)


def test_without_shares_every_block_has_the_messages_power():
    blocks = code_blocks([0], (6, 8))
    sent, _ = normalise_power_blocks(noise(2, 24), blocks, 0.5)
    for block in blocks:
        torch.testing.assert_close(sent[:, block].abs().square().mean(1), torch.full((2,), 0.5))


def test_one_block_is_the_whole_message():
    symbols = noise(3, 16)
    sent, gain = normalise_power(symbols)
    sent_as_block, gains = normalise_power_blocks(symbols, [torch.arange(16)])
    torch.testing.assert_close(sent_as_block, sent)
    torch.testing.assert_close(gains[:, 0], gain)


@pytest.mark.parametrize("blocks", [[[0, 1]], [[0, 1, 2], [2, 3]], [[0, 1, 2, 3], []], [], [[0, 1], [2, 4]]])
def test_blocks_that_are_no_partition_are_refused(blocks):
    with pytest.raises(ValueError, match="power blocks must"):
        normalise_power_blocks(noise(1, 4), [torch.tensor(b, dtype=torch.long) for b in blocks])


@pytest.mark.parametrize("shares", [(1.0,), (0.5, 0.6), (1.0, 0.0), (-0.5, 1.5), (math.nan, 1.0)])
def test_shares_that_do_not_sum_to_one_are_refused(shares):
    with pytest.raises(ValueError, match="shares must be 2 positive numbers"):
        normalise_power_blocks(noise(1, 4), [torch.arange(2), torch.arange(2, 4)], shares=shares)


# Bob's error with genuine Laplace noise on the private block: docs/errata.md, dp-semcom 7.
CODES, WIDTH, PRIVATE, COMMON_VARIANCE, BOX = 28, 512, (0, 1, 4, 5, 6, 7, 8), 0.3, 2.939
PRINTED = {1: "24.9", 5: "4.98", 10: "2.49", 30: "0.83", 100: "0.25", 800: "0.063"}


def closed_form(epsilon: float) -> float:
    """10^(-20/20) * root mean square of what is sent; a quarter of it has the variance of
    Laplace(351.88/epsilon) on top.
    """
    return 0.1 * math.sqrt(COMMON_VARIANCE + 0.25 * 2 * (351.88 / epsilon) ** 2)


def noised_latents(epsilon: float, batch: int = 16) -> torch.Tensor:
    rng = torch.Generator().manual_seed(int(epsilon))
    latents = math.sqrt(COMMON_VARIANCE) * torch.randn(batch, CODES, WIDTH, generator=rng)
    uniform = torch.rand(batch, len(PRIVATE), WIDTH, generator=rng, dtype=torch.float64) - 0.5
    laplace = -(351.88 / epsilon) * uniform.sign() * torch.log1p(-2 * uniform.abs())
    latents[:, list(PRIVATE)] += laplace.float()
    return latents


def received_error(latents: torch.Tensor, undo: bool = True) -> torch.Tensor:
    sent, gain = normalise_power(pack(latents))
    received = awgn(sent, 20.0, rng=torch.Generator().manual_seed(1))
    return unpack(denormalise_power(received, gain) if undo else received) - latents.flatten(1)


def digits(value: float, like: str) -> str:
    return f"{value:.{len(like.partition('.')[2])}f}"


def test_the_papers_scale_is_the_l2_diameter_of_the_clip_box():
    assert pytest.approx(351.88, rel=1e-4) == BOX * math.sqrt(CODES * WIDTH)
    assert len(PRIVATE) * WIDTH * 4 == CODES * WIDTH


@pytest.mark.parametrize("epsilon", PRINTED)
def test_genuine_noise_drowns_the_receiver_under_one_gain(epsilon):
    expected = closed_form(epsilon)
    assert digits(expected, PRINTED[epsilon]) == PRINTED[epsilon]
    latents = noised_latents(epsilon)
    # Five standard errors of the measured deviation: Gaussian error over n reals (kurtosis 3), and the power
    # of the n_p Laplace samples per message (kurtosis 6), each halved by the square root.
    reals, private = latents.numel(), latents.numel() // 4
    tolerance = 5 * math.sqrt(2 / reals + 5 / private) / 2
    assert received_error(latents).std().item() == pytest.approx(expected, rel=tolerance)
    # Negative control: without the gain the "error" is that of unscaled symbols.
    assert received_error(latents, undo=False).std().item() != pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("epsilon", [1, 10, 800])
def test_a_gain_per_block_frees_the_common_codes_of_it(epsilon):
    latents = noised_latents(epsilon)
    blocks = code_blocks(PRIVATE, (CODES, WIDTH))
    sent, gains = normalise_power_blocks(pack(latents), blocks)
    received = denormalise_power_blocks(awgn(sent, 20.0, rng=torch.Generator().manual_seed(1)), gains, blocks)
    error = received - pack(latents)
    common = torch.view_as_real(error[:, blocks[1]])
    assert common.std().item() == pytest.approx(
        0.1 * math.sqrt(COMMON_VARIANCE), rel=5 * math.sqrt(4 / common.numel()) / 2
    )
    assert received_error(latents).std().item() > 1.1 * common.std().item()
