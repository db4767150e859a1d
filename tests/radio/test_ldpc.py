# SPDX-License-Identifier: Apache-2.0
"""5G's LDPC code and QAM (extra `channels`): bytes come through at the SNR that they are chosen for, and not
below capacity.
"""

import math
import os
import warnings

import numpy as np
import pytest
import torch
from scipy import special, stats

from semveil.channels import Link, parse_link
from semveil.channels.sionna import SionnaMissing
from semveil.radio import ldpc
from semveil.radio.digital import by_ldpc, seal, unseal
from semveil.radio.ldpc import CodedModem
from semveil.radio.mcs import MARGIN_DB, SCHEMES, Scheme

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("sionna.phy", reason="needs sionna-no-rt: pip install 'semveil[channels]'")

pytestmark = pytest.mark.filterwarnings("ignore")


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def over(modem: CodedModem, data: bytes, link: Link, snr_db: float, source: torch.Generator) -> bytes:
    received, state = link(modem.modulate(data)[None], snr_db, source)
    return modem.demodulate(received[0], state)


@pytest.mark.parametrize(
    "scheme", [SCHEMES[0], SCHEMES[6], SCHEMES[14], SCHEMES[-1]], ids=lambda scheme: scheme.name
)
def test_the_margin_suffices_and_capacity_is_a_wall(scheme: Scheme) -> None:
    """Shannon: 1 dB below capacity no message of this length can come whole."""
    modem, source = CodedModem(scheme, 896), rng()
    limit = 10 * math.log10(2**scheme.efficiency - 1)
    for _ in range(3):
        data = os.urandom(modem.capacity)
        assert over(modem, data, Link(), limit + MARGIN_DB, source) == data
        assert over(modem, data, Link(), limit - 1.0, source) != data


def test_symbols_have_power_one_and_uncoded_errors_follow_the_closed_form() -> None:
    """16-QAM, hard decisions on the axes: error rate of a level 3/2 Q(sqrt(SNR / 5)); power within 5 standard
    errors.
    """
    modem, snr_db, source = CodedModem(Scheme(4, 0.9), 40_000), 12.0, rng()
    sent = modem.modulate(os.urandom(modem.capacity))
    spread = 0.32**0.5 / len(sent) ** 0.5  # |s|^2 of 16-QAM is .2, 1 or 1.8
    assert abs(float(sent.abs().square().mean()) - 1) < 5 * spread
    heard = Link()(sent[None], snr_db, source).received[0]
    levels = np.array([-3, -1, 1, 3]) / 10**0.5

    def nearest(values: torch.Tensor) -> np.ndarray:
        axes = torch.view_as_real(values).numpy().ravel()
        return np.abs(axes[:, None] - levels).argmin(1)

    wrong = int((nearest(heard) != nearest(sent)).sum())
    rate = 1.5 * special.ndtr(-((10 ** (snr_db / 10) / 5) ** 0.5))
    low, high = stats.binom.interval(1 - 1e-6, 2 * len(sent), rate)
    assert low <= wrong <= high


def test_over_fading_with_pilots_it_comes_through_with_the_outage_counted() -> None:
    link, source = parse_link("rayleigh:coherence=64,csi=mmse,pilots=8"), rng()
    carrier = by_ldpc(link, 896, 20.0, outage=0.05)
    came = [
        unseal(carrier.send(seal(bytes(carrier.size - 28), bytes(32)), link, 20.0, source), bytes(32))
        for _ in range(12)
    ]
    assert sum(plain is not None for plain in came) >= 9  # .05 of 12 is .6
    lost = [
        unseal(carrier.send(seal(bytes(carrier.size - 28), bytes(32)), link, 10.0, source), bytes(32))
        for _ in range(4)
    ]
    assert lost == [None] * 4


def test_several_code_blocks_are_one_message() -> None:
    modem = CodedModem(SCHEMES[-1], 4000)
    assert modem.blocks == 4
    data = os.urandom(modem.capacity)
    assert over(modem, data, Link(), 30.0, rng()) == data
    with pytest.raises(ValueError, match="the symbols carry"):
        modem.modulate(data[:-1])


def test_few_symbols_carry_nothing() -> None:
    assert CodedModem(SCHEMES[0], 30).capacity == 0


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sionna.phy.fec.ldpc", None)
    with pytest.raises(SionnaMissing, match=r"semveil\[channels\]"):
        ldpc.sionna()
