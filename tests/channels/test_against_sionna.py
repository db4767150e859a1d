# SPDX-License-Identifier: Apache-2.0
"""Our channels against Sionna's (extra `channels`), an independent implementation: noise, fading,
subcarriers.
"""

import math

import numpy as np
import pytest
import torch
from channels.with_sionna import sionna
from scipy import stats

from semveil.channels import AWGN, OFDM, Fading, Link

pytestmark = pytest.mark.filterwarnings("ignore")
COUNT = 20_000


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def seeded() -> None:
    from sionna.phy import config

    config.seed = 1


def same_law(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return bool(stats.ks_2samp(ours.flatten().numpy(), theirs.flatten().cpu().numpy()).pvalue > 1e-6)


def test_noise_has_the_same_law_at_the_same_snr():
    sent = torch.ones(1, COUNT, dtype=torch.complex64)
    ours = AWGN()(sent, 7.0, rng()).received
    theirs = sionna.AWGN()(sent, 10**-0.7)
    for part in (lambda y: y.real, lambda y: y.imag, torch.abs):
        assert same_law(part(ours), part(theirs))
    # a noise power per axis would be seen
    assert not same_law(ours.real, sionna.AWGN()(sent, 2 * 10**-0.7).real)


def test_rayleigh_fading_has_the_same_law():
    sent = torch.ones(COUNT, 1, dtype=torch.complex64)
    ours = Fading()(sent, math.inf, rng()).received
    theirs = sionna.FlatFadingChannel(1, 1)(sent, 0.0)
    for part in (lambda y: y.real, lambda y: y.imag, torch.abs):
        assert same_law(part(ours), part(theirs))
    assert not same_law(Fading(3.0)(sent, math.inf, rng()).received.abs(), theirs.abs())


def test_subcarriers_have_the_same_gains():
    size, taps, spacing = 32, 5, 15e3
    state = OFDM(size, taps)(torch.ones(1, size, dtype=torch.complex128), math.inf, rng()).state
    impulse = torch.from_numpy(np.fft.ifft(state.gain[0].numpy())[:taps])
    amplitudes = impulse.to(torch.complex64).reshape(1, 1, 1, 1, 1, taps, 1)
    delays = (torch.arange(taps, dtype=torch.float32) / (size * spacing)).reshape(1, 1, 1, taps)
    theirs = sionna.cir_to_ofdm_channel(sionna.subcarrier_frequencies(size, spacing), amplitudes, delays)
    centred = np.fft.fftshift(state.gain[0].numpy())  # Sionna's middle subcarrier is our first
    np.testing.assert_allclose(theirs.flatten().cpu().numpy(), centred, atol=1e-4)


def test_bit_errors_over_both_are_alike():
    """Uncoded QPSK over Rayleigh fading, known gain: two independent simulations, one binomial law."""
    bits = torch.randint(2, (2, COUNT, 1), generator=rng(3)) * 2.0 - 1
    sent = torch.complex(bits[0], bits[1]) / math.sqrt(2)
    heard, gain = sionna.FlatFadingChannel(1, 1, return_channel=True)(sent, 0.1)
    theirs = heard / gain.reshape(COUNT, 1)
    ours = Link(Fading(), equaliser="zf")(sent, 10.0, rng()).received
    wrong = [int((y.real.sign() != bits[0]).sum()) for y in (ours, theirs.cpu())]
    share = sum(wrong) / (2 * COUNT)
    assert abs(wrong[0] - wrong[1]) < 5 * math.sqrt(2 * COUNT * share * (1 - share))
