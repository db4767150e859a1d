# SPDX-License-Identifier: Apache-2.0
"""Receivers: pilots, estimates and equalisers against closed forms; links by name; channel uses."""

import math

import pytest
import torch
from scipy import special

from semveil.channels import (
    AWGN,
    OFDM,
    ChannelState,
    Fading,
    Link,
    PhaseOffset,
    TimingOffset,
    bandwidth,
    parse_link,
)
from semveil.channels.pilots import Pilots
from semveil.channels.receiver import estimate_gain

SNR_DB = 10.0
NOISE = 0.1


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def payload(count: int, length: int) -> torch.Tensor:
    return torch.randn(count, length, dtype=torch.complex128, generator=rng(7))


def error(
    link: Link, count: int = 4000, length: int = 24, snr_db: float = SNR_DB
) -> tuple[float, float, float]:
    """Mean square error of the received payload, its standard error over messages, and what the state
    promises.
    """
    sent = payload(count, length)
    received, state = link(sent, snr_db, rng())
    per_message = (received - sent).abs().square().mean(1)
    return (
        float(per_message.mean()),
        float(per_message.std() / math.sqrt(count)),
        float(state.error_power.mean()),
    )


def test_pilots_go_in_and_out():
    for length in (1, 5, 6, 7, 100):
        pilots, sent = Pilots(7), payload(2, length)
        frame = pilots.insert(sent)
        assert frame.shape[1] == pilots.frame(length) == length + len(pilots.places(frame.shape[1]))
        assert (
            torch.equal(pilots.payload(frame), sent) and (frame[:, pilots.places(frame.shape[1])] == 1).all()
        )
    with pytest.raises(ValueError, match="spacing of 2"):
        Pilots(1)
    with pytest.raises(ValueError, match="spacing of 2"):  # wrong even where the receiver needs none
        parse_link("ofdm:pilots=-1")


@pytest.mark.parametrize(
    ("channel", "pilots", "taps"),
    [(Fading(), 6, 1), (Fading(coherence=12), 4, 1), (OFDM(32, 4), 4, 4)],
    ids=str,
)
def test_estimates_have_the_errors_of_the_closed_forms(channel, pilots, taps):
    """Least squares: unknowns / pilots * sigma^2; MMSE under equal taps or one tap: 1 / (1 / p + pilots /
    sigma^2) each.
    """
    pattern, frame = Pilots(pilots), torch.ones(20_000, 36 if taps == 1 else 32, dtype=torch.complex128)
    received, state = channel(frame, SNR_DB, rng())
    within = {6: 6, 4: 3 if taps == 1 else 8}[pilots]  # pilots that see the same unknowns
    powers = channel.powers if taps > 1 else torch.ones(1, dtype=torch.float64)
    expected = {False: taps * NOISE / within, True: float((1 / (1 / powers + within / NOISE)).sum())}
    for mmse, value in expected.items():
        found = estimate_gain(received, state.noise_power, pattern, channel, mmse=mmse)
        actual = (found.gain - state.gain).abs().square().mean(1)
        assert abs(float(actual.mean()) - value) < 5 * float(actual.std()) / math.sqrt(len(actual))
        torch.testing.assert_close(
            found.error.mean(), torch.tensor(value, dtype=torch.float64), rtol=1e-6, atol=0
        )
    assert expected[True] < expected[False]


def test_gain_of_the_mmse_equaliser_over_rayleigh():
    """E[sigma^2 / (|h|^2 + sigma^2)] = sigma^2 e^(sigma^2) E1(sigma^2); zero forcing has no finite mean
    square error.
    """
    found, spread, promised = error(Link(Fading(coherence=1), equaliser="mmse"), length=50)
    expected = NOISE * math.exp(NOISE) * special.exp1(NOISE)
    assert abs(found - expected) < 5 * spread
    assert promised == pytest.approx(expected, rel=0.02)
    assert error(Link(Fading(coherence=1), equaliser="zf"), length=50)[0] > 1.5 * expected


def test_zero_forcing_over_awgn_is_awgn_and_mmse_shrinks_it():
    sent = payload(2, 30)
    plain = AWGN()(sent, SNR_DB, rng()).received
    torch.testing.assert_close(Link()(sent, SNR_DB, rng()).received, plain)
    torch.testing.assert_close(Link(equaliser="mmse")(sent, SNR_DB, rng()).received, plain / (1 + NOISE))


@pytest.mark.parametrize("csi", ["perfect", "ls", "mmse"])
@pytest.mark.parametrize("equaliser", ["zf", "mmse"])
@pytest.mark.parametrize("channel", [PhaseOffset(), Fading(9.0, 12), OFDM(24, 3)], ids=str)
def test_the_state_promises_what_is_left(channel, csi, equaliser):
    if equaliser == "zf" and not isinstance(channel, PhaseOffset):
        pytest.skip("no finite mean square error")
    found, spread, promised = error(Link(channel, csi=csi, equaliser=equaliser, pilots=4))
    # an estimate's error counts as independent noise; with estimates the promise is near, with perfect
    # knowledge exact
    assert abs(found - promised) < 5 * spread + (0 if csi == "perfect" else 0.1 * promised)


