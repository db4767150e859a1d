# SPDX-License-Identifier: Apache-2.0
"""Channels against closed forms: power, error rates, outage, K-factor, correlation, delays, and gradients
through all.
"""

import math
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from scipy import stats

from semveil.channels import (
    AWGN,
    CHANNELS,
    OFDM,
    ClippedAWGN,
    Fading,
    Link,
    PhaseOffset,
    TimingOffset,
    parse_link,
    wiretap,
)

LEVEL = 1e-6
CASES = [
    AWGN(), ClippedAWGN(2.0), Fading(), Fading(coherence=16), Fading(6.0), Fading(3.0, 8), OFDM(16, 4),
    PhaseOffset(),
    PhaseOffset(0.01), TimingOffset(1.3),
]  # fmt: skip


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def qpsk(count: int, length: int, seed: int = 9) -> torch.Tensor:
    bits = torch.randint(2, (2, count, length), generator=rng(seed)) * 2 - 1
    return torch.complex(bits[0].double(), bits[1].double()) / math.sqrt(2)


def errors(sent: torch.Tensor, received: torch.Tensor) -> int:
    return int(
        (sent.real.sign() != received.real.sign()).sum() + (sent.imag.sign() != received.imag.sign()).sum()
    )


def within(count: int, trials: int, share: float) -> bool:
    low, high = stats.binom.interval(1 - LEVEL, trials, share)
    return bool(low <= count <= high)


@pytest.mark.parametrize("channel", CASES, ids=lambda c: type(c).__name__)
def test_the_state_explains_what_is_received(channel):
    sent = torch.randn(3, 48, dtype=torch.complex128, generator=rng())
    quiet, state = channel(sent, math.inf, rng(1))
    if isinstance(channel, ClippedAWGN):
        assert (quiet.abs() <= channel.amplitude * (1 + 1e-12)).all() and torch.allclose(
            quiet.angle(), sent.angle()
        )
    elif state.domain == "symbols":
        torch.testing.assert_close(quiet, state.gain * sent)
    else:
        torch.testing.assert_close(torch.fft.fft(quiet), state.gain * torch.fft.fft(sent))
    noisy, same = channel(sent, 3.0, rng(1))
    assert torch.equal(same.gain, state.gain) and torch.equal(channel(sent, 3.0, rng(1)).received, noisy)
    assert not torch.equal(channel(sent, 3.0, rng(2)).received, noisy)


@pytest.mark.parametrize("channel", [Fading(), Fading(coherence=4), Fading(6.0, 4), OFDM(16, 4)], ids=str)
def test_fading_has_unit_mean_power_and_noise_follows_the_snr(channel):
    count, length, snr_db = 20_000, 8, 4.0
    received, state = channel(torch.ones(count, length, dtype=torch.complex128), snr_db, rng())
    power = state.gain.abs().square().mean(1)
    assert abs(power.mean() - 1) < 5 * power.std() / math.sqrt(count)
    noise = (received - state.gain).abs().square()
    variance = 10 ** (-snr_db / 10)
    low, high = stats.chi2.interval(1 - LEVEL, 2 * noise.numel())
    assert low < float(2 / variance * noise.sum()) < high
    assert torch.allclose(state.noise_power, torch.full_like(state.noise_power, variance))


@pytest.mark.parametrize("snr_db", [0.0, 6.0])
def test_error_rates_of_qpsk_are_those_of_the_closed_forms(snr_db):
    sent, snr = qpsk(1, 400_000), 10 ** (snr_db / 10)
    assert within(errors(sent, AWGN()(sent, snr_db, rng()).received), 800_000, stats.norm.sf(math.sqrt(snr)))
    # a bit has half the symbol's SNR: (1 - sqrt(g / (1 + g))) / 2 with g = snr / 2; one gain a symbol, two
    # bits each
    share = (1 - math.sqrt(snr / 2 / (1 + snr / 2))) / 2
    blocks = Link(Fading(coherence=1), equaliser="zf")(sent, snr_db, rng()).received
    found = errors(sent, blocks)
    # the two bits of a symbol fade together
    assert abs(found / 800_000 - share) < 5 * math.sqrt(2 * share / 800_000)
    assert not within(found, 800_000, stats.norm.sf(math.sqrt(snr)))


