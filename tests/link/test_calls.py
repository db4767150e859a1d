# SPDX-License-Identifier: Apache-2.0
"""Calls on messages and images: attack, certify, an SNR for each image."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import semveil
from semveil.attacks import ATTACKS, Direct
from semveil.core.errors import OutputError
from semveil.data.certified import read_certificate
from semveil.methods.dp_semcom import DPSemCom, pair_settings
from semveil.models.face import FaceModel, load_model
from semveil.privacy.certificate import CertificateError
from semveil.protection.linear_pair import LinearPair

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def model(tiny_model_folder: Path) -> FaceModel:
    return load_model(str(tiny_model_folder))


def test_attack_takes_a_file_or_a_message(model: FaceModel, tmp_path: Path) -> None:
    sent = semveil.send(IMAGES, tmp_path / "m.svl", model=model, protection="none")
    options = {"attacks": ["direct", "denoise"], "known": 100, "seed": 1, "model": model}
    by_file = semveil.attack(tmp_path / "m.svl", tmp_path / "out", **options)
    in_memory = semveil.attack(sent.message, **options)
    assert [one.name for one in by_file.results] == ["direct", "denoise"]
    for one, other in zip(by_file.results, in_memory.results, strict=True):
        assert torch.equal(one.images, other.images)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "direct-1.png", "direct-2.png", "denoise-1.png", "denoise-2.png", "result.json",
    }  # fmt: skip
    assert in_memory.verdict is not None and in_memory.reference == "Bob's picture"
    assert in_memory.verdict.outcome == by_file.verdict.outcome == "partly undone"
    assert semveil.attack(sent.message, verifier=None, **options).verdict is None
    with pytest.raises(ValueError, match="no attack named 'dirct'"):
        semveil.attack(sent.message, attacks=["dirct"], model=model)


def test_an_attack_of_ones_own_is_the_one_that_runs(
    model: FaceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twice(Direct):
        name, knowledge, needs = "twice", "a network", ("protect",)

        def __init__(self, protect: Callable[[torch.Tensor], torch.Tensor]) -> None:
            self.protect = protect

        def __call__(self, observation, public, **_):
            codes = observation.received.clone()
            codes[:, public.private] = self.protect(codes[:, public.private])
            return codes

    class Short(Direct):
        name = "short"

        def __call__(self, observation, public, **_):
            return observation.received[:1]

    for attack in (Twice, Short):
        monkeypatch.setitem(ATTACKS._entries, attack.name, attack)
    pair = LinearPair(pair_settings(model, start="identity"))
    message = semveil.send(IMAGES, model=model, pair=pair).message
    asked = {"known": 10, "snr_db": 300.0, "seed": 0, "model": model, "pair": pair, "verifier": None}
    with pytest.raises(ValueError, match=r"'short' must return codes \(2, 28, 8\), got \(1, 28, 8\)"):
        semveil.attack(message, attacks="short", **asked)
    (found,) = semveil.attack(message, attacks="twice", **asked).results
    assert (found.name, found.knowledge, found.images.shape) == ("twice", "a network", IMAGES.shape)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_attacks_run_where_the_caller_needs_no_gradients(model: FaceModel, mode: Callable[[], Any]) -> None:
    pair = LinearPair(pair_settings(model, start="identity")).requires_grad_(False)
    message = semveil.send(IMAGES[:1], model=model, pair=pair).message
    asked = {"attacks": ["glass-box", "learned-same"], "known": 40, "seed": 0, "model": model, "pair": pair}
    with mode():
        found = semveil.attack(message, **asked, verifier=None).results
    assert len(found) == 2 and all(one.images.isfinite().all() for one in found)


def test_results_print_what_they_mean(model: FaceModel, tmp_path: Path) -> None:
    sent = semveil.send(IMAGES, tmp_path / "m.svl", model=model, protection="none")
    said = repr(sent)
    assert (
        said.startswith("Sent(2 images of 32 x 32 px, model ")
        and "protection none; no finite epsilon" in said
    )
    assert said.endswith("; m.svl, m.svl.certificate.json)") and "\n" not in said
    certified = semveil.certify(tmp_path / "m.svl")
    assert str(certified) == "\n".join(certified.explanation) and str(certified).startswith("In short: ")


def test_an_option_that_does_not_exist_is_named_with_the_nearest(model: FaceModel) -> None:
    for call in (semveil.send, semveil.transmit):
        with pytest.raises(ValueError, match=r"no option 'private_code' \(did you mean 'private_codes'\?\)"):
            call(IMAGES, model=model, private_code=[0])
    with pytest.raises(ValueError, match=r"method 'blur' has no option 'sigm' \(did you mean 'sigma'\?\)"):
        semveil.protect(IMAGES, method="blur", sigm=3.0)


def test_certify_takes_what_was_written_or_sent(model: FaceModel, tmp_path: Path) -> None:
    sent = semveil.send(IMAGES, tmp_path / "m.svl", model=model, protection="laplace", epsilon=100.0)
    by_file, by_message = semveil.certify(tmp_path / "m.svl"), semveil.certify(sent.message)
    assert by_file.certificate.guarantee == by_message.certificate.guarantee == sent.certificate.guarantee
    assert by_file.found.startswith("with the file") and "states about itself" in by_message.found
    assert semveil.certify(sent.certificate).explanation == tuple(
        semveil.certify(sent.certificate).explanation
    )
    with pytest.raises(CertificateError, match="is a folder"):
        semveil.certify(tmp_path)


def test_each_image_has_its_own_snr(model: FaceModel) -> None:
    method = DPSemCom(model, protection="none")
    codes = model.public_latents(2, rng=torch.Generator().manual_seed(0))
    images = method.synthesize(codes)

    def errors(snr_db: object) -> torch.Tensor:
        result = method.transmit(images, snr_db=snr_db, codes=codes, run=1)  # type: ignore[arg-type]
        return (result.bob - result.inverted).square().mean((1, 2, 3))

    mixed, low, high = errors(torch.tensor([0.0, 60.0])), errors(0.0), errors([60.0, 60.0])
    assert torch.equal(mixed[0], low[0]) and torch.equal(mixed[1], high[1]) and low[1] > 10 * high[1]
    with pytest.raises(ValueError, match="one for each of 2 images, got shape"):
        errors([0.0, 1.0, 2.0])


def test_transmit_and_receive_take_several_snrs(model: FaceModel) -> None:
    sent = semveil.transmit(IMAGES, model=model, protection="none", snr_db=[10.0, 20.0], seed=2)
    assert sent.summary["config"]["snr_db"] == [10.0, 20.0] == sent.summary["config"]["eve_snr_db"]
    message = semveil.send(IMAGES, model=model, protection="none").message
    loud, quiet = (
        semveil.receive(message, model=model, snr_db=snr, seed=3).images for snr in ([0.0, 60.0], 60.0)
    )
    assert not torch.equal(loud[0], quiet[0]) and torch.equal(loud[1], quiet[1])


def test_one_image_takes_several_snrs_under_one_transmission(model: FaceModel) -> None:
    sent = semveil.transmit(
        IMAGES[:1], model=model, snr_db=[0.0, 60.0], eve_snr_db=torch.tensor(30.0), seed=2
    )
    assert sent.bob.shape == sent.eve.shape == sent.result.source.shape == (2, 3, 32, 32)
    assert len(sent.result.transmission.symbols) == sent.certificate.images == 1
    assert [(one["snr_db"], one["eve_snr_db"]) for one in sent.summary["images"]] == [(0, 30), (60, 30)]
    low, high = (sent.bob - sent.result.inverted).square().mean((1, 2, 3))
    assert low > 10 * high
    own = semveil.transmit(
        IMAGES[:1], model=model, protection="laplace", snr_db=[20.0, 30.0], eve_snr_db=[60.0, 60.0]
    )
    # one draw of the noise: at 60 dB Eve's two pictures agree, other draws differ
    again = own.method.transmit(IMAGES[:1], codes=own.result.codes[:1], eve_snr_db=60.0).eve
    near, far = (own.eve[:1] - own.eve[1:]).abs().mean(), (own.eve[:1] - again).abs().mean()
    assert near < far / 4  # about equal if each SNR had its own draw


def test_several_snrs_that_fit_no_photos_are_refused_before_the_inversion(
    model: FaceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DPSemCom, "invert", lambda *given, **options: pytest.fail("inverted"))
    for snr_db, words in (([0.0, 1.0, 2.0], "one for each of 2 images"), ("0,5", "got the text '0,5'")):
        with pytest.raises(ValueError, match=words):
            semveil.transmit(IMAGES, model=model, snr_db=snr_db)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got the text '0,5'"):
        semveil.transmit(IMAGES[:1], model=model, snr_db="0,5")  # type: ignore[arg-type]


def test_calls_refuse_an_empty_output_and_write_nothing(
    model: FaceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = semveil.send(IMAGES, model=model, protection="none").message
    monkeypatch.chdir(tmp_path)
    for call in (
        lambda: semveil.send(IMAGES, "", model=model, protection="none"),
        lambda: semveil.receive(message, "", model=model),
        lambda: semveil.attack(message, "", attacks=["direct"], known=100, seed=1, model=model),
        lambda: semveil.transmit(IMAGES, "", model=model, protection="none"),
        lambda: semveil.protect(["photo.png"], "", method="mosaic"),
    ):
        with pytest.raises(OutputError, match=r"^out is empty"):
            call()
    with pytest.raises(OutputError, match=r"^iq is empty"):
        semveil.send(IMAGES, iq="", model=model, protection="none")
    with pytest.raises(OutputError, match=r"^ledger is empty"):
        semveil.send(IMAGES, model=model, protection="none", subject="Ada", ledger="")
    assert not list(tmp_path.iterdir())


def test_a_returned_certificate_states_the_commit_as_its_file_does(
    model: FaceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("send", "receive", "transmit"):
        monkeypatch.setattr(f"semveil.link.{module}.commit", lambda: "ab" * 20)
    message, out = tmp_path / "m.svl", tmp_path / "out"
    made = [
        semveil.send(IMAGES[:1], message, model=model, protection="none"),
        semveil.receive(message, tmp_path / "bob.png", model=model),
        semveil.eavesdrop(message, tmp_path / "eve.png", model=model),
        semveil.transmit(IMAGES[:1], out, model=model, protection="none", train=False),
    ]
    assert [one.certificate.commit for one in made] == ["ab" * 20] * 4
    for file in (message, tmp_path / "bob.png", tmp_path / "eve.png", out / "eve.png"):
        assert read_certificate(file).commit == "ab" * 20


def test_what_shows_the_person_is_its_owners_alone(model: FaceModel, tmp_path: Path) -> None:
    semveil.send(IMAGES[:1], tmp_path / "m.svl", model=model, protection="none")
    semveil.receive(tmp_path / "m.svl", tmp_path / "bob.png", model=model)
    semveil.eavesdrop(tmp_path / "m.svl", tmp_path / "eve.png", model=model)
    semveil.transmit(IMAGES[:1], tmp_path / "out", model=model, protection="none", train=False)
    semveil.attack(tmp_path / "m.svl", tmp_path / "eve", model=model, attacks=["direct"], known=100)
    closed = {
        path.relative_to(tmp_path).as_posix()
        for path in tmp_path.rglob("*")
        if path.is_file() and path.stat().st_mode & 0o077 == 0
    }
    measured = {"out/result.json", "eve/result.json"}  # on the photo
    pictures = {"bob.png", "out/source.png", "out/inverted.png", "out/direct.png", "out/bob.png"}
    assert closed == {*pictures, *measured, "bob.png.certificate.json"}
