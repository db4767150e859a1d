# SPDX-License-Identifier: Apache-2.0
"""`semveil faces`, `protect --reversible` and `restore`: the whole way on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MOSAIC = ("--method", "mosaic", "--block", "8", "--size", "64", "--whole-photo", "--detector", "dlib")


@pytest.fixture
def key(semveil: Callable, tmp_path: Path) -> Path:
    assert semveil("keygen", "--out", tmp_path / "my.key").code == 0
    return tmp_path / "my.key"


def test_faces_are_listed_and_drawn(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    answer = semveil("faces", photo, "--detector", "dlib", "--draw", tmp_path / "boxes")
    assert answer.code == 0 and "UNPROTECTED photos with boxes" in answer.stdout
    assert (tmp_path / "boxes" / "private name.faces.png").is_file()
    told = json.loads(semveil("faces", photo, "--json", "--detector", "dlib").stdout)
    (face,) = told["photos"][0]["faces"]
    assert (told["detector"], face["number"], face["detector"], face["doubt"]) == ("dlib", 0, "dlib", "")
    assert 50 < face["px"] < 150 and face["score"] > 0.3
    Image.new("RGB", (99, 99)).save(tmp_path / "none.png")
    assert "none.png: no face found" in semveil("faces", tmp_path / "none.png", "--detector", "dlib").stdout


def test_a_missing_detector_is_said(
    semveil: Callable, failed: Callable, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semveil.data.detection.is_installed", lambda: False)
    failed(semveil("faces", photo, "--detector", "union"), 1, "pip install 'semveil[detect]'")
    failed(semveil("faces", photo, "--detector", "unjon"), 2, "did you mean 'union'")
    assert "only dlib looked for faces" in semveil("faces", photo).stderr


def test_neither_the_protected_picture_nor_the_key_is_written_over(
    semveil: Callable, failed: Callable, photo: Path, key: Path, tmp_path: Path
) -> None:
    """Its certificate would lie beside the original face and say that it is protected."""
    assert (
        semveil("protect", photo, *MOSAIC, "--out", tmp_path / "out", "--reversible", "--key", key).code == 0
    )
    picture = tmp_path / "out" / "private name.png"
    beside = [picture.with_name(f"{picture.name}{suffix}") for suffix in (".sealed", ".certificate.json")]
    kept = {path: path.read_bytes() for path in (picture, *beside)}
    failed(semveil("restore", picture, "--key", key, "--out", picture), 5, "would be lost; name another file")
    for path in (key, *kept):
        words = ("restore", picture, "--key", key, "--face", "0", "--hand-over", path)
        failed(semveil(*words), 5, "would be lost; name another file")
    assert {path: path.read_bytes() for path in kept} == kept


def test_there_and_back(semveil: Callable, failed: Callable, photo: Path, key: Path, tmp_path: Path) -> None:
    page = tmp_path / "review.html"
    answer = semveil(
        "protect", photo, *MOSAIC, "--out", tmp_path / "out", "--reversible", "--key", key, "--review", page
    )
    assert answer.code == 0 and page.is_file()
    assert (
        "1 face found, 1 protected, 0 covered, 0 left" in answer.stdout
        and "private name.png' --key KEY" in answer.stdout
    )
    picture, back = tmp_path / "out" / "private name.png", tmp_path / "back.png"
    answer = semveil("restore", picture, "--key", key, "--out", back)
    assert answer.code == 0 and "equals the photo that was protected in every pixel" in answer.stdout
    with Image.open(photo) as before, Image.open(back) as after:
        assert (np.asarray(before) == np.asarray(after)).all() and not after.info

    one = tmp_path / "face.key"
    assert semveil("restore", picture, "--key", key, "--face", "0", "--hand-over", one).code == 0
    assert (
        json.loads(semveil("restore", picture, "--key", one, "--out", back, "--json").stdout)["exact"] is True
    )
    failed(semveil("restore", picture, "--key", one, "--face", "1"), 7, "no key of face 1")
    failed(semveil("restore", picture, "--key", key, "--face", "3"), 7, "no face 3 was altered")
    failed(semveil("restore", picture), 2, "--key FILE")
    again = json.loads(
        semveil("restore", picture, "--key", one, "--key", one, "--out", back, "--json").stdout
    )
    assert (again["restored"], again["left"]) == ([0], [])
    failed(semveil("restore", picture, "--key", key, "--key", one), 2, "the one key that it was sealed with")
    failed(semveil("restore", picture, "--key", key, "--key", key), 2, "the one key that it was sealed with")
    words = ("--key", key, "--face", "0", "--hand-over", tmp_path / "two.key")
    failed(semveil("restore", picture, *words, "--out", back), 2, "restores nothing")
    failed(semveil("restore", tmp_path / "absent" / "a.png", "--key", key), 3, "no photo")
    failed(semveil("restore", picture, "--key", key, "--out", tmp_path / "absent" / "a.png"), 5, "absent")

    with Image.open(picture) as made:
        made.save(tmp_path / "edited.jpg", quality=95)
    words = ("restore", tmp_path / "edited.jpg", "--key", key, "--sealed", f"{picture}.sealed", "--out", back)
    failed(semveil(*words), 7, "re-encoded or edited since")
    answer = semveil(*words, "--anyway")
    assert answer.code == 0 and "not checked (--anyway)" in answer.stdout and "equals" not in answer.stdout
    failed(semveil("restore", tmp_path / "edited.jpg", "--key", key), 7, "has no sealed part")


def test_a_passphrase_seals_too_and_its_weakness_is_said(
    semveil: Callable, failed: Callable, photo: Path, key: Path, tmp_path: Path
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("a heron in the reeds\n")
    words.chmod(0o600)
    out = tmp_path / "out"
    assert (
        semveil(
            "protect", photo, *MOSAIC, "--out", out, "--reversible", "--passphrase-file", words, "--sealed-in"
        ).code
        == 0
    )
    picture = out / "private name.png"
    assert "try guesses without limit" in semveil("certify", picture).stdout
    answer = semveil("restore", picture, "--passphrase-file", words, "--out", tmp_path / "back.png")
    assert answer.code == 0 and "in every pixel" in answer.stdout
    failed(semveil("restore", picture, "--key", key), 7, "sealed with a passphrase")
    words.write_text("a stork in the reeds\n")
    failed(
        semveil("restore", picture, "--passphrase-file", words), 7, "the passphrase is another than the one"
    )


def test_a_passphrase_for_what_a_key_sealed_is_named(
    semveil: Callable,
    failed: Callable,
    photo: Path,
    key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words, out = tmp_path / "words.txt", tmp_path / "out"
    words.touch(mode=0o600)
    words.write_text("a heron in the reeds\n")
    assert semveil("protect", photo, *MOSAIC, "--out", out, "--reversible", "--key", key).code == 0
    picture = out / "private name.png"
    failed(semveil("restore", picture, "--passphrase-file", words), 7, "sealed with a key, not a passphrase")
    monkeypatch.chdir(tmp_path)
    answer = semveil("restore", picture, "--key", key)
    assert answer.code == 0 and not answer.stderr, answer
    assert (tmp_path / "private name.restored.png").is_file() and len(list(out.glob("*.png"))) == 1
    beside = semveil("restore", picture, "--key", key, "--out", out / "back.png")
    assert beside.code == 0 and "do not publish that folder" in beside.stderr


def test_photos_of_one_name_in_two_folders_are_not_restored_over_one_another(
    semveil: Callable,
    failed: Callable,
    photo: Path,
    key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = tmp_path / "other" / photo.name
    other.parent.mkdir()
    with Image.open(photo) as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(other)
    monkeypatch.chdir(tmp_path)
    for one, out in ((photo, "first"), (other, "second")):
        assert semveil("protect", one, *MOSAIC, "--out", out, "--reversible", "--key", key).code == 0
    restored = Path(f"{photo.stem}.restored.png")
    for _ in range(2):  # the same content again loses nothing
        assert semveil("restore", f"first/{photo.stem}.png", "--key", key).code == 0
    content = restored.read_bytes()
    again = ("restore", f"second/{photo.stem}.png", "--key", key)
    failed(semveil(*again), 5, "exists and would be lost; name another file with --out")
    assert restored.read_bytes() == content
    assert semveil(*again, "--out", restored).code == 0 and restored.read_bytes() != content


@pytest.mark.parametrize(
    "words", [("--reversible",), ("--key", "my.key"), ("--sealed-in",), ("--review-originals",)]
)
def test_options_that_belong_together(
    semveil: Callable, failed: Callable, photo: Path, tmp_path: Path, words: tuple
) -> None:
    failed(semveil("protect", photo, *MOSAIC, "--out", tmp_path / "out", *words), 2, "goes with")


def test_another_passphrase_in_the_same_file_is_sealed_with(
    semveil: Callable, failed: Callable, photo: Path, tmp_path: Path
) -> None:
    words, picture, back = tmp_path / "words", tmp_path / "out" / "private name.png", tmp_path / "back.png"
    words.touch(mode=0o600)
    protecting = ("protect", photo, *MOSAIC, "--out", picture.parent, "--reversible", "--passphrase-file")
    done = []
    for passphrase in ("a heron in the reeds", "a heron in the reeds", "two herons in the reeds"):
        words.write_text(passphrase)
        told = semveil(*protecting, words)
        assert "the passphrase opens them" in told.stdout and "--passphrase-file FILE" in told.stdout, told
        assert semveil("restore", picture, "--passphrase-file", words, "--out", back).code == 0
        done.append("1 done before" in told.stdout)
    renamed = words.rename(tmp_path / "renamed")
    assert "1 done before" in semveil(*protecting, renamed).stdout and done == [False, True, False]
    renamed.write_text("too short")
    failed(semveil(*protecting, renamed), 7, "has 9 characters; use at least 12")


def test_faces_are_listed_in_order_of_their_numbers(
    semveil: Callable, failed: Callable, tmp_path: Path
) -> None:
    from data.test_sealed_faces import ORIGINAL, PROTECTED, REGIONS, SECRET, sealed

    from semveil.data.save import save_png
    from semveil.keys import write_secret

    picture, key = tmp_path / "a.png", tmp_path / "my.key"
    save_png(picture, PROTECTED)
    Path(f"{picture}.sealed").write_bytes(sealed(ORIGINAL, PROTECTED, REGIONS[::-1]))
    write_secret(key, SECRET)
    words = ("restore", picture, "--key", key, "--out", tmp_path / "back.png")
    assert json.loads(semveil(*words, "--json").stdout)["restored"] == [0, 1]
    assert "are back: face 0, face 1." in semveil(*words).stdout
    failed(semveil(*words, "--face", "99"), 7, "there are: 0, 1")
