"""dp-semcom from photo to Bob and Eve, on a small random model."""

import math

import pytest
import torch

import semveil
from semveil.core.privacy import Basis
from semveil.methods.dp_semcom import PRIVATE_CODES, DPSemCom, Transmission
from semveil.methods.face_model import load_model
from semveil.protection.linear_pair import LinearPair

PHOTOS = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def model(tiny_model_folder):
    return load_model(str(tiny_model_folder))


def identity_pair(model, **options) -> LinearPair:
    return LinearPair(DPSemCom(model, protection="none", **options).pair_settings(start="identity"))


def test_without_noise_bob_gets_the_inversion(model):
    method = DPSemCom(model, protection="none")
    result = method.transmit(PHOTOS, snr_db=math.inf, run=1)
    for party in ("direct", "bob", "eve"):
        torch.testing.assert_close(getattr(result, party), result.inverted, atol=1e-4, rtol=1e-4)


def test_send_and_receive_are_two_halves_of_transmit(model):
    method = DPSemCom(model, pair=identity_pair(model))
    sent = method.send(PHOTOS)
    assert sent.symbols.shape == (3, 28 * 8 // 2)
    torch.testing.assert_close(sent.symbols.abs().square().mean(1), torch.ones(3))
    inverted = method.transmit(PHOTOS, run=0).inverted
    torch.testing.assert_close(method.receive(sent), inverted, atol=1e-4, rtol=1e-4)


def test_channel_error_per_code_is_what_the_snr_says(model):
    """Latents of rms r at S dB: error per coordinate has standard deviation r 10^(-S/20)."""
    method = DPSemCom(model, protection="none")
    codes = torch.randn(400, 28, 8, generator=torch.Generator().manual_seed(3)).clamp(-2, 2)
    sent = method.send_codes(codes)
    noise = torch.complex(*(torch.randn(2, *sent.symbols.shape, generator=torch.Generator().manual_seed(4)) * 0.5**0.5))
    received = method._received(Transmission(sent.symbols + 0.1 * noise, sent.gains, sent.guarantee))
    expected = 0.1 * codes.square().mean((1, 2)).sqrt()
    ratio = (received - codes).square().mean((1, 2)).sqrt() / expected
    assert (ratio.mean() - 1).abs() < 5 / (2 * codes.numel()) ** 0.5


def test_only_private_codes_change(model):
    method = DPSemCom(model, epsilon=1.0, protection="laplace")
    codes = torch.randn(2, 28, 8, generator=torch.Generator().manual_seed(5))
    change = method.protect(codes, rng=torch.Generator().manual_seed(6)) - model.box.clip(codes)
    changed = (change != 0).any(2).any(0)
    assert changed.nonzero().flatten().tolist() == list(PRIVATE_CODES)


@pytest.mark.parametrize("calibration", ["as_published", "corrected"])
def test_laplace_noise_has_the_scale_of_its_calibration(model, calibration):
    """Mean |noise| of n draws estimates the scale with relative standard error 1 / sqrt(n); a halved scale is told apart."""
    method = DPSemCom(model, epsilon=2.0, calibration=calibration, protection="laplace")
    width = model.box.upper - model.box.lower
    scale = {"as_published": width * (28 * 8) ** 0.5 / 2, "corrected": width * 7 * 8 / 2}[calibration]
    codes = torch.zeros(500, 28, 8)
    noise = method.protect(codes, rng=torch.Generator().manual_seed(7))[:, list(PRIVATE_CODES)]
    tolerance = 5 / noise.numel() ** 0.5
    assert float(noise.abs().mean()) == pytest.approx(scale, rel=tolerance)
    assert float(noise.abs().mean()) / 2 != pytest.approx(scale, rel=tolerance)


def test_guarantees_claim_no_more_than_holds(model):
    nothing, trained = (
        DPSemCom(model, protection=p, pair=q).guarantee() for p, q in (("none", None), ("nn", identity_pair(model)))
    )
    noise = DPSemCom(model, epsilon=3.0, calibration="corrected", protection="laplace").guarantee()
    assert nothing.epsilon is None and trained.epsilon is None
    assert trained.basis == nothing.basis == Basis.NONE
    assert "deterministic" in trained.summary()
    assert noise.epsilon == pytest.approx(3.0) and noise.basis == Basis.SIMULATION
    assert noise.whole_record_epsilon is None  # the common codes are in clear
    everything = DPSemCom(model, epsilon=3.0, calibration="corrected", protection="laplace", private_codes=range(28))
    assert everything.guarantee().whole_record_epsilon == pytest.approx(3.0)


def test_streams_are_independent_and_reproducible(model):
    method = DPSemCom(model, protection="none")
    codes = torch.randn(2, 28, 8, generator=torch.Generator().manual_seed(8))
    first, again, other = (method.transmit(PHOTOS[:2], codes=codes, run=seed) for seed in (1, 1, 2))
    assert torch.equal(first.bob, again.bob) and torch.equal(first.eve, again.eve)
    assert not torch.equal(first.bob, first.eve) and not torch.equal(first.bob, other.bob)


def test_photos_are_left_as_they_are(model):
    before = PHOTOS.clone()
    DPSemCom(model, protection="laplace").transmit(PHOTOS, run=0)
    assert torch.equal(before, PHOTOS)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"protection": "lapalce"}, "did you mean 'laplace'"),
        ({"calibration": "corect"}, "did you mean 'corrected'"),
        ({"private_codes": (3, 28), "protection": "none"}, r"0\.\.27"),
        ({"private_codes": (), "protection": "none"}, "one or more"),
        ({"epsilon": 0.0, "protection": "none"}, "epsilon"),
    ],
)
def test_wrong_options_are_named(model, options, match):
    with pytest.raises(ValueError, match=match):
        DPSemCom(model, **options)


def test_wrong_photo_sizes_are_named(model):
    with pytest.raises(ValueError, match=r"\(B, 3, 32, 32\)"):
        DPSemCom(model, protection="none").send(torch.zeros(1, 3, 64, 64))


def test_a_pair_for_other_codes_is_refused(model):
    with pytest.raises(ValueError, match="not"):
        DPSemCom(model, pair=identity_pair(model), private_codes=(0, 1))


def test_load_method(tiny_model_folder):
    method = semveil.load_method("dp-semcom", str(tiny_model_folder), protection="none")
    assert isinstance(method, DPSemCom) and method.model.size == 32
