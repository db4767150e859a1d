# SPDX-License-Identifier: Apache-2.0
"""The library's calls do all that the command line does: logs, ledger, certificates, refusals."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut
from torch import Tensor

import semveil
from semveil.bulk.protect import protection_settings
from semveil.channels import parse_link
from semveil.cli.main import main
from semveil.core.errors import FaceChoiceError, KeyProblem, SemveilError
from semveil.data.certified import certificate_path, read_certificate
from semveil.data.load_faces import Faces, load_faces
from semveil.keys import Secret, write_secret
from semveil.link.keys import READ, SENT, Key, nonce_log
from semveil.methods.shared_key import SharedKey
from semveil.models.face import load_model
from semveil.privacy.guarantee import Basis
from semveil.privacy.ledger import Ledger


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "portrait.png"
    Image.fromarray(astronaut()).save(path)
    return path


@pytest.fixture
def faces(tiny_model_folder: Path) -> Tensor:
    model = load_model(str(tiny_model_folder))
    return model.generator.synthesize(model.public_latents(2, rng=torch.Generator().manual_seed(0))).clamp(
        -1, 1
    )


@pytest.fixture
def key(tmp_path: Path) -> Path:
    write_secret(tmp_path / "alice-bob.key", Secret.generate())
    return tmp_path / "alice-bob.key"


def entries(kind: str) -> int:
    """How many nonces a log holds, a line each."""
    path = nonce_log(kind).path
    return len(path.read_bytes().splitlines()) if path.is_file() else 0


def test_a_message_is_certified_logged_and_recorded(
    home: Path, tmp_path: Path, faces: Tensor, key: Path, tiny_model_folder: Path
) -> None:
    out = tmp_path / "m.svl"
    sent = semveil.send(
        faces, out, model=str(tiny_model_folder), key=key, subject="Ada", ledger=tmp_path / "ledger.jsonl"
    )
    assert sent.written == (out, certificate_path(out))
    assert read_certificate(out).release_id == sent.certificate.release_id
    assert sent.certificate.guarantee.basis == Basis.COMPUTATIONAL and sent.certificate.perceptual == "none"
    assert (entries(SENT), entries(READ)) == (1, 0)
    book = Ledger(tmp_path / "ledger.jsonl")
    assert len(book.releases("Ada")) == 1 and book.knows(sent.certificate.release_id)
    assert sent.record is not None and sent.record.releases == 1


def test_a_release_above_the_limit_is_not_made(
    home: Path, tmp_path: Path, faces: Tensor, tiny_model_folder: Path
) -> None:
    out, book = tmp_path / "m.svl", tmp_path / "ledger.jsonl"
    asked = {
        "model": str(tiny_model_folder),
        "protection": "laplace",
        "epsilon": 10.0,
        "ledger": book,
        "private_codes": tuple(range(28)),
    }
    with pytest.raises(ValueError, match="name the subject"):
        semveil.send(faces[:1], out, **asked)
    # nothing is written, but the caller has the message
    semveil.send(faces[:1], **asked, subject="Ada", limit=15.0)
    assert len(Ledger(book).releases("Ada")) == 1
    with pytest.raises(SemveilError, match="refused before the release"):
        semveil.send(faces[:1], out, **asked, subject="Ada")
    with pytest.raises(SemveilError, match="fixed before as epsilon 15"):
        semveil.send(faces[:1], out, **asked, subject="Ada", limit=1e9)
    assert not list(tmp_path.glob("m.svl*")) and len(Ledger(book).releases("Ada")) == 1


def test_channels_are_the_receivers(home: Path, faces: Tensor, tiny_model_folder: Path) -> None:
    message = semveil.send(faces[:1], model=str(tiny_model_folder), protection="none").message
    hear = {"model": str(tiny_model_folder), "snr_db": 30, "seed": 1}
    plain, faded = (
        semveil.eavesdrop(message, **hear, channel=over).images for over in (None, parse_link("rayleigh"))
    )
    assert torch.equal(plain, semveil.eavesdrop(message, **hear).images) and not torch.equal(plain, faded)


def test_a_message_is_read_once_with_its_key_alone(
    home: Path, tmp_path: Path, faces: Tensor, key: Path, tiny_model_folder: Path
) -> None:
    message = semveil.send(faces, model=str(tiny_model_folder), key=key).message
    with pytest.raises(KeyProblem):
        semveil.receive(message, tmp_path / "bob.png", key=SharedKey.fresh(), model=str(tiny_model_folder))
    assert entries(READ) == 0 and not list(tmp_path.glob("bob*")), "who has no key spends nothing"
    told: list[str] = []
    bob = {"key": key, "model": str(tiny_model_folder), "snr_db": 60, "seed": 1}
    first = semveil.receive(message, tmp_path / "bob.png", **bob, note=told.append)
    assert [path.name for path in first.written[:2]] == ["bob-1.png", "bob-2.png"] and len(first.written) == 4
    assert read_certificate(first.written[0]).guarantee.basis == Basis.NONE
    assert told[0].startswith("you sent this message yourself (same machine)") and entries(READ) == 1
    with pytest.raises(KeyProblem, match="read before"):
        semveil.receive(message, key=key, model=str(tiny_model_folder))
    again = semveil.receive(
        message, key=Key(file=key), model=str(tiny_model_folder), snr_db=60, seed=1, replay=True
    )
    assert torch.equal(again.images, first.images)
    eve = semveil.eavesdrop(message, model=str(tiny_model_folder), snr_db=60, seed=1)
    assert eve.certificate.guarantee.basis == Basis.COMPUTATIONAL and entries(READ) == 1
    assert not torch.allclose(eve.images, first.images, atol=0.05)


def test_the_command_line_leaves_what_the_library_leaves(
    home: Path, tmp_path: Path, portrait: Path, key: Path, tiny_model_folder: Path
) -> None:
    left: list[tuple[set[str], int, int, int]] = []
    model, book = str(tiny_model_folder), tmp_path / "ledger.jsonl"
    for folder, send in (
        ("library", lambda out: semveil.send(
            portrait, out, model=model, key=key, subject="Ada", ledger=book)),
        (
            "command",
            lambda out: main([
                *("send", str(portrait), "--out", str(out), "--model", model, "--key", str(key)),
                *("--subject", "Ada", "--ledger", str(book)),
            ]),
        ),
    ):  # fmt: skip
        place = tmp_path / folder
        place.mkdir()
        send(place / "m.svl")
        left.append(
            (
                {path.name for path in place.iterdir()},
                entries(SENT),
                entries(READ),
                len(Ledger(book).releases("Ada")),
            )
        )
    assert left == [({"m.svl", "m.svl.certificate.json"}, n, 0, n) for n in (1, 2)]


def test_a_key_is_one_of_three_ways(key: Path) -> None:
    with pytest.raises(ValueError, match="give one key"):
        Key()
    with pytest.raises(ValueError, match="give one key"):
        Key(file=key, passphrase=lambda: "six words drawn by dice")
    with pytest.raises(ValueError, match="go together"):
        Key(identity=key)
    alice = Key(passphrase=lambda: "six words drawn by dice").for_sending()
    assert Key(passphrase=lambda: "six words drawn by dice").of_message(alice.source).source == alice.source
    with pytest.raises(KeyProblem, match="passphrase"):
        Key(file=key).of_message(alice.source)


def test_faces_come_from_paths_arrays_and_images_alike(portrait: Path) -> None:
    told: list[str] = []
    by_path = semveil.load_faces(portrait, size=32, note=told.append)
    by_array = semveil.load_faces([astronaut(), astronaut()], size=32)
    assert by_path.ids == ("photo-1",) and by_array.ids == ("photo-1", "photo-2") and not told
    by_number = semveil.load_faces(astronaut(), size=32, face=np.argmax([1, 0]))
    assert torch.equal(by_path.images, by_number.images)
    assert torch.equal(by_path.images, by_array.images[:1]) and by_path.images.shape == (1, 3, 32, 32)
    aligned = semveil.load_faces(by_array.images, size=32)
    assert torch.equal(aligned.images, by_array.images) and semveil.load_faces(aligned, size=32) is aligned


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: torch.zeros(1, 3, 16, 16), "aligned images"),
        (lambda: torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "aligned images"),
        (lambda: [], "at least one photo"),
        (lambda: torch.zeros(1, 3, 32, 32, dtype=torch.uint8), r"got torch.uint8 \(1, 3, 32, 32\)"),
        (lambda: np.zeros((64, 64), np.uint8), r"array.*got \(64, 64\) uint8"),
        (lambda: np.zeros((64, 64, 3)), "uint8"),
        (lambda: np.zeros((0, 64, 3), np.uint8), "array"),
        (lambda: torch.full((1, 3, 32, 32), torch.nan), "got NaN"),
        (lambda: torch.full((1, 3, 32, 32), 255.0), "got values from 255 to 255"),
    ],
)
def test_what_shows_no_photo_is_refused(wrong: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        semveil.load_faces(wrong(), size=32)  # type: ignore[arg-type]
    for size in (0, -3):
        with pytest.raises(ValueError, match=f"1 px or more, got {size}"):
            semveil.load_faces(astronaut(), size=size)


def test_names_are_those_of_the_images_too(faces: Tensor) -> None:
    size = faces.shape[-1]
    assert load_faces(faces[:2], size=size, names=["anna", "bert"]).ids == ("anna", "bert")
    again = load_faces(load_faces(faces[:2], size=size), size=size, names=["anna", "bert"])
    assert again.ids == ("anna", "bert")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["anna"], "2 photos and 1 name;"),
        (["a", "b", "c"], "2 photos and 3 names;"),
        (["anna", "anna"], "two photos are named 'anna'"),
        (["anna", "Anna"], "folder 'Anna'"),
        (["../anna", "b"], "'../anna' cannot be a folder's"),
        (["", "b"], "'' cannot be a folder's"),
    ],
)
def test_no_photo_is_written_over_another_or_elsewhere(
    home: Path, tmp_path: Path, faces: Tensor, tiny_model_folder: Path, names: list[str], words: str
) -> None:
    ask = {"model": tiny_model_folder, "names": names}
    with pytest.raises(ValueError, match=words):
        semveil.transmit(faces[:2], tmp_path / "deep" / "out", **ask)
    assert not (tmp_path / "anna").exists() and not (tmp_path / "deep").exists()


def test_all_three_are_simulated_with_measurements(
    home: Path, tmp_path: Path, faces: Tensor, tiny_model_folder: Path
) -> None:
    sent = semveil.transmit(
        faces, tmp_path / "out", model=str(tiny_model_folder), protection="rotation", snr_db=30, seed=3
    )
    assert sent.bob.shape == sent.eve.shape == faces.shape
    assert [record["source"] for record in sent.summary["images"]] == ["photo-1", "photo-2"]
    assert sent.summary["config"]["inversion"]["perceptual_term"] == sent.certificate.perceptual == "none"
    assert sent.certificate.guarantee.basis == Basis.COMPUTATIONAL
    for photo in ("photo-1", "photo-2"):
        assert (
            read_certificate(tmp_path / "out" / photo / "eve.png").release_id == sent.certificate.release_id
        )
    assert (tmp_path / "out" / "result.json").is_file()


def test_faces_are_protected_in_memory_with_certificates(home: Path, tmp_path: Path, faces: Tensor) -> None:
    book = tmp_path / "ledger.jsonl"
    images = torch.nn.functional.interpolate(faces, size=(64, 64))
    made = semveil.protect(images, method="dp-pix", epsilon=0.5, size=64, subject="Ada", ledger=book)
    assert made.images.shape == images.shape and made.ids == ("photo-1", "photo-2")
    # of each cell
    assert [certificate.guarantee.epsilon for certificate in made.certificates] == [64 * 4.0 * 0.5] * 2
    assert len({certificate.release_id for certificate in made.certificates}) == 2
    assert len(Ledger(book).releases("Ada")) == 2
    with pytest.raises(ValueError, match="no option 'sigmaa'"):
        semveil.protect(images, method="blur", sigmaa=1.0)
    with pytest.raises(ValueError, match="needs the subject"):
        semveil.protect(images, method="blur", size=64, ledger=book)
    with pytest.raises(ValueError, match="needs the subject"):
        semveil.protect(images, method="blur", size=64, limit=1.0)
    with pytest.raises(ValueError, match="name an output folder"):
        semveil.protect(images, method="blur", keep=("aligned",))
    for name, value in (("detector", "dlib"), ("doubtful", "keep"), ("oversize", "refuse"),
                        ("on_no_face", "skip"), ("workers", 2), ("layout", "whole-photo")):  # fmt: skip
        with pytest.raises(ValueError, match="photos on disk"):
            semveil.protect(images, method="blur", size=64, **{name: value})
    allowed = {"face": 0, "layout": "crops", "on_no_face": "error"}
    assert len(semveil.protect(images, method="blur", size=64, **allowed).images) == 2
    settings = protection_settings("blur", size=64)
    assert len(semveil.protect(images, method=settings).images) == 2
    with pytest.raises(ValueError, match="set sigma in them"):
        semveil.protect(images, method=settings, sigma=2.0)


def test_files_are_protected_as_by_the_command(home: Path, tmp_path: Path, portrait: Path) -> None:
    summary = semveil.protect(portrait, tmp_path / "library", method="blur", sigma=6.0)
    assert (summary.protected, summary.exit_code) == (1, 0)
    assert (
        main(
            ["protect", str(portrait), "--method", "blur", "--sigma", "6", "--out", str(tmp_path / "command")]
        )
        == 0
    )
    pictures = [
        np.asarray(Image.open(tmp_path / folder / "portrait.png")) for folder in ("library", "command")
    ]
    assert np.array_equal(*pictures)
    assert read_certificate(tmp_path / "library" / "portrait.png").method == "blur"


def test_a_model_is_named_by_its_folder_as_a_path_too(
    home: Path, tmp_path: Path, faces: Tensor, tiny_model_folder: Path
) -> None:
    sent = semveil.send(faces[:1], model=tiny_model_folder, protection="none")
    eve = {"snr_db": 60, "seed": 1}
    assert torch.equal(
        semveil.eavesdrop(sent.message, model=tiny_model_folder, **eve).images,
        semveil.eavesdrop(sent.message, model=str(tiny_model_folder), **eve).images,
    )
    assert semveil.load_model(tiny_model_folder).digest == semveil.load_model(str(tiny_model_folder)).digest
    made = semveil.protect(faces[:1], method="dp-image", model=tiny_model_folder, scale=1.0)
    assert made.images.shape == faces[:1].shape
    for call in (
        lambda path: semveil.load_method("identity-dp", path),
        lambda path: semveil.load_method("noise-image", path),
        lambda path: semveil.load_method("latent-dp", path),
        lambda path: semveil.send(faces[:1], model=path),
        lambda path: semveil.transmit(faces[:1], model=path),
        lambda path: semveil.protect(faces[:1], method="dp-image", model=path),
    ):
        with pytest.raises(ValueError, match=r"no (identity )?model .*'.*/absent'"):
            call(tmp_path / "absent")


@pytest.mark.parametrize("number", [np.float32(3), np.int64(3), np.array(3.0), torch.tensor(3.0)])
def test_numbers_of_numpy_and_torch_are_numbers(
    home: Path, faces: Tensor, tiny_model_folder: Path, number: object
) -> None:
    model = str(tiny_model_folder)
    sent = semveil.send(faces[:1], model=model, protection="laplace", epsilon=number)
    made = semveil.protect(faces[:1], method="dp-image", model=model, epsilon=number)
    method = semveil.load_method("dp-pix", epsilon=number)
    assert sent.certificate.guarantee.epsilon == pytest.approx(3) and type(method.epsilon) in (int, float)
    assert made.certificates[0].guarantee.epsilon == pytest.approx(3)


def test_things_of_another_kind_are_named(
    home: Path, tmp_path: Path, portrait: Path, faces: Tensor, tiny_model_folder: Path
) -> None:
    laplace = {"model": tiny_model_folder, "protection": "laplace"}
    picture, pixels = Image.new("RGB", (9, 9)), np.zeros((9, 9, 3), np.uint8)
    for call, said in (
        (lambda: semveil.load_faces(picture), "photos are paths or arrays.*got Image"),
        (lambda: semveil.load_faces([picture]), "photos are paths or arrays.*got Image"),
        (lambda: semveil.load_faces(None), "got NoneType"),
        (lambda: semveil.load_method(None), "a method is named by text, got None"),
        (lambda: semveil.eavesdrop(None), "give a message, got NoneType"),
        (lambda: semveil.attack(b"m.svl"), "give a message, got bytes"),
        (lambda: semveil.load_method("dp-semcom", budget="skin=5"), "a budget is a dict such as"),
        (lambda: semveil.load_faces(picture, size=64.0), r"a whole number of px, got 64\.0"),
        (lambda: semveil.send(faces, model=tiny_model_folder, key=Secret.generate()), "a Key or a SharedKey"),
        (lambda: Key(passphrase="six words drawn by dice"), "a function that returns it"),
        (lambda: semveil.protect(None, method="blur"), "got NoneType"),
        (lambda: semveil.protect(None, tmp_path / "out", method="blur"), "photos are paths, got NoneType"),
        (lambda: semveil.protect([pixels], tmp_path / "out", method="blur"), "photos are paths, got ndarray"),
        (lambda: semveil.protect(faces, tmp_path / "out", method="blur"), "photos are paths, got Tensor"),
        (lambda: semveil.protect(portrait, method=None), "a method is named by text"),
        (lambda: semveil.protect(portrait, method="blur", face=[0]), "face is text such as"),
        (lambda: semveil.protect(portrait, method="blur", subject=3), "the subject's name is text, got 3"),
        (lambda: semveil.protect(portrait, method="blur", sigma="3"), "the sigma of a blur must be a number"),
        (lambda: semveil.send(faces, **laplace, epsilon="3"), "epsilon must be a number, got '3'"),
        (lambda: semveil.certify(None), "name a file, a message or a certificate, got NoneType"),
        (lambda: semveil.FaceDataset([]), "name a folder of photos.*got list"),
    ):
        with pytest.raises(TypeError, match=said):
            call()
    assert not (tmp_path / "out").exists()
    with pytest.raises(SemveilError, match="the file's name is empty"):
        semveil.certify("")
    with pytest.raises(SemveilError, match=r"^name photos"):
        semveil.protect([], tmp_path / "out", method="blur")


def test_one_attack_is_named_without_a_list(faces: Tensor, tiny_model_folder: Path) -> None:
    message = semveil.send(faces[:1], model=tiny_model_folder, protection="none").message
    ask = {"model": tiny_model_folder, "known": 100, "seed": 1}
    assert [one.name for one in semveil.attack(message, attacks="direct", **ask).results] == ["direct"]
    with pytest.raises(ValueError, match="at least one attack"):
        semveil.attack(message, attacks=[], **ask)


def test_one_subject_is_not_several_faces_of_a_photo(
    home: Path, tmp_path: Path, portrait: Path, tiny_model_folder: Path
) -> None:
    pair = np.concatenate([astronaut(), astronaut()], axis=1)
    pix, book = {"method": "dp-pix", "epsilon": 0.5, "size": 64}, tmp_path / "ledger.jsonl"
    sent = {"model": tiny_model_folder, "protection": "none", "face": "all"}
    for call in (
        lambda: semveil.send(pair, **sent, subject="Ada", ledger=book),
        lambda: semveil.protect(pair, **pix, subject="Ada", ledger=book),
    ):
        with pytest.raises(FaceChoiceError, match="photo-1 shows several chosen faces"):
            call()
    assert not book.exists()
    assert len(semveil.protect(pair, **pix).images) == 2  # of nobody in particular
    assert len(semveil.protect(pair, **pix, face=0, subject="Ada", ledger=book).images) == 1
    assert len(semveil.protect([portrait, portrait], **pix, subject="Ada", ledger=book).images) == 2
    assert len(Ledger(book).releases("Ada")) == 3


def test_a_name_that_looks_like_one_face_of_several_is_a_name(
    home: Path, tmp_path: Path, faces: Tensor, tiny_model_folder: Path
) -> None:
    named, book = Faces(faces[:2], ("my-face-1", "my-face-2")), tmp_path / "ledger.jsonl"
    ask = {"model": tiny_model_folder, "protection": "none", "subject": "Ada", "ledger": book}
    assert semveil.send(named, **ask).message.images == 2 and len(Ledger(book).releases("Ada")) == 1
