"""The digital baseline: codecs within their budget, rates against closed forms, sealing, and the cliff."""

import math

import numpy as np
import pytest
from cryptography.exceptions import InvalidTag
from scipy import integrate, stats
from skimage import data

from semveil.radio.codecs import CODECS, code, open_picture
from semveil.radio.digital import SEAL_BYTES, open_picture_at, seal_picture, spectral_efficiency

FACE = np.ascontiguousarray(data.astronaut()[0:192:3, 160:352:3])
KEY = bytes(range(32))
here = pytest.mark.parametrize("codec", [name for name in CODECS if CODECS[name].available()])


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
    """Gaussian input: h(y) - h(n) by integration; and the share of fades that do not carry the outage rate."""
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
    uses, rate = 3000, spectral_efficiency(10.0)
    sealed = seal_picture(FACE, KEY, codec=codec, uses=uses, rate=rate)
    assert len(sealed.data) * 8 <= uses * rate
    pictures = {s: open_picture_at(sealed, KEY, FACE.shape, rate=spectral_efficiency(s)) for s in (9.9, 10.0, 25.0)}
    assert (pictures[9.9] == 128).all() and error(pictures[10.0], FACE) < 400
    np.testing.assert_array_equal(pictures[10.0], pictures[25.0])
    assert seal_picture(FACE, KEY, codec=codec, uses=20, rate=rate) is None
    assert (open_picture_at(None, KEY, FACE.shape, rate=99.0) == 128).all()


def test_what_is_sealed_shows_nothing_and_cannot_be_altered():
    sealed = seal_picture(FACE, KEY, codec="jpeg", uses=4000, rate=5.0)
    plain = code(FACE, "jpeg", 2500 - SEAL_BYTES).file
    assert plain[:20] not in sealed.data and len(sealed.data) == len(plain) + SEAL_BYTES
    again = seal_picture(FACE, KEY, codec="jpeg", uses=4000, rate=5.0)
    assert again.data != sealed.data  # a new nonce
    with pytest.raises(InvalidTag):
        open_picture_at(sealed, bytes(32), FACE.shape, rate=9.0)
    altered = type(sealed)(sealed.data[:50] + bytes([sealed.data[50] ^ 1]) + sealed.data[51:], sealed.header, sealed.rate)
    with pytest.raises(InvalidTag):
        open_picture_at(altered, KEY, FACE.shape, rate=9.0)
