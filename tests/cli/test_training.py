# SPDX-License-Identifier: Apache-2.0
"""The training verbs write whole files, resume, and refuse what does not fit."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from semveil.cli.streams import expect_end
from semveil.cli.train.run import SAVE_EVERY, train_one
from semveil.core.model_folders import bundled_folder
from semveil.data.face_set import FaceSet
from semveil.data.latents import LatentSet
from semveil.faces.parts import PARTS
from semveil.recognition.face_parser import load_face_parser
from semveil.recognition.thresholds import MODEL_SIZE


def test_a_generator_is_trained_resumed_and_published(
    semveil: Callable, face_set: Path, quick: list[str], tmp_path: Path, failed: Callable, photo: Path
) -> None:
    out = tmp_path / "mine"
    stopped = semveil("train", "generator", face_set, "--out", out, *quick, "--minutes", "0", "--json")
    assert json.loads(stopped.stdout)["step"] == 0, stopped.stderr
    assert not out.exists()
    assert json.loads((tmp_path / "mine.checkpoint.json").read_text())["generator"]["style_dim"] == 4
    failed(
        semveil("train", "generator", face_set, "--out", out, *quick, "--set", "batch=7"),
        2,
        "other settings (batch)",
    )
    done = semveil("train", "generator", face_set, "--out", out, *quick, "--json")
    assert json.loads(done.stdout)["model"] == str(out), done.stderr
    sent = semveil("send", photo, "--model", out, "--protection", "none", "--out", tmp_path / "m.svl")
    assert sent.code == 0, sent.stderr


def test_settings_are_checked(
    semveil: Callable, face_set: Path, tmp_path: Path, failed: Callable, quick: list[str]
) -> None:
    wrong = (
        ("stepz=3", "did you mean 'steps'"),
        ("generator.size=64", "size must be 32"),
        ("steps=x", "type int"),
    )
    for override, words in wrong:
        failed(
            semveil("train", "generator", face_set, "--out", tmp_path / "a", *quick, "--set", override),
            2,
            words,
        )
    identity = bundled_folder() / "identity-128" / "identity_encoder.safetensors"
    failed(
        semveil("train", "generator", face_set, "--out", tmp_path / "a", *quick, "--identity", identity),
        2,
        "--size 128",
    )
    (tmp_path / "bad.toml").write_text("steps = [")
    failed(
        semveil("train", "generator", face_set, "--out", tmp_path / "a", "--config", tmp_path / "bad.toml"),
        2,
        "is no TOML",
    )
    failed(
        semveil("train", "generator", tmp_path / "bad.toml", "--out", tmp_path / "a"), 2, "it is no face set"
    )
    unlabelled = FaceSet.load(face_set)
    unlabelled.with_labels(np.full_like(unlabelled.labels, 255)).save(tmp_path / "u.npz")
    failed(
        semveil("train", "generator", tmp_path / "u.npz", "--out", tmp_path / "a", *quick),
        2,
        "semveil train parser",
    )
    failed(
        semveil("train", "parser", tmp_path / "u.npz", "--out", tmp_path / "p.safetensors"),
        2,
        "no labelled face",
    )


@pytest.mark.parametrize("verb", ["generator", "parser", "identity-encoder", "fusion", "quantiles"])
def test_held_out_people_alone_are_refused(
    semveil: Callable, face_set: Path, tmp_path: Path, failed: Callable, verb: str
) -> None:
    faces = FaceSet.load(face_set)
    replace(faces, split=np.full(len(faces), "test")).save(tmp_path / "held.npz")
    more = ("--photos", tmp_path) if verb == "identity-encoder" else ()
    out = tmp_path / ("a.safetensors" if verb in ("parser", "identity-encoder", "quantiles") else "a")
    failed(
        semveil("train", verb, tmp_path / "held.npz", "--out", out, *more),
        2,
        "no photo of the training split",
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("done", "words"), [(3, "nothing is kept yet"), (SAVE_EVERY, f"step {SAVE_EVERY} of 1000 is kept in ")]
)
def test_an_interrupted_training_says_what_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], done: int, words: str
) -> None:
    class Interrupted:
        settings, step = SimpleNamespace(steps=1000, batch=1), 0

        def run(self, report: Callable[[int, float], None]) -> None:
            for self.step in range(1, done + 1):
                report(self.step, 0.0)
            raise KeyboardInterrupt

        def save(self, path: Path) -> None:
            path.touch()

    expect_end()
    with pytest.raises(KeyboardInterrupt):
        train_one(Interrupted(), tmp_path / "a.checkpoint", title="Training", quiet=True)
    assert words in capsys.readouterr().err


def test_perceptual_training_names_the_weights_it_lacks(
    semveil: Callable, face_set: Path, tmp_path: Path, failed: Callable, quick: list[str]
) -> None:
    answer = semveil("train", "generator", face_set, "--out", tmp_path / "a", *quick, "--set", "perceptual=1")
    failed(answer, 1, "semveil models get lpips-alex")


def test_the_parser_labels_what_has_no_labels(semveil: Callable, face_set: Path, tmp_path: Path) -> None:
    faces = FaceSet.load(face_set)
    labels = faces.labels.copy()
    labels[-2:] = 255
    faces.with_labels(labels).save(tmp_path / "some.npz")
    labelled = tmp_path / "all.npz"
    weights = tmp_path / "parser.safetensors"
    answer = semveil(
        "train", "parser", tmp_path / "some.npz", "--out", weights, "--labelled", labelled, "--steps", "4"
    )
    assert answer.code == 0, answer.stderr
    assert FaceSet.load(labelled).labels.max() < 13
    assert load_face_parser(weights).label(torch.zeros(1, 3, 32, 32)).shape == (1, 32, 32)
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["trained_on"].startswith(f"{(~faces.held_out)[:-2].sum()} labelled photos of ")
    settings = {"steps": 4, "batch": 16, "learning_rate": 2e-3, "dice": 1.0, "seed": 0}
    assert card["settings"] == settings and set(card["held_out_iou"]) <= set(PARTS)


def test_an_encoder_is_trained_for_a_fixed_generator(
    semveil: Callable, face_set: Path, tmp_path: Path
) -> None:
    options = (
        "--model",
        "tiny",
        "--set",
        "steps=2",
        "--set",
        "batch=2",
        "--set",
        "perceptual=0",
        "--set",
        "input_size=32",
    )
    answer = semveil("train", "encoder", face_set, "--out", tmp_path / "encoded", *options)
    assert answer.code == 0, answer.stderr
    assert semveil("models", "verify", tmp_path / "encoded").code == 0


def test_pairs_are_trained_once(semveil: Callable, tmp_path: Path) -> None:
    command = (
        "train",
        "protector",
        "--model",
        "tiny",
        "--epsilon",
        "1",
        "--epsilon",
        "3",
        "--epochs",
        "1",
        "--json",
    )
    first = json.loads(semveil(*command, "--out", tmp_path / "p").stdout)
    again = json.loads(semveil(*command, "--out", tmp_path / "p").stdout)
    assert [p["trained_now"] for p in first["pairs"]] == [True, True]
    assert [p["trained_now"] for p in again["pairs"]] == [False, False]
    assert first["basis"].startswith("none")


@pytest.mark.parametrize("protection", ["nn-encrypted", "learned"])
def test_a_successors_pair_is_trained_and_sends(
    semveil: Callable, tmp_path: Path, photo: Path, failed: Callable, protection: str
) -> None:
    trained = semveil(
        "train", "protector", "--protection", protection, "--model", "tiny", "--epsilon", "100",
        "--epochs", "1",
        "--out", tmp_path / "p", "--json",
    )  # fmt: skip
    (pair,) = json.loads(trained.stdout)["pairs"]
    assert pair["trained_now"] and Path(pair["path"]).name.startswith(protection), trained.stderr
    message = tmp_path / "m.svl"
    sent = semveil("send", photo, "--model", "tiny", "--pair", pair["path"], "--out", message)
    assert sent.code == 0, sent.stderr
    certificate = semveil("certify", message).stdout
    assert "(basis: none)" in certificate or "no finite epsilon" in certificate
    bob = ("receive", message, "--model", "tiny", "--snr-db", "40", "--out", tmp_path / "bob.png")
    failed(semveil(*bob), 6, "give Alice's pair file")
    assert semveil(*bob, "--pair", pair["path"]).code == 0
    failed(
        semveil("send", photo, "--model", "tiny", "--protection", protection, "--no-train", "--out", message),
        1,
        protection,
    )
    failed(semveil("train", "protector", "--protection", "lerned"), 2, "learned")


def test_a_deep_jscc_is_trained_resumed_and_written(
    semveil: Callable, face_set: Path, tmp_path: Path, failed: Callable
) -> None:
    out = tmp_path / "jscc.safetensors"
    sizes = {
        "network.size": 32,
        "network.style_dim": 4,
        "network.width": 8,
        "network.cap": 8,
        "steps": 2,
        "batch": 4,
    }
    settings = [word for key, value in sizes.items() for word in ("--set", f"{key}={value}")]
    stopped = semveil("train", "deep-jscc", face_set, "--out", out, *settings, "--minutes", "0", "--json")
    assert json.loads(stopped.stdout)["step"] == 0 and not out.exists(), stopped.stderr
    failed(
        semveil("train", "deep-jscc", face_set, "--out", out, *settings, "--set", "batch=7"),
        2,
        "other settings (batch)",
    )
    done = semveil("train", "deep-jscc", face_set, "--out", out, *settings, "--channel", "rayleigh", "--json")
    assert json.loads(done.stdout)["model"] == str(out), done.stderr
    from semveil.methods.deep_jscc import load_deep_jscc

    assert load_deep_jscc(out).latent_shape == (28, 4)
    failed(semveil("train", "deep-jscc", face_set, "--out", tmp_path / "b.safetensors"), 2, "--size 128")


@pytest.fixture
def folder(photo: Path, tmp_path: Path) -> Path:
    """A photo, a copy under another name, and a file that is no photo."""
    folder = tmp_path / "photos" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(photo.read_bytes())
    (folder / "b.jpg").write_bytes(photo.read_bytes() + b"\0")
    (folder / "c.png").write_bytes(b"no photo")
    return tmp_path / "photos"


def test_latents_are_kept_and_found_again(
    semveil: Callable, folder: Path, tmp_path: Path, photo: Path, failed: Callable
) -> None:
    out = tmp_path / "latents.safetensors"
    one = semveil("invert", photo, "--model", "tiny", "--out", out, "--json")
    assert json.loads(one.stdout)["new"] == 1, one.stderr
    more = semveil(
        "invert", folder, "--model", "tiny", "--out", out, "--image-dir", tmp_path / "images", "--json"
    )
    counts = json.loads(more.stdout)
    # one bad photo ends no batch
    assert (more.code, counts["known"], counts["new"], counts["refused"]) == (3, 1, 1, 1)
    assert "left out" in more.stderr
    latents = LatentSet.load(out)
    assert latents.codes.shape == (2, 28, 4)
    assert {f"{name}.png" for name in latents.ids} == {path.name for path in (tmp_path / "images").iterdir()}
    assert b"private name" not in out.read_bytes()
    private = [out, *(tmp_path / "images").iterdir()]  # they show the photos
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    failed(
        semveil("invert", tmp_path / "photos" / "deep" / "c.png", "--model", "tiny", "--out", out),
        3,
        "not a photo",
    )


def test_a_named_photo_without_a_face_and_an_animation_are_told(
    semveil: Callable, photo: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (90, 90)).save(tmp_path / "black.png")
    with Image.open(photo) as face:
        face.save(tmp_path / "moving.webp", save_all=True, append_images=[face.rotate(5)], duration=9)
    found = semveil(
        "invert",
        tmp_path / "black.png",
        tmp_path / "moving.webp",
        "--model",
        "tiny",
        "--out",
        tmp_path / "l.safetensors",
    )
    assert (found.code, "1 new" in found.stdout) == (4, True)
    assert "left out: no face found in 'black.png'" in found.stderr
    assert "moving.webp': it has several frames" in found.stderr


def test_inversion_refuses_what_does_not_fit(
    semveil: Callable, photo: Path, tmp_path: Path, failed: Callable
) -> None:
    out = tmp_path / "latents.safetensors"
    out.write_bytes(b"something else")
    failed(semveil("invert", photo, "--model", "tiny", "--out", out), 1, "no file of latents")
    assert out.read_bytes() == b"something else"
    empty = tmp_path / "empty"
    empty.mkdir()
    failed(
        semveil("invert", empty, "--model", "tiny", "--out", tmp_path / "b.safetensors"), 3, "no photos in"
    )
    failed(
        semveil("invert", tmp_path / "absent.jpg", "--model", "tiny", "--out", tmp_path / "b.safetensors"),
        3,
        "absent.jpg",
    )


def test_data_are_prepared(semveil: Callable, photo: Path, tmp_path: Path, failed: Callable) -> None:
    person = tmp_path / "data" / "lfw" / "A_Person"
    person.mkdir(parents=True)
    (person / "A_Person_0001.jpg").write_bytes(photo.read_bytes())
    answer = semveil(
        "data", "prepare", tmp_path / "data", "--out", tmp_path / "faces.npz", "--size", "32", "--json"
    )
    assert json.loads(answer.stdout)["faces"] == 1, answer.stderr
    assert FaceSet.load(tmp_path / "faces.npz").pixels.shape == (1, 32, 32, 3)
    assert (
        "1 faces of 1 people (training 1), each 32 x 32 px"
        in semveil("data", "prepare", tmp_path / "data", "--out", tmp_path / "c.npz", "--size", "32").stdout
    )
    told = " ".join(semveil("data", "prepare", "--help").stdout.split())
    assert "data/lfw/NAME" in told and "development" in told and "test split" in told
    failed(semveil("data", "prepare", person, "--out", tmp_path / "b.npz"), 1, "holds neither")


def test_an_unreadable_photo_is_named_and_does_not_end_the_preparation(
    semveil: Callable, photo: Path, tmp_path: Path, failed: Callable
) -> None:
    whole, images, masks = (
        tmp_path / "data" / place for place in ("lfw/A", "celebamask_hq/images", "celebamask_hq/masks")
    )
    for folder in (whole, images, masks):
        folder.mkdir(parents=True)
    (whole / "A_0001.jpg").write_bytes(photo.read_bytes()[:3000])  # broke off
    (whole / "A_0002.jpg").write_bytes(photo.read_bytes())
    (images / "0.jpg").write_bytes(b"no photo")
    (images / "1.jpg").write_bytes(photo.read_bytes())  # without its mask
    answer = semveil(
        "data", "prepare", tmp_path / "data", "--out", tmp_path / "f.npz", "--size", "32", "--json"
    )
    assert (answer.code, json.loads(answer.stdout)["unreadable"], json.loads(answer.stdout)["faces"]) == (
        3,
        3,
        1,
    )
    notes = answer.stderr.splitlines()
    assert [name for name in ("0.jpg", "1.jpg", "A_0001.jpg") if any(name in line for line in notes)] == [
        "0.jpg", "1.jpg", "A_0001.jpg",
    ]  # fmt: skip
    assert len(notes) == 3 and FaceSet.load(tmp_path / "f.npz").source.tolist() == ["lfw/A/A_0002.jpg"]
    (whole / "A_0002.jpg").write_bytes(b"")
    failed(
        semveil("data", "prepare", tmp_path / "data", "--out", tmp_path / "g.npz", "--size", "32"),
        3,
        "none of 4 photos",
    )
    assert not (tmp_path / "g.npz").exists()


def test_calibration_needs_photos(semveil: Callable, tmp_path: Path, failed: Callable) -> None:
    failed(semveil("calibrate", "--pairs", tmp_path), 1, "pairs.txt")
    failed(semveil("calibrate", "--pairs", tmp_path, "--far", "2"), 2, "between 0 and 1")
    assert f"[default: {MODEL_SIZE}]" in " ".join(semveil("calibrate", "--help").stdout.split())
    (tmp_path / "pairs.txt").write_text("1\t1\nA\t1\t2\nA\t1\tB\t1\n")
    failed(semveil("calibrate", "--pairs", tmp_path), 1, "none of the photos")


def test_calibration_counts_photos_without_a_face(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    people = "ABCDEFGHIJKL"
    for person, number in ((p, n) for p in people for n in (1, 2)):
        place = tmp_path / person / f"{person}_{number:04d}.jpg"
        place.parent.mkdir(exist_ok=True)
        with Image.open(photo) as picture:
            shown = picture if (person, number) != ("L", 2) else Image.new("RGB", picture.size)
            shown.save(place)
    same = [f"{person}\t1\t2\n" for person in people]
    other = [f"{one}\t1\t{two}\t2\n" for one, two in zip(people, people[1:] + "A", strict=True)]
    (tmp_path / "pairs.txt").write_text("".join([f"1\t{len(people)}\n", *same, *other]))
    answer = semveil("calibrate", "--verifier", "bundled", "--pairs", tmp_path, "--far", ".6")
    assert (
        answer.code == 0 and "From 23 photos of 12 people; 1 more showed no face; 0 listed" in answer.stdout
    )
    told = semveil("calibrate", "--verifier", "bundled", "--pairs", tmp_path, "--far", ".6", "--json").stdout
    assert (json.loads(told)["without_face"], json.loads(told)["images"]) == (1, 23)


def test_a_pair_is_trained_over_a_channel_and_a_range_of_snrs(
    semveil: Callable, photo: Path, tmp_path: Path, failed: Callable
) -> None:
    train = ("train", "protector", "--model", "tiny", "--epochs", "1", "--out", tmp_path / "pairs")
    over = ("--channel", "rayleigh:coherence=8,csi=mmse,pilots=4", "--snr-db", "0..20")
    told = json.loads(semveil(*train, *over, "--json").stdout)["pairs"][0]
    assert (told["channel"], told["snrs_db"]) == (over[1], [0.0, 20.0])
    send = (
        "send",
        photo,
        "--model",
        "tiny",
        "--protection",
        "nn",
        "--pair",
        told["path"],
        "--out",
        tmp_path / "m.svl",
    )
    assert semveil(*send).code == 0
    assert (
        semveil("receive", tmp_path / "m.svl", "--pair", told["path"], "--out", tmp_path / "b.png").code == 0
    )
    for option, value, words in (
        ("--snr-db", "20..0", "lower SNR first"), ("--snr-db", "loud", "a range such as 0..20"),
        ("--snr-db", "0..900", "-300..300"),
        ("--channel", "raleigh", "did you mean 'rayleigh'"),
    ):  # fmt: skip
        failed(semveil(*train, option, value), 2, words)
