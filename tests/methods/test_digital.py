# SPDX-License-Identifier: Apache-2.0
"""Digital messages: opened whole by the key's holder, of one length for all photos, and refused when anything
is altered.
"""

from dataclasses import replace

import pytest
import torch

import semveil
from semveil.channels import (
    DigitalMessage,
    KeyedPart,
    MessageError,
    digital_bytes,
    is_digital,
    read_digital,
    read_message,
)
from semveil.core.errors import KeyProblem
from semveil.methods import digital
from semveil.methods.digital import digital_certificate, open_codes, seal_codes
from semveil.methods.shared_key import SharedKey
from semveil.models.face import FaceModel, load_model
from semveil.privacy.caveats import Caveat
from semveil.privacy.guarantee import Basis

KEY = SharedKey.fresh()


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_model()


@pytest.fixture(scope="module")
def codes(model: FaceModel) -> torch.Tensor:
    return model.public_latents(2, rng=torch.Generator().manual_seed(0))


def test_the_key_opens_it_from_a_file(model: FaceModel, codes: torch.Tensor, tmp_path) -> None:
    message = seal_codes(codes, model, KEY, size=1000)
    path = tmp_path / "m.svd"
    path.write_bytes(digital_bytes(message))
    read = read_digital(path)
    assert is_digital(path) and read.header == message.header and read.model_hash == model.digest
    assert float((open_codes(read, model, KEY) - codes).abs().max()) < 0.15
    with pytest.raises(MessageError, match="digital message"):
        read_message(path)


def test_its_length_says_nothing_of_the_photo(model: FaceModel, codes: torch.Tensor) -> None:
    extremes = torch.stack([torch.zeros(28, 64), torch.full((28, 64), 9.0)])
    assert len(digital_bytes(seal_codes(codes, model, KEY))) == len(
        digital_bytes(seal_codes(extremes, model, KEY))
    )
    again = [seal_codes(codes, model, KEY) for _ in range(2)]
    assert again[0].keyed.sealed != again[1].keyed.sealed  # a new nonce each time


def altered(message: DigitalMessage, **changes: object) -> DigitalMessage:
    return DigitalMessage(**{**vars(message), **changes})  # type: ignore[arg-type]


def keyed(message: DigitalMessage, **changes: object) -> DigitalMessage:
    return altered(message, keyed=replace(message.keyed, **changes))


def test_whatever_is_altered_is_noticed(model: FaceModel, codes: torch.Tensor) -> None:
    message = seal_codes(codes, model, KEY, size=100)
    sealed = message.keyed.sealed
    assert len(open_codes(message, model, KEY)) == 2
    for place in (0, len(sealed) // 2, len(sealed) - 1):
        flipped = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(KeyProblem, match="altered"):
            open_codes(keyed(message, sealed=flipped), model, KEY)
    swapped = sealed[:16] + sealed[116:216] + sealed[16:116] + sealed[216:]
    for forged in (
        keyed(message, sealed=swapped),
        keyed(message, nonce=bytes(32)),
        altered(message, model="another-name"),
        altered(message, images=1, image_bytes=200),
    ):
        with pytest.raises(KeyProblem, match="altered"):
            open_codes(forged, model, KEY)
    with pytest.raises(KeyProblem, match="does not fit"):
        open_codes(message, model, SharedKey.fresh())


def test_sizes_and_models_that_do_not_fit(model: FaceModel, codes: torch.Tensor, tiny_model_folder) -> None:
    message = seal_codes(codes, model, KEY, size=100)
    for forged in (keyed(message, sealed=message.keyed.sealed[:-1]), altered(message, images=3)):
        with pytest.raises(MessageError, match="header says"):
            open_codes(forged, model, KEY)
    with pytest.raises(MessageError, match="same weights"):
        open_codes(message, load_model(str(tiny_model_folder)), KEY)


def test_a_text_that_opens_under_several_keys_is_refused(
    model: FaceModel, codes: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such texts exist for this cipher; they decrypt to what nobody chose, so the zeros at the start are
    missing.
    """
    with monkeypatch.context() as patch:
        patch.setattr(digital, "COMMITMENT", bytes([1] * 16))
        message = seal_codes(codes, model, KEY, size=100)
    with pytest.raises(KeyProblem, match="several keys"):
        open_codes(message, model, KEY)


def test_damaged_files_and_headers(model: FaceModel, codes: torch.Tensor, tmp_path) -> None:
    message, path = seal_codes(codes, model, KEY, size=100), tmp_path / "m.svd"
    data = digital_bytes(message)
    for bad in (data[:-1], data[: len(data) // 2], data[:60] + b"x" + data[61:], b"\x93SVD\r\n\x1a\n"):
        path.write_bytes(bad)
        with pytest.raises(MessageError):
            read_digital(path)
    part = message.keyed
    unsealed = KeyedPart(
        nonce=part.nonce, source=part.source, parameters={}, sealed=part.sealed, authenticated=False
    )
    for changes in (
        {"images": 0}, {"images": True}, {"image_bytes": -1}, {"method": ""}, {"method": 5},
        {"model_hash": "zz"},
        {"model_hash": 7},
        {"latent_shape": (28,)}, {"latent_shape": (28, "64")}, {"keyed": unsealed},
    ):  # fmt: skip
        with pytest.raises(MessageError):
            altered(message, **changes)


def test_the_certificate(model: FaceModel, codes: torch.Tensor) -> None:
    message = seal_codes(codes, model, KEY)
    made = digital_certificate(message, model, perceptual="none")
    assert (made.guarantee.epsilon, made.guarantee.delta, made.guarantee.basis) == (
        0.0,
        0.0,
        Basis.COMPUTATIONAL,
    )
    assert not made.guarantee.not_covered and made.images == 2
    assert Caveat.KEY in made.caveats and Caveat.MALLEABLE not in made.caveats
    assert digital_certificate(message).release_id == made.release_id
    assert type(made).from_json(made.to_json()) == made


def test_a_digital_message_in_memory_has_no_symbols_to_hear(model: FaceModel, codes: torch.Tensor) -> None:
    message = seal_codes(codes, model, KEY)
    for listen in (semveil.eavesdrop, semveil.attack):
        with pytest.raises(MessageError, match="has no symbols to hear"):
            listen(message, model=model)