def test_outage_of_rayleigh_is_exponential_and_of_rician_marcums():
    snr = 10.0
    for k_db, law in (
        (-math.inf, stats.expon()),
        (3.0, stats.ncx2(2, 2 * 10**0.3, scale=1 / (2 * (1 + 10**0.3)))),
    ):
        state = Fading(k_db)(torch.ones(100_000, 1, dtype=torch.complex128), 10.0, rng()).state
        outage = int((torch.log2(1 + snr * state.gain.abs().square()) < 1.0).sum())
        assert within(outage, 100_000, float(law.cdf(1 / snr)))


@pytest.mark.parametrize("k_db", [0.0, 6.0, 12.0])
def test_the_k_factor_from_moments(k_db):
    """K from the second and fourth moment (Greenstein et al. 1999): sqrt(2 m2^2 - m4) is the power of the
    line of sight.
    """
    power = (
        Fading(k_db)(torch.ones(400_000, 1, dtype=torch.complex128), 10.0, rng()).state.gain.abs().square()
    )
    sight = math.sqrt(float(2 * power.mean() ** 2 - power.square().mean()))
    assert sight / (1 - sight) == pytest.approx(10 ** (k_db / 10), rel=0.05)


@pytest.mark.parametrize(
    "channel", [Fading(coherence=4), Fading(6.0, 4), OFDM(16, 4), PhaseOffset(0.02)], ids=str
)
def test_the_public_correlation_is_that_of_the_draws(channel):
    count, places = 40_000, torch.tensor([0, 1, 3, 4, 11])
    gain = channel(torch.ones(count, 12, dtype=torch.complex128), 10.0, rng()).state.gain[:, places]
    empirical = gain.T @ gain.conj() / count
    assert (empirical - channel.correlation(places, places)).abs().max() < 5 * math.sqrt(3 / count)
    basis = channel.basis(12)
    if basis is not None:  # every draw lies within it
        every = channel(torch.ones(5, 12, dtype=torch.complex128), 10.0, rng()).state.gain
        torch.testing.assert_close(every @ (basis @ torch.linalg.pinv(basis)).T, every)


def test_ofdm_is_a_convolution_with_a_cyclic_prefix():
    """Against samples in time: inverse transform, prefix, linear convolution, prefix off, transform."""
    channel, sent = OFDM(16, 4), torch.randn(1, 32, dtype=torch.complex128, generator=rng())
    received, state = channel(sent, math.inf, rng(1))
    taps = np.fft.ifft(state.gain[0, :16].numpy())[:4]
    blocks = [np.fft.ifft(block) for block in sent[0].numpy().reshape(2, 16)]
    stream = np.concatenate([np.concatenate([block[-3:], block]) for block in blocks])
    heard = np.convolve(stream, taps)
    out = np.concatenate([np.fft.fft(heard[i * 19 + 3 : i * 19 + 19]) for i in range(2)])
    np.testing.assert_allclose(out, received[0].numpy(), atol=1e-12)
    assert channel.prefix(32) == 2 * 3 and channel.prefix(33) == 3 * 19 - 33


def test_delays_are_shifts_and_add_up():
    sent = torch.randn(2, 21, dtype=torch.complex128, generator=rng())

    def late(delay, symbols=sent):
        return TimingOffset(delay)(symbols, math.inf).received

    torch.testing.assert_close(late(3.0), sent.roll(3, 1))
    torch.testing.assert_close(late(-2.0), sent.roll(-2, 1))
    torch.testing.assert_close(late(0.4, late(0.6)), sent.roll(1, 1))
    tone = torch.exp(2j * math.pi * 3 * torch.arange(21).double() / 21)[None]
    torch.testing.assert_close(late(0.5, tone), tone * np.exp(-2j * math.pi * 1.5 / 21))


def test_an_offset_turns_steadily():
    gain = PhaseOffset(0.05)(torch.ones(200, 30, dtype=torch.complex128), math.inf, rng()).state.gain
    turns = (gain[:, 1:] * gain[:, :-1].conj()).angle() / (2 * math.pi)
    assert (turns - turns[:, :1]).abs().max() < 1e-9 and turns.abs().max() <= 0.05 and turns.std() > 0.02
    still = PhaseOffset()(torch.ones(2, 30, dtype=torch.complex128), math.inf, rng()).state.gain
    assert (still == still[:, :1]).all()


