# SPDX-License-Identifier: Apache-2.0
"""dp-semcom from photo to Bob and Eve, on a small random model."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import semveil
from semveil.channels import KeyedPart, MessageError, read_message, write_message
from semveil.core.errors import KeyProblem
from semveil.keys import MessageKeys
from semveil.methods.dp_semcom import PRIVATE_CODES, DPSemCom, pair_settings
from semveil.methods.messages import guarantee_of, heard, method_for_bob, to_message
from semveil.methods.protections import PROTECTIONS
from semveil.methods.shared_key import SharedKey
from semveil.methods.transmission import Transmission
from semveil.models.face import load_model
from semveil.privacy.guarantee import Basis, Guarantee
from semveil.protection.linear_pair import LinearPair
from semveil.protection.rotation import MASK_DEVIATION

KEYED = [name for name, kind in PROTECTIONS.items() if kind.keyed]
NOISY = [name for name, kind in PROTECTIONS.items() if kind.genuine_noise]

PHOTOS = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def model(tiny_model_folder):
    return load_model(str(tiny_model_folder))


def identity_pair(model, **options) -> LinearPair:
    return LinearPair(pair_settings(model, start="identity", **options))


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
    noise = torch.complex(
        *(torch.randn(2, *sent.symbols.shape, generator=torch.Generator().manual_seed(4)) * 0.5**0.5)
    )
    received = method.heard_codes(Transmission(sent.symbols + 0.1 * noise, sent.gains, sent.guarantee))
    expected = 0.1 * codes.square().mean((1, 2)).sqrt()
    ratio = (received - codes).square().mean((1, 2)).sqrt() / expected
    assert (ratio.mean() - 1).abs() < 5 / (2 * codes.numel()) ** 0.5


def test_only_private_codes_change(model):
    method = DPSemCom(model, epsilon=1.0, protection="laplace")
    codes = torch.randn(2, 28, 8, generator=torch.Generator().manual_seed(5))
    change = method.heard_codes(
        method.send_codes(codes, rng=torch.Generator().manual_seed(6))
    ) - model.box.clip(codes)
    changed = (change.abs() > 1e-3).any(2).any(0)
    assert changed.nonzero().flatten().tolist() == list(PRIVATE_CODES)


@pytest.mark.parametrize("calibration", ["as_published", "corrected"])
def test_laplace_noise_has_the_scale_of_its_calibration(model, calibration):
    """Mean |noise| of n draws estimates the scale with relative standard error 1 / sqrt(n); a halved scale is
    told apart.
    """
    method = DPSemCom(model, epsilon=2.0, calibration=calibration, protection="laplace")
    width = model.box.upper - model.box.lower
    scale = {"as_published": width * (28 * 8) ** 0.5 / 2, "corrected": width * 7 * 8 / 2}[calibration]
    codes = torch.zeros(500, 28, 8)
    noise = method.heard_codes(method.send_codes(codes, rng=torch.Generator().manual_seed(7)))[
        :, list(PRIVATE_CODES)
    ]
    tolerance = 5 / noise.numel() ** 0.5
    assert float(noise.abs().mean()) == pytest.approx(scale, rel=tolerance)
    assert float(noise.abs().mean()) / 2 != pytest.approx(scale, rel=tolerance)


def test_guarantees_claim_no_more_than_holds(model):
    nothing, trained = (
        DPSemCom(model, protection=p, pair=q).guarantee()
        for p, q in (("none", None), ("nn", identity_pair(model)))
    )
    noise = DPSemCom(model, epsilon=3.0, calibration="corrected", protection="laplace").guarantee()
    assert nothing.epsilon is None and trained.epsilon is None
    assert trained.basis == nothing.basis == Basis.NONE
    assert "deterministic" in trained.summary()
    assert noise.epsilon == pytest.approx(3.0) and noise.basis == Basis.PROVED
    assert noise.whole_record_epsilon is None  # the common codes are in clear
    everything = DPSemCom(
        model, epsilon=3.0, calibration="corrected", protection="laplace", private_codes=range(28)
    )
    assert everything.guarantee().whole_record_epsilon == pytest.approx(3.0)


@pytest.mark.parametrize("protection", NOISY)
def test_a_seeded_stream_is_a_simulation_and_claims_no_more(model, protection):
    method = DPSemCom(model, epsilon=2.0, protection=protection)
    codes = torch.ones(1, 28, 8)
    assert method.send_codes(codes).guarantee.basis == Basis.PROVED
    assert method.send_codes(codes, rng=torch.Generator().manual_seed(0)).guarantee.basis == Basis.SIMULATION
    assert method.transmit(PHOTOS[:1], codes=codes, run=0).transmission.guarantee.basis == Basis.SIMULATION
    assert method.transmit(PHOTOS[:1], codes=codes).transmission.guarantee.basis == Basis.PROVED


def test_released_noise_is_new_every_time(model):
    method, codes = DPSemCom(model, protection="laplace"), torch.ones(1, 28, 8)
    assert not torch.equal(method.send_codes(codes).symbols, method.send_codes(codes).symbols)


def test_a_budget_by_part_protects_its_parts_and_adds_up(model):
    method = DPSemCom(model, budget={"skin": 5.0, "eyes": 3.0, "shared": 2.0})
    assert method.protection == "laplace" and method.private_codes == (0, 1, 4, 5, 6, 7)
    assert method.guarantee().epsilon == pytest.approx(10.0) and method.nominal_epsilon == 10.0
    change = method.heard_codes(method.send_codes(torch.zeros(300, 28, 8))).abs().mean((0, 2))
    width = model.box.upper - model.box.lower
    # mean |noise| is the scale: a part's width over its epsilon
    expected = [width * 16 / epsilon for epsilon in (2, 5, 3)]
    for codes, scale in zip(((0, 1), (4, 5), (6, 7)), expected, strict=True):
        assert float(change[list(codes)].mean()) == pytest.approx(scale, rel=5 / (300 * 16) ** 0.5)


KEYED_OPTIONS = [
    {"protection": "rotation", "private_codes": PRIVATE_CODES},
    {"protection": "modulo", "private_codes": PRIVATE_CODES},
    {"protection": "modulo", "epsilon": 20.0, "private_codes": PRIVATE_CODES},
]


@pytest.mark.parametrize("options", KEYED_OPTIONS, ids=str)
@pytest.mark.parametrize("authenticate", [True, False])
def test_bob_undoes_keyed_protection_and_eve_does_not(model, options, authenticate):
    key = SharedKey.fresh()
    alice, bob = (DPSemCom(model, key=key, authenticate=authenticate, **options) for _ in range(2))
    codes = model.box.clip(torch.randn(4, 28, 8, generator=torch.Generator().manual_seed(9)))
    sent = alice.send_codes(codes)
    private, heard = list(PRIVATE_CODES), bob.heard_codes(sent)[:, list(PRIVATE_CODES)]
    opened = bob.protector.deprotect(heard, sent.keyed, sent.bound())
    spread = float(codes[:, private].std())
    assert float((opened - codes[:, private]).abs().max()) < 0.02 * spread
    assert float((bob.protector.interpret(heard) - codes[:, private]).square().mean().sqrt()) > 0.5 * spread
    assert torch.equal(bob.receive(sent), bob.receive(sent))


@pytest.mark.parametrize("protection", KEYED)
def test_under_a_key_nothing_goes_in_clear_unless_asked(model, protection):
    hidden = DPSemCom(model, protection=protection)
    assert hidden.private_codes == tuple(range(28)) and hidden.guarantee().whole_record_epsilon == 0
    partly = DPSemCom(model, protection=protection, private_codes=PRIVATE_CODES)
    assert partly.guarantee().whole_record_epsilon is None
    assert DPSemCom(model, key=SharedKey.fresh()).protection == "rotation"


@pytest.mark.parametrize("options", KEYED_OPTIONS, ids=str)
def test_a_wrong_key_is_found_out_or_denied(model, options):
    sent = DPSemCom(model, **options).send_codes(torch.ones(1, 28, 8))
    stranger = DPSemCom(model, **options)
    with pytest.raises(KeyProblem, match="does not fit"):
        stranger.receive(sent)
    deniable = DPSemCom(model, authenticate=False, **options).send_codes(torch.ones(1, 28, 8))
    with pytest.raises(MessageError, match="deniable"):
        stranger.receive(deniable)
    other = DPSemCom(model, authenticate=False, **options)
    assert other.receive(deniable).isfinite().all()  # some picture, and no sign that the key is wrong


def test_side_information_is_bound_to_gains_and_guarantee(model):
    """Whoever changes what is said about the symbols is found out; the symbols themselves are analogue."""
    method = DPSemCom(model, protection="rotation", private_codes=PRIVATE_CODES)
    sent = method.send_codes(torch.ones(1, 28, 8))
    method.receive(replace(sent, symbols=sent.symbols * 1.01))
    forged = Guarantee(0.0, "all codes", Basis.PROVED)
    for change in ({"gains": sent.gains * 1.01}, {"guarantee": forged}, {"keyed": altered(sent.keyed)}):
        with pytest.raises(KeyProblem):
            method.receive(replace(sent, **change))


@pytest.mark.parametrize("authenticate", [True, False])
@pytest.mark.parametrize("length", [0, 19, 21, 36, 65_536])
def test_side_information_of_another_length_is_never_tried_with_a_key(
    model, monkeypatch, authenticate, length
):
    """A long text can be made to open under thousands of passphrases; whether Bob's is one of them must not
    show.
    """
    alice = DPSemCom(model, authenticate=authenticate, protection="rotation")
    sent = alice.send_codes(torch.ones(1, 28, 8))
    true_length = 4 * 28 + (16 if authenticate else 0)  # a norm for each code, and the tag
    assert len(sent.keyed.sealed) == true_length
    forged = replace(sent, keyed=replace(sent.keyed, sealed=bytes(length)))
    tried = []
    for name in ("open", "unmask", "keystream"):
        true = getattr(MessageKeys, name)
        monkeypatch.setattr(
            MessageKeys, name, lambda self, *a, true=true, name=name: tried.append(name) or true(self, *a)
        )
    with pytest.raises(MessageError, match=f"has {true_length} bytes, here are {length}"):
        alice.receive(forged)
    assert tried == []
    alice.receive(sent)
    assert tried  # the control: what is as long as it must be is opened


def test_messages_of_the_last_version_still_open(tmp_path):
    """The seal is bound to the guarantee as that version wrote it."""
    old = Path(__file__).parents[1] / "privacy" / "old"
    key = tmp_path / "message.key"
    key.touch(mode=0o600)
    key.write_bytes((old / "message.key").read_bytes())
    message = read_message(old / "tiny-32.svl")
    assert guarantee_of(message).whole_record_epsilon == 0
    bob = method_for_bob(message, load_model(str(old / "tiny-32")), key=SharedKey.from_file(key))
    sent = heard(message, snr_db=200.0)
    opened = bob.protector.deprotect(bob.heard_codes(sent), sent.keyed, sent.bound())
    assert float(opened.abs().max()) < 0.05  # it was made of latents that are all 0


def test_a_message_of_a_model_that_is_no_longer_bundled_is_refused_by_name():
    message = read_message(Path(__file__).parents[1] / "privacy" / "old" / "message.svl")
    with pytest.raises(MessageError, match=r"made with model faces-64 of hash .*give Alice's with --model"):
        method_for_bob(message, load_model(), key=SharedKey.fresh())


def altered(keyed: KeyedPart) -> KeyedPart:
    return replace(keyed, sealed=bytes([keyed.sealed[0] ^ 1]) + keyed.sealed[1:])


def test_the_same_photo_twice_gives_unrelated_signals(model):
    """Correlation of two messages' private blocks: 56 coordinates, so beyond 5 / sqrt(56) with a chance below
    1e-4.
    """
    codes = model.public_latents(1, rng=torch.Generator().manual_seed(1))
    private = list(PRIVATE_CODES)
    for options, related in ((KEYED_OPTIONS[0], False), ({"pair": identity_pair(model)}, True)):
        method = DPSemCom(model, **options)
        first, second = (
            method.heard_codes(method.send_codes(codes))[:, private].flatten().detach() for _ in range(2)
        )
        correlation = float(torch.corrcoef(torch.stack([first, second]))[0, 1])
        assert (abs(correlation) > 5 / 56**0.5) == related


def test_gains_tell_nothing_of_the_private_block(model):
    """With rotation the power sent in the private block is public up to the mask, so the gain follows from
    the common codes.
    """
    method = DPSemCom(model, protection="rotation", private_codes=PRIVATE_CODES)
    codes = torch.full((2, 28, 8), 0.1)
    codes[1, list(PRIVATE_CODES)] = 1.5
    gains = torch.stack([method.send_codes(codes).gains for _ in range(20)])
    assert float((gains[:, 0].mean() / gains[:, 1].mean() - 1).abs()) < 0.02
    plain = DPSemCom(model, protection="none").send_codes(codes + 0.1).gains
    assert float((plain[0] / plain[1] - 1).abs()) > 0.1


def test_power_and_energy_of_each_code_tell_nothing_of_the_private_block(model):
    """Equal up to the masks for any two photos with equal common codes; not so without protection."""
    codes = torch.full((2, 28, 8), 0.1)
    codes[1, list(PRIVATE_CODES)] = 1.5
    codes[1, 0] = 0.0

    def ratios(method):
        sent = [method.send_codes(codes).symbols.unflatten(1, (28, 4)) for _ in range(60)]
        energies = torch.stack(sent).abs().square().sum(3).mean(0)
        return energies[0] / energies[1]

    # a code's energy varies by 2 MASK_DEVIATION / sqrt(8) about, the common ones' through the gain alone
    bound = 6 * 2 * MASK_DEVIATION / math.sqrt(8) * math.sqrt(2 / 60)
    assert (
        float((ratios(DPSemCom(model, protection="rotation", private_codes=PRIVATE_CODES)) - 1).abs().max())
        < bound
    )
    assert float((ratios(DPSemCom(model, protection="none")) - 1).abs().max()) > 5 * bound


def test_messages_with_one_rotation_for_all_codes_are_still_read(model, tmp_path):
    key, codes = SharedKey.fresh(), model.public_latents(2, rng=torch.Generator().manual_seed(3))
    alice = DPSemCom(model, key=key, protection="rotation", rotations="block")
    write_message(tmp_path / "old.svl", to_message(alice, alice.send_codes(codes)))
    old = read_message(tmp_path / "old.svl")
    assert "rotations" not in old.keyed.parameters
    bob = method_for_bob(old, model, key=key)
    sent = heard(old, snr_db=200.0)
    read = bob.protector.deprotect(bob.heard_codes(sent), sent.keyed, sent.bound())
    torch.testing.assert_close(read, model.box.clip(codes), atol=0.01, rtol=0)
    alice = DPSemCom(model, key=key)
    new = to_message(alice, alice.send_codes(codes))
    assert new.keyed.parameters["rotations"] == "code" and len(new.keyed.sealed) == 2 * 28 * 4 + 16
    forged = replace(new, keyed=replace(new.keyed, parameters={**new.keyed.parameters, "rotations": "none"}))
    with pytest.raises(MessageError, match="rotations must be"):
        method_for_bob(forged, model, key=key)


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
        ({"private_codes": "01", "protection": "none"}, "one or more indices"),
        ({"private_codes": [0.5, 1.0], "protection": "none"}, "one or more indices"),
        ({"private_codes": 3, "protection": "none"}, "one or more indices"),
        ({"epsilon": 0.0, "protection": "laplace"}, "epsilon"),
        ({"epsilon": 3.0, "protection": "rotation"}, "no epsilon"),
        ({"calibration": "as_published", "protection": "gaussian"}, "no calibration"),
        ({"budget": {"skin": 1.0}, "protection": "gaussian"}, "budget"),
        ({"budget": {"skin": 1.0}, "epsilon": 2.0}, "leave epsilon out"),
        ({"budget": {"skin": 1.0}, "private_codes": (0,)}, "leave private_codes out"),
        ({"key": SharedKey.fresh(), "protection": "nn"}, "no key"),
    ],
)
def test_wrong_options_are_named(model, options, match):
    with pytest.raises(ValueError, match=match):
        DPSemCom(model, **options)


def test_received_images_can_be_trained_on_and_changed(model):
    result = DPSemCom(model, protection="none").transmit(PHOTOS)
    eraser = torch.nn.Conv2d(3, 3, 3)
    eraser(result.eve).square().mean().backward()
    assert eraser.weight.grad.isfinite().all()
    assert result.bob.clamp_(0, 1).min() == 0


@pytest.mark.parametrize("codes", [np.array([4, 0, 1]), torch.tensor([4, 0, 1])], ids=["numpy", "torch"])
@pytest.mark.parametrize("protection", ["rotation", "modulo", "laplace"])
def test_private_codes_may_be_an_array(model, protection, codes, tmp_path):
    method = DPSemCom(model, protection=protection, private_codes=codes)
    assert method.private_codes == (0, 1, 4) and all(type(code) is int for code in method.private_codes)
    write_message(tmp_path / "m.svl", to_message(method, method.send_codes(torch.zeros(1, 28, 8))))


def test_latents_and_messages_of_other_photos_are_refused(model):
    """More or fewer of them were paired with the photos silently."""
    method = DPSemCom(model, protection="none")
    codes = torch.full((3, 28, 8), 0.5)
    for given in ({"codes": codes[:1]}, {"codes": codes, "sent": method.send_codes(codes[:2])}):
        with pytest.raises(ValueError, match=r"3 photos with [12]"):
            method.transmit(PHOTOS, **given)
    with pytest.raises(ValueError, match="no photo"):
        method.transmit(PHOTOS[:0])


@pytest.mark.parametrize(
    ("codes", "match"),
    [
        (torch.zeros(28, 8), r"\(B, 28, 8\) for"),
        (torch.zeros(2, 5, 8), r"\(B, 28, 8\) for"),
        (torch.zeros(2, 28, 8, dtype=torch.int32), "floating-point"),
    ],
)
def test_wrong_latents_are_named(model, codes, match):
    with pytest.raises(ValueError, match=match):
        DPSemCom(model, protection="none").send_codes(codes)


def test_the_layout_of_a_photo_in_memory_does_not_matter(model):
    pixels = PHOTOS.permute(0, 2, 3, 1).contiguous()  # as photos are read: (B, H, W, 3)
    method = DPSemCom(model, protection="none")
    assert torch.equal(method.invert(pixels.permute(0, 3, 1, 2)).codes, method.invert(PHOTOS).codes)


@pytest.mark.parametrize("epsilon", [0.1, 1, 3, 5, 7, 10, 12.5])
def test_noise_costs_no_more_than_what_was_asked_for(model, epsilon):
    for protection in NOISY:
        claim = DPSemCom(model, protection=protection, epsilon=epsilon).guarantee()
        assert epsilon * (1 - 1e-9) < claim.epsilon <= epsilon


def test_wrong_photo_sizes_are_named(model):
    with pytest.raises(ValueError, match=r"\(B, 3, 32, 32\)"):
        DPSemCom(model, protection="none").send(torch.zeros(1, 3, 64, 64))


def test_a_pair_for_other_codes_is_refused(model):
    with pytest.raises(ValueError, match="not"):
        DPSemCom(model, pair=identity_pair(model), private_codes=(0, 1))


def test_load_method(tiny_model_folder):
    method = semveil.load_method("dp-semcom", str(tiny_model_folder), protection="none")
    assert isinstance(method, DPSemCom) and method.model.size == 32


@pytest.mark.parametrize(("protection", "bits"), [("none", 32), ("modulo", 32 + 128 + 256)])
def test_side_information_is_counted_for_an_image_alone(protection: str, bits: int) -> None:
    """A tag and a nonce each, however many images share a message; norms only where rotations hide them."""
    method = DPSemCom(load_model(), protection=protection)
    codes = method.model.box.clip(method.model.public_latents(2, rng=torch.Generator().manual_seed(0)))
    assert method.send_codes(codes).side_bits() == method.send_codes(codes[:1]).side_bits() == bits
    rotated = DPSemCom(load_model(), protection="rotation").send_codes(codes)
    assert rotated.side_bits() == 32 + 128 + 256 + 28 * 32
    deniable = DPSemCom(load_model(), protection="rotation", authenticate=False).send_codes(codes)
    assert deniable.side_bits() == 32 + 256 + 28 * 32  # which has no tag
