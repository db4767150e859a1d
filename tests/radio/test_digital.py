# SPDX-License-Identifier: Apache-2.0
"""The digital baseline: codecs within their budget, rates against closed forms, sealing, and the cliff."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from skimage import data

from semveil.channels import Fading, Link
from semveil.radio.codecs import CODECS, code, open_picture
from semveil.radio.digital import (
    SEAL_BYTES,
    AtCapacity,
    at_capacity,
    by_ldpc,
    seal_picture,
    shown_picture,
    spectral_efficiency,
    unseal,
)
from semveil.radio.mcs import SCHEMES, choose_scheme, link_efficiency

FACE = np.ascontiguousarray(data.astronaut()[0:192:3, 160:352:3])
KEY = bytes(range(32))
here = pytest.mark.parametrize("codec", [name for name in CODECS if CODECS[name].available()])


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean((a.astype(float) - b) ** 2))


@here
def test_more_bytes_give_a_better_picture(codec):
    coded = [code(FACE, codec, budget) for budget in (1200, 2400, 6000)]
    assert all(len(c.file) <= budget for c, budget in zip(coded, (1200, 2400, 6000), strict=True))
    errors = [error(open_picture(c.file), FACE) for c in coded]
    assert errors == sorted(errors, reverse=True) and errors[0] < 600 and errors[-1] < 60
    assert all(0 < c.header < len(c.file) for c in coded)
    assert code(FACE, codec, 40) is None


@here
def test_headers_are_what_a_blank_picture_costs_about(codec):
    """A grey picture has next to no body; optimised tables make a JPEG's header depend on the picture."""
    blank, face = code(np.full_like(FACE, 128), codec, 10_000), code(FACE, codec, 2400)
    assert len(blank.file) - blank.header < 130
    assert abs(face.header - blank.header) < 350


def test_a_codec_that_is_none_is_named():
    with pytest.raises(ValueError, match="did you mean 'jpeg'"):
        code(FACE, "jpg", 1000)


@pytest.mark.parametrize("snr_db", [0.0, 13.0])
def test_the_rate_is_mutual_information_and_outage_is_exponential(snr_db):
    """Gaussian input: h(y) - h(n) by integration;
    and the share of fades that do not carry the outage rate.
    """
    snr = 10 ** (snr_db / 10)

    def entropy(variance: float) -> float:  # of one real axis, bits
        law = stats.norm(scale=math.sqrt(variance / 2))
        return -integrate.quad(lambda x: law.pdf(x) * law.logpdf(x), -40, 40, limit=400)[0] / math.log(2)

    assert spectral_efficiency(snr_db) == pytest.approx(2 * (entropy(snr + 1) - entropy(1.0)), abs=1e-6)
    fades = np.random.default_rng(0).exponential(size=100_000)
    failed = int((np.log2(1 + snr * fades) < spectral_efficiency(snr_db, outage=0.1)).sum())
    low, high = stats.binom.interval(1 - 1e-6, 100_000, 0.1)
    assert low <= failed <= high
    with pytest.raises(ValueError, match="outage"):
        spectral_efficiency(snr_db, outage=0.0)


@here
def test_the_cliff(codec):
    """Made for 10 dB: perfect from there on, nothing below, however little."""
    carrier = at_capacity(Link(), 3000, 10.0, outage=0.0)
    sealed = seal_picture(FACE, KEY, codec=codec, size=carrier.size)
    assert len(sealed.data) == carrier.size == int(3000 * spectral_efficiency(10.0) / 8)
    assert 0 < sealed.header < sealed.file <= carrier.size - SEAL_BYTES - 1
    pictures = {
        s: shown_picture(carrier.send(sealed.data, Link(), s, rng()), KEY, FACE.shape)
        for s in (9.9, 10.0, 25.0)
    }
    assert (pictures[9.9] == 128).all() and error(pictures[10.0], FACE) < 400
    np.testing.assert_array_equal(pictures[10.0], pictures[25.0])
    assert seal_picture(FACE, KEY, codec=codec, size=20) is None
    assert (shown_picture(None, KEY, FACE.shape) == 128).all()


def test_what_is_sealed_shows_nothing_and_cannot_be_altered():
    sealed = seal_picture(FACE, KEY, codec="jpeg", size=2500)
    plain = code(FACE, "jpeg", 2500 - SEAL_BYTES - 1).file
    assert plain[:20] not in sealed.data and len(plain) == sealed.file
    np.testing.assert_array_equal(shown_picture(sealed.data, KEY, FACE.shape), open_picture(plain))
    again = seal_picture(FACE, KEY, codec="jpeg", size=2500)
    assert again.data != sealed.data  # a new nonce
    altered = sealed.data[:50] + bytes([sealed.data[50] ^ 1]) + sealed.data[51:]
    assert (
        unseal(sealed.data, KEY) and unseal(altered, KEY) is None and unseal(sealed.data, bytes(32)) is None
    )
    assert (shown_picture(altered, KEY, FACE.shape) == 128).all()


def test_the_rate_of_a_link_is_that_of_the_closed_forms():
    """AWGN exactly; flat Rayleigh fading by the exponential law, within what 1,000 realisations tell."""
    assert link_efficiency(Link(), 13.0, 50, outage=0.3) == pytest.approx(spectral_efficiency(13.0), rel=1e-6)
    low, high = (
        spectral_efficiency(13.0, outage=o)
        for o in np.array(stats.binom.interval(1 - 1e-6, 1000, 0.1)) / 1000
    )
    assert low < link_efficiency(Link(Fading()), 13.0, 50, outage=0.1) < high
    blocks = link_efficiency(Link(Fading(coherence=5)), 13.0, 50, outage=0.1)
    ergodic = integrate.quad(lambda g: math.exp(-g) * math.log2(1 + 10**1.3 * g), 0, 60)[0]
    assert high < blocks < ergodic  # ten fades are some diversity
    with pytest.raises(ValueError, match="outage"):
        link_efficiency(Link(), 13.0, 50, outage=1.0)


def test_messages_fail_as_often_as_the_outage_allows():
    link = Link(Fading())
    carrier, source = AtCapacity(20, link_efficiency(link, 10.0, 20, outage=0.2)), rng()
    lost = sum(carrier.send(b"", link, 10.0, source) is None for _ in range(1500))
    low, high = stats.binom.interval(1 - 1e-6, 1500, 0.2)
    assert low * 0.7 < lost < high * 1.3  # the rate itself is read from 1,000 realisations


def test_schemes_rise_and_are_chosen_below_capacity():
    efficiencies = [scheme.efficiency for scheme in SCHEMES]
    # as the standard's table has it
    assert len(SCHEMES) == 26 and max(efficiencies) == pytest.approx(7.4063, abs=1e-4)
    for capacity in (0.7, 2.5, 5.0, 9.0):
        chosen = choose_scheme(capacity)
        assert chosen.efficiency <= capacity
        assert not [e for e in efficiencies if chosen.efficiency < e <= capacity]
    assert choose_scheme(0.5) is None
    assert by_ldpc(Link(), 500, -9.0, outage=0.0) is None
