# SPDX-License-Identifier: Apache-2.0
"""Several antennas and maximum-ratio combining, against the closed forms."""

import math

import pytest
import torch

from semveil.channels import parse_link
from semveil.channels.channel import AWGN
from semveil.channels.receiver import Link

COUNT = 40_000


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def combined(text: str, snr_db: float, *, length: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sent symbols, received ones, and the SNR after combining, one for each message."""
    symbols = torch.randn(COUNT, length, dtype=torch.complex64, generator=rng())
    received, state = parse_link(text)(symbols, snr_db, torch.Generator().manual_seed(1))
    return symbols, received, (state.gain.abs().square() / state.noise_power).flatten()


@pytest.mark.parametrize("antennas", [1, 2, 4])
def test_snr_adds_up_and_its_outage_is_a_gamma_laws(antennas: int) -> None:
    """Over Rayleigh fading it is a sum of exponentials:
    P(SNR < x) = 1 - e^-t sum of t^k / k!, t = x / mean.
    """
    sent, received, snr = combined(f"rayleigh:csi=perfect,equaliser=zf,antennas={antennas}", 10.0)
    assert float(snr.mean()) == pytest.approx(10.0 * antennas, rel=5 / math.sqrt(COUNT * antennas))
    for threshold in (3.0, 10.0):
        t = threshold / 10.0
        outage = 1 - math.exp(-t) * sum(t**k / math.factorial(k) for k in range(antennas))
        assert float((snr < threshold).float().mean()) == pytest.approx(
            outage, abs=4 * math.sqrt(outage / COUNT)
        )
    error = (received - sent).abs().square().flatten()
    kept = snr > 3  # the mean of 1 / SNR of one antenna is infinite
    assert float(error[kept].mean()) == pytest.approx(float((1 / snr[kept]).mean()), rel=0.03)


def test_on_awgn_four_antennas_are_worth_six_db() -> None:
    errors = [
        (r - s).abs().square().mean() for s, r, _ in (combined(f"awgn:antennas={a}", 10.0) for a in (1, 4))
    ]
    assert float(errors[0] / errors[1]) == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("csi", ["ls", "mmse"])
def test_pilots_serve_every_antenna(csi: str) -> None:
    text = f"rayleigh:coherence=8,csi={csi},equaliser=mmse,pilots=4"
    error = []
    for antennas in (1, 2, 4):
        sent, received, _ = combined(f"{text},antennas={antennas}", 10.0, length=12)
        error.append(float((received - sent).abs().square().mean()))
    assert error[0] > 1.3 * error[1] > 1.3 * 1.3 * error[2]
    assert parse_link(text).uses(12) == parse_link(f"{text},antennas=4").uses(12)


def test_one_antenna_is_the_link_as_it_was_and_none_is_refused() -> None:
    symbols = torch.randn(3, 20, dtype=torch.complex64, generator=rng())
    plain, one = (Link(AWGN(), **more)(symbols, 5.0, rng()).received for more in ({}, {"antennas": 1}))
    assert torch.equal(plain, one)
    for antennas in (0, 1_000_000):
        with pytest.raises(ValueError, match="1 to 256 antennas"):
            Link(antennas=antennas)
    with pytest.raises(ValueError, match="whole number"):
        parse_link("awgn:antennas=two")
