# SPDX-License-Identifier: Apache-2.0
"""5G's tapped delay lines: unit power, the tables' delay spread, Sionna's own draws, and Bob's picture."""

import math
import sys

import pytest
import torch
from channels.with_sionna import sionna

from semveil.channels import Link, bandwidth, parse_link
from semveil.channels.sionna import SionnaMissing
from semveil.channels.tdl import MODELS, TDL

pytestmark = pytest.mark.filterwarnings("ignore")
COUNT = 20_000


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gains(channel: TDL, seed: int = 0) -> torch.Tensor:
    sent = torch.ones(COUNT, channel.subcarriers, dtype=torch.complex128)
    return channel(sent, math.inf, rng(seed)).state.gain


@pytest.mark.parametrize("model", MODELS)
def test_power_is_one_and_the_delay_spread_is_the_one_asked_for(model: str) -> None:
    channel = TDL(model, 300.0, subcarriers=16, spacing_khz=60.0)
    delays, powers = channel.profile.delays * 1e9, channel.profile.powers
    mean = (powers * delays).sum()
    spread = float((powers * (delays - mean).square()).sum().sqrt())
    # powers in the tables are rounded to .1 dB, which moves a sum of them by up to .05 dB either way
    rounding = 10 ** (0.05 / 10) - 1
    assert float(powers.sum()) == pytest.approx(1, abs=1e-6)
    assert spread == pytest.approx(300.0, rel=rounding)
    power = gains(channel).abs().square()
    # |H|^2 of a Rayleigh gain has standard deviation 1, and less with a line of sight
    assert float(power[:, 0].mean()) == pytest.approx(1, abs=5 / math.sqrt(COUNT))
    assert bool(channel.profile.sight) == (model in "DE")


@pytest.mark.parametrize("model", ["A", "D"])
def test_gains_correlate_over_frequency_as_sionnas_own_draws_do(model: str) -> None:
    from sionna.phy import config

    config.seed = 1
    size, spacing = 16, 60e3
    table = sionna.tr38901.TDL(model, 300e-9, 3.5e9)
    taps, delays = table(COUNT, 1, 1.0)
    frequencies = torch.arange(size, dtype=torch.float32) * spacing
    theirs = sionna.cir_to_ofdm_channel(frequencies, taps, delays).reshape(COUNT, size).cpu()

    def correlation(gain: torch.Tensor) -> torch.Tensor:
        return (gain * gain[:, :1].conj()).mean(0).to(torch.complex128)

    channel = TDL(model, 300.0, subcarriers=size, spacing_khz=60.0)
    stated = channel.correlation(torch.arange(size), torch.zeros(1, dtype=torch.int64))[:, 0]
    margin = 5 / math.sqrt(COUNT)  # each product has a variance of at most 1 per real axis
    for drawn in (theirs, gains(channel)):
        assert float((correlation(drawn) - stated).abs().max()) < math.sqrt(2) * margin
    wrong = TDL("D" if model == "A" else "A", 300.0, subcarriers=size, spacing_khz=60.0)
    assert float((correlation(gains(wrong)) - stated).abs().max()) > 3 * margin


def test_seeds_reproduce_it_and_receivers_undo_it() -> None:
    sent = torch.randn(4, 120, dtype=torch.complex64, generator=rng(5))
    for csi in ("perfect", "ls", "mmse"):
        link = parse_link(f"tdl:model=C,delay_spread_ns=300,csi={csi},equaliser=zf,pilots=4")
        first, again = (link(sent, 60.0, rng(7)).received for _ in range(2))
        assert torch.equal(first, again) and not torch.equal(first, link(sent, 60.0, rng(8)).received)
        assert float((first - sent).abs().square().mean()) < 1e-3, csi
    blind = Link(TDL("C", 300.0), csi="none")
    assert float((blind(sent, 60.0, rng(7)).received - sent).abs().square().mean()) > 0.1


def test_the_prefix_is_as_long_as_the_longest_delay() -> None:
    """TDL-A at 100 ns lasts 966 ns, which is 1.85 samples of 64 x 30 kHz."""
    assert bandwidth(64, 64, link=parse_link("tdl:model=A")).overhead == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tdl:model=F", "no TDL model named 'F'"),
        ("tdl:delay_spread_ns=0", "delay_spread_ns must lie above 0"),
        ("tdl:spacing_khz=nan", "spacing_khz must lie above 0"),
        ("tdl:subcarriers=0", "subcarriers must be a whole number"),
        ("tdl:delay_spread_ns=50000", "exceeds an OFDM symbol"),
        ("tdl:delay_spread_ns=1000,csi=ls,pilots=16", "need pilots at least at every"),
    ],
)
def test_settings_out_of_range_are_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_link(text)


def test_without_sionna_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sionna.phy.channel.tr38901", None)
    with pytest.raises(SionnaMissing, match=r"pip install 'semveil\[channels\]'"):
        parse_link("tdl")


def test_bobs_picture_survives_it() -> None:
    from semveil.methods.dp_semcom import DPSemCom
    from semveil.models.face import load_model

    method = DPSemCom(load_model(), protection="rotation")
    codes = method.model.public_latents(4, rng=rng(1))
    images = method.synthesize(method.model.box.clip(codes)).clamp(-1, 1)
    heard = method.transmit(
        images, codes=codes, snr_db=25.0, run=1, bob_channel="tdl:model=C,csi=mmse,pilots=4"
    )
    error = (heard.bob.clamp(-1, 1) - images).square().mean()
    assert float(error) < 0.1 * float((heard.eve.clamp(-1, 1) - images).square().mean())
