# SPDX-License-Identifier: Apache-2.0
"""`semveil protect`: words on the command line, exit codes, what is printed."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from PIL import Image

from semveil.cli.main import app
from semveil.cli.protect import protect
from semveil.methods.options import declared_options
from semveil.methods.registry import image_methods

MOSAIC = ("--method", "mosaic", "--block", "8", "--size", "64")


def test_the_page_may_lie_in_the_folder_that_the_run_makes_and_next_commands_name_the_ledger(
    semveil: Callable, photo: Path, tmp_path: Path
) -> None:
    out, ledger = tmp_path / "new" / "out", tmp_path / "my ledger.jsonl"
    page = out / "look.html"
    ask = ("protect", photo, "--out", out, *MOSAIC, "--subject", "Ada", "--ledger", ledger)
    assert semveil(*ask, "--review", tmp_path / "no" / "look.html").code == 5
    answer = semveil(*ask, "--review", page)
    assert answer.code == 0 and page.is_file()
    assert f"semveil ledger show --subject NAME --ledger '{ledger}'" in " ".join(answer.stdout.split())


def test_a_photo_and_a_folder_are_protected(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    answer = semveil("protect", photo, "--out", tmp_path / "one", *MOSAIC)
    assert (answer.code, answer.stderr) == (0, "")
    assert "1 photo: 1 protected. 1 face found, 1 protected, 0 refused." in answer.stdout
    assert "no finite epsilon" in answer.stdout
    assert {p.name for p in (tmp_path / "one").iterdir()} == {
        ".semveil", "private name.png", "private name.png.certificate.json",
    }  # fmt: skip
    page = tmp_path / "look.html"
    again = semveil("protect", photo, "--out", tmp_path / "one", *MOSAIC)
    assert "1 done before" in again.stdout and "no finite epsilon" in again.stdout
    assert "--review look.html" in again.stdout and "Review:" not in again.stdout
    seen = semveil("protect", photo, "--out", tmp_path / "one", *MOSAIC, "--review", page)
    assert f"Review: {page}" in seen.stdout and "--review look.html" not in seen.stdout
    answer = semveil(
        "protect",
        "--method=dp-pix",
        "--epsilon=2",
        photo.parent,
        "--size",
        64,
        "--out",
        tmp_path / "all",
        "--json",
    )
    result = json.loads(answer.stdout)
    assert (answer.code, result["photos"]["protected"], result["faces"]["protected"]) == (0, 1, 1)
    assert (result["guarantee"]["basis"], result["guarantee"]["epsilon"]) == ("proved", 512.0)
    assert semveil("certify", tmp_path / "all" / "private name.png").code == 0


@pytest.mark.parametrize(
    ("options", "hidden"),
    [
        ("dp-pix --epsilon 2 --size 64", "methods that promise more: see docs/which-method.md"),
        ("dp-image --model tiny", "--subspace 16 --epsilon 4 promises more: see docs/which-method.md"),
        ("identity-dp --epsilon 50", "--epsilon 1 promises more: see docs/which-method.md"),
    ],
)
def test_an_epsilon_that_protects_nobody_is_said_to_hide_nothing(
    semveil: Callable, photo: Path, tmp_path: Path, options: str, hidden: str
) -> None:
    answer = semveil("protect", photo, "--out", tmp_path / "out", "--method", *options.split())
    assert answer.code == 0 and "protects nobody" in answer.stdout
    assert f"Hidden: nothing is promised; {hidden}." in answer.stdout.splitlines()
    assert "where epsilon" not in answer.stdout and "take most faces" not in answer.stdout


def test_the_link_is_met_with_its_commands(semveil: Callable, failed: Callable, photo: Path) -> None:
    words = "it is a link: use semveil transmit or semveil send"
    failed(semveil("protect", photo, "--method", "dp-semcom"), 2, words)
    card = semveil("methods", "dp-semcom").stdout
    assert "Leaves: when and how much is sent\n" in card
    assert "By default: with a key epsilon 0 and a tiny delta; without one: no guarantee" in card
    for name in image_methods():
        (about,) = [
            line for line in semveil("methods", name).stdout.splitlines() if line.startswith("Method: ")
        ]
        assert not set("=[(") & set(about)


def test_crops_are_said_to_be_pictures_of_faces(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    crops = semveil("protect", photo, "--out", tmp_path / "crops", *MOSAIC).stdout
    size = "a picture of each face, 64 x 64 px; --whole-photo pastes it back into the photo"
    assert f"Written: {tmp_path / 'crops'}, {size}. Each picture has its certificate." in crops.splitlines()
    whole = semveil("protect", photo, "--out", tmp_path / "whole", *MOSAIC, "--whole-photo").stdout
    assert "a picture of each face" not in whole


def test_a_face_too_small_for_a_crop_is_refused_with_the_layout_that_takes_it(
    semveil: Callable, photo: Path, tmp_path: Path
) -> None:
    wanted = ("protect", photo, "--method", "mosaic", "--size", "1024")
    crops = semveil(*wanted, "--out", tmp_path / "crops")
    assert crops.code == 4 and "px, fewer than the 256 px needed; use a larger photo, or --whole-photo, " in (
        crops.stderr
    )
    assert semveil(*wanted, "--out", tmp_path / "whole", "--whole-photo").code == 0


def test_refused_photos_make_it_fail_after_the_others_are_done(
    semveil: Callable, photo: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(photo.read_bytes())
    Image.new("RGB", (200, 200), "grey").save(folder / "none\n.png")
    answer = semveil("protect", folder, "--out", tmp_path / "out", *MOSAIC)
    assert answer.code == 4
    assert "2 photos: 1 protected, 1 refused" in answer.stdout
    assert answer.stderr.startswith("semveil: note: refused: no face found in")
    assert len(answer.stderr.splitlines()) == 1
    assert semveil("protect", folder, "--out", tmp_path / "out", *MOSAIC, "--on-no-face", "skip").code == 0
    copied = semveil("protect", folder, "--out", tmp_path / "out", *MOSAIC, "--on-no-face", "copy")
    assert "1 photo without a detected face copied to the output UNPROTECTED" in copied.stdout


@pytest.mark.parametrize(
    ("words", "words_of_error"),
    [
        (("--method", "mosaik"), "did you mean 'mosaic'"),
        (("--method", "dp-semcom"), "it is a link: use semveil transmit or semveil send"),
        (("--method", "mosaic", "--blok", "8"), "did you mean '--block'"),
        (("--method", "mosaic", "--block"), "requires an argument"),
        (("--method", "mosaic", "--block", "8", "--block", "9"), "given twice"),
        (("--method", "mosaic", "--block", "x"), "takes a whole number"),
        (("--method", "mosaic", "--block", "0"), "must be a whole number from 1"),
        (("--method", "mosaic", "--model", "faces-128"), "uses no model"),
        (("--method", "mosaic", "--face", "larges"), "did you mean 'largest'"),
        (("--method", "mosaic", "--on-no-face", "copi"), "did you mean 'copy'"),
        (("--method", "mosaic", "--keep", "inverted"), "inverts nothing"),
        (("--method", "mosaic", "--workers", "2", "--cluster", "tcp://a:1"), "not both"),
        (("--method", "mosaic", "--workers", "0"), "1 or more"),
        (("--method", "mosaic", "--face", "0,"), "several such as 0,2"),
        (("--method", "mosaic", "--ledger", "book.jsonl"), "name the subject, or a folder"),
        (("--method", "mosaic", "--subject", "Ada", "--enrolled", "people"), "not both"),
        (("--method", "mosaic", "--subject", " "), "needs a name"),
    ],
)
def test_mistakes_are_one_line(
    semveil: Callable,
    failed: Callable,
    photo: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    words_of_error: str,
) -> None:
    failed(semveil("protect", photo, "--out", tmp_path / "out", *words), 2, words_of_error)
    assert not list((tmp_path / "out").glob("*.png"))


def test_a_whole_photo_is_kept_but_for_its_face(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    words = (
        "--out",
        tmp_path / "out",
        *MOSAIC,
        "--whole-photo",
        "--subject",
        "Ada",
        "--ledger",
        tmp_path / "book.jsonl",
    )
    answer = semveil("protect", photo, *words)
    assert answer.code == 0 and answer.stderr.startswith("semveil: note: began a new ledger")
    assert "faces that were not found are UNPROTECTED too" in answer.stdout
    assert "Recorded in the ledger: 1;" in answer.stdout
    with Image.open(photo) as before, Image.open(tmp_path / "out" / "private name.png") as after:
        assert before.size == after.size
    assert "paste-back" in semveil("certify", tmp_path / "out" / "private name.png").stdout
    told = json.loads(
        semveil("ledger", "show", "--subject", "ada", "--ledger", tmp_path / "book.jsonl", "--json").stdout
    )
    assert len(told["releases"]) == 1


def test_people_to_recognise_must_be_there(
    semveil: Callable, failed: Callable, photo: Path, tmp_path: Path
) -> None:
    words = ("--out", tmp_path / "out", *MOSAIC, "--enrolled")
    failed(semveil("protect", photo, *words, tmp_path / "nobody"), 3, "does not exist")
    Image.new("RGB", (50, 50)).save(tmp_path / "black.png")
    failed(semveil("protect", photo, *words, tmp_path / "black.png"), 2, "shows 0 faces")


def test_what_is_missing_is_one_line(
    semveil: Callable, failed: Callable, photo: Path, tmp_path: Path
) -> None:
    failed(semveil("protect", *MOSAIC, "--out", tmp_path / "out"), 2, "name photos")
    failed(semveil("protect", tmp_path / "nothing", *MOSAIC, "--out", tmp_path / "out"), 3, "does not exist")
    failed(semveil("protect", photo.parent, *MOSAIC, "--out", photo.parent), 2, "is the output folder")


def test_the_methods_are_listed(semveil: Callable) -> None:
    listed = json.loads(semveil("protect", "--methods", "--json").stdout)["methods"]
    assert [entry["method"] for entry in listed] == [*image_methods(), "dp-semcom"]
    assert all(entry["hides"] and entry["leaves"] for entry in listed)
    for command in (("methods",), ("methods", "latent-dp"), ("protect", "--method", "latent-dp", "--help")):
        assert "epsilon 10: protects nobody" in " ".join(semveil(*command).stdout.split())
    assert listed == json.loads(semveil("methods", "--json").stdout)["methods"]
    assert {entry["method"]: entry["layout"] for entry in listed}["mosaic"] == "crops"
    assert "--neighbourhood" in semveil("methods").stdout
    assert "pixels neighbouring crops" in semveil("methods", "dp-pix").stdout


def test_options_of_methods_and_of_the_verb_do_not_collide() -> None:
    command = typer.main.get_command(app).commands["protect"]  # type: ignore[attr-defined]
    taken = {flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")}
    assert {"--out", "--workers"} <= taken
    assert "as_json" in inspect.signature(protect).parameters
    for name, method in image_methods().items():
        assert not taken & {option.flag for option in declared_options(method).values()}, name


def test_the_options_of_a_method_stand_in_its_help(semveil: Callable) -> None:
    answer = semveil("protect", "--method", "dp-pix", "--help")
    assert answer.code == 0 and "Options of dp-pix" in answer.stdout and "--neighbourhood" in answer.stdout
    assert "--neighbourhood" not in semveil("protect", "--method=blur", "--help").stdout


def test_switches_of_a_method_have_two_names(
    semveil: Callable, failed: Callable, photo: Path, tmp_path: Path
) -> None:
    words = ("protect", photo, "--out", tmp_path / "out", "--mechanism", "privunit")
    failed(semveil(*words, "--no-renormalise"), 2, "leave renormalise as it is")
    failed(semveil(*words, "--renormalise", "x"), 3, "does not exist")


def test_method_and_folder_have_defaults_that_are_named(
    semveil: Callable, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    answer = semveil("protect", photo)
    assert answer.code == 0 and (tmp_path / "out" / "protect" / "identity-dp" / "private name.png").is_file()
    for words in (
        "Method: identity-dp (the default",
        "Hidden: the identity vector.",
        "Not hidden: hair",
        "UNPROTECTED",
        "epsilon 1: strong, for the identity vector",
        "Written: out/protect/identity-dp (the default; --out DIR)",
        "128 x 128 px",
        "Next: semveil certify 'out/protect/identity-dp/private name.png'",
    ):
        assert words in answer.stdout, words
    named = semveil("protect", photo, "--method", "identity-dp", "--out", "mine").stdout
    assert "default" not in named and "Written: mine," in named