def test_clipping_of_gaussian_symbols_costs_what_bussgang_says():
    """E |clip(s)|^2 = 1 - exp(-A^2) for s ~ CN(0, 1): the power that the amplifier loses."""
    sent = torch.randn(1, 200_000, dtype=torch.complex128, generator=rng())
    out = ClippedAWGN(0.0)(sent, math.inf).received
    assert float(out.abs().square().mean()) == pytest.approx(
        1 - math.exp(-1), abs=5 * 0.4 / math.sqrt(200_000)
    )


@pytest.mark.parametrize("name", list(CHANNELS))
@pytest.mark.parametrize("csi", ["perfect", "mmse", "none"])
def test_gradients_pass_all_channels_and_receivers(name, csi):
    if name == "timing" and csi == "mmse":
        pytest.skip("a delay is not estimated from pilots")
    if name == "tdl" and not find_spec("sionna"):
        pytest.skip("needs sionna-no-rt: pip install 'semveil[channels]'")
    link = Link(CHANNELS[name].make(), csi=csi, equaliser=CHANNELS[name].equaliser, pilots=4)
    sent = 0.3 * torch.randn(2, 9, dtype=torch.complex128, generator=rng())
    assert torch.autograd.gradcheck(lambda s: link(s, 12.0, rng(1)).received, sent.requires_grad_())


def test_bob_and_eve_have_channels_of_their_own():
    sent = torch.ones(1, 64, dtype=torch.complex64)
    fading = Link(Fading(), csi="none")
    heard = wiretap(sent, 30.0, rng_bob=rng(1), rng_eve=rng(2), eve_channel=fading)
    assert (heard.bob - 1).abs().max() < 0.5 < (heard.eve - 1).abs().max()
    doubled = wiretap(2 * sent, 30.0, power=4.0, rng_bob=rng(1), rng_eve=rng(2), bob_channel=AWGN())
    torch.testing.assert_close(doubled.bob, 2 * heard.bob)
    with pytest.raises(ValueError, match="must return what it receives"):
        wiretap(sent, 30.0, bob_channel=lambda symbols, snr_db, rng: (symbols[:, :3], None))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rician:k_db=nan", "k_db must lie in -100..100 dB, got nan"),
        ("rician:k_db=4000", "k_db must lie in -100..100 dB, got 4000"),
        ("rayleigh:coherence=0", "coherence must be a whole number in 1..1000000000, got 0"),
        ("rayleigh:coherence=99999999999999999999", "coherence must .*, got 9{20}; leave it out"),
        ("ofdm:subcarriers=8,taps=9", "taps must be a whole number in 1..8, got 9"),
        ("ofdm:taps=0", "taps must be a whole number in 1..64, got 0"),
        ("ofdm:subcarriers=99999999999999999999", "subcarriers must be a whole number in 1..32768"),
        ("ofdm:decay_db=-1000", "decay_db must lie in -100..100 dB, got -1000"),
        ("ofdm:decay_db=nan", "decay_db must lie in"),
        ("clipped:backoff_db=nan", "backoff_db must lie in -100..100 dB, got nan"),
        ("clipped:backoff_db=inf", "backoff_db must .* clips nothing is awgn"),
        ("clipped:backoff_db=1e9", "backoff_db must lie in"),
        ("clipped:backoff_db=-9999", "backoff_db must lie in"),
        ("phase:frequency=0.7", "frequency must lie in"),
        ("timing:delay=inf", "delay must lie in -1000..1000 symbols, got inf"),
        ("timing:delay=1e9", "delay must lie in"),
    ],
)
def test_settings_out_of_range_are_refused(text, words):
    with pytest.raises(ValueError, match=words):
        parse_link(text)


@pytest.mark.parametrize(
    "text",
    [
        "rician:k_db=100", "rician:k_db=-100", "rician:k_db=inf", "rician:k_db=-inf",
        "rayleigh:coherence=1000000000", "ofdm:decay_db=100", "ofdm:decay_db=-100",
        "clipped:backoff_db=100", "clipped:backoff_db=-100", "timing:delay=1000",
    ],
)  # fmt: skip
def test_the_last_settings_within_range_work(text):
    sent = torch.randn(2, 100, dtype=torch.complex64, generator=rng())
    assert parse_link(text)(sent, 20.0, rng(1)).received.isfinite().all()