def test_more_knowledge_is_better():
    by_csi = {
        csi: error(Link(Fading(coherence=12), csi=csi, equaliser="mmse", pilots=6))[0]
        for csi in ("perfect", "mmse", "ls")
    }
    blind = error(Link(Fading(coherence=12), csi="none"))[0]
    assert by_csi["perfect"] < by_csi["mmse"] < by_csi["ls"] < blind


def test_a_turning_phase_is_followed():
    sent = payload(50, 400)
    for csi in ("ls", "mmse"):
        heard = Link(PhaseOffset(0.002), csi=csi, pilots=8)(sent, 30.0, rng()).received
        assert (heard - sent).abs().square().mean() < 0.004
    blind = Link(PhaseOffset(0.002), csi="none")(sent, 30.0, rng()).received
    assert (blind - sent).abs().square().mean() > 1


def test_a_known_delay_is_undone_exactly():
    sent = payload(3, 17)
    torch.testing.assert_close(Link(TimingOffset(2.37))(sent, math.inf, rng()).received, sent)
    assert (Link(TimingOffset(0.5), csi="none")(sent, math.inf).received - sent).abs().square().mean() > 0.1


def test_each_message_has_its_snr():
    sent = payload(2, 600)
    for csi in ("perfect", "mmse"):
        link = Link(PhaseOffset(), csi=csi)
        heard = link(sent, torch.tensor([0.0, 40.0]), rng()).received
        assert (heard - sent).abs().square().mean(1)[0] > 100 * (heard - sent).abs().square().mean(1)[1]


def test_pilots_that_miss_part_of_the_channel_are_refused():
    for channel, spacing, words in (
        (Fading(coherence=12), 5, "do not fall into each block of 12"),
        (OFDM(64, 8), 16, "at least at every 8"),
        (PhaseOffset(0.1), 8, "cannot follow"),
        (TimingOffset(0.5), 8, "cannot tell a delay"),
    ):
        with pytest.raises(ValueError, match=words):
            Link(channel, csi="ls", pilots=spacing)
    with pytest.raises(ValueError, match="has 2 pilots for the 8 unknowns"):
        Link(OFDM(64, 8), csi="ls", pilots=8)(payload(1, 9), SNR_DB)


def test_names_and_settings():
    link = parse_link("ofdm:subcarriers=32,taps=4,csi=ls,pilots=8")
    assert (link.channel.subcarriers, link.channel.taps, link.csi, link.equaliser) == (32, 4, "ls", "mmse")
    assert parse_link("awgn").equaliser == "zf" and parse_link("timing:delay=2").channel.delay == 2.0
    for text, words in (
        ("raleigh", "did you mean 'rayleigh'"),
        ("awgn:coherence=3", "no setting 'coherence'"),
        ("rayleigh:coherence=x", "coherence must be a whole number"),
        ("rician:k_db=loud", "k_db must be a number"),
        ("rayleigh:csi=perfct", "did you mean 'perfect'"),
        ("rayleigh:csi", "write csi=VALUE"),
        ("rayleigh:csi=mmse,pilots=1", "spacing of 2"),
        ("awgn:args=1", "no setting 'args'"),
        ("awgn:snr=3", "available: csi, equaliser, pilots, antennas"),
        ("rayleigh:antennas=2,antennas=3", "'antennas' twice"),
        ("rician:k_db=3,k_db=3", "'k_db' twice"),
        ("rayleigh:csi=mmse,pilots=99999999999999999999", "spacing of 2"),
    ):
        with pytest.raises(ValueError, match=words):
            parse_link(text)


def test_channel_uses_count_everything():
    assert bandwidth(896, 64).ratio == 896 / (3 * 64**2)
    counted = bandwidth(896, 64, link=parse_link("ofdm:csi=mmse,pilots=8"), side_bits=64)
    frame = 896 + 128
    assert (counted.overhead, counted.side) == (frame - 896 + 16 * 7, 64)
    assert counted.ratio == (896 + 128 + 112 + 64) / 12288
    assert str(counted) == (
        "1,200 channel uses an image (896 symbols, 64 for side information, 240 for pilots and prefixes), "
        "bandwidth ratio 0.0977"
    )
    assert counted.as_dict()["channel_uses"] == 1200
    assert bandwidth(896, 64, link=lambda *sent: sent).uses == 896  # it states no overhead


def test_error_power_counts_bias_and_noise():
    state = ChannelState(torch.tensor([[0.5 + 0j]]), torch.tensor([[0.25]]))
    assert state.error_power.item() == pytest.approx(0.5)
