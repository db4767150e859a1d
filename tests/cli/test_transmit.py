# SPDX-License-Identifier: Apache-2.0
"""`semveil transmit` writes all of its results or none, and says what they are worth."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semveil.core.whole_folder import whole_folder
from semveil.methods.dp_semcom import DPSemCom

FILES = {
    "source.png",
    "inverted.png",
    "direct.png",
    "bob.png",
    "eve.png",
    "eve.png.certificate.json",
    "result.json",
}
QUICK = ("--model", "tiny", "--snr-db", "20")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_photo_becomes_five_pictures_and_a_result(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    answer = semveil("transmit", photo, *QUICK, "--protection", "nn", "--seed", "3", "--out", out, "--json")
    assert (answer.code, answer.stderr) == (0, "")
    printed = json.loads(answer.stdout)
    assert names(out) == FILES
    result = json.loads((out / "result.json").read_text())
    assert {k: v for k, v in printed.items() if k != "out"} == result
    (record,) = result["images"]
    assert record["source"] == "private name"
    assert record["nominal_epsilon"] == 10
    assert record["guarantee"]["basis"] == "none"
    assert record["guarantee"]["epsilon"] is None
    for party in ("direct", "bob", "eve"):
        assert 0 < record[party]["psnr"] < 60
        assert record[party]["lpips"] is None
        assert "semveil models get" in record[party]["lpips_reason"]
    assert result["seeds"] == {"run": 3}
    assert result["config"]["calibration"]["true_epsilon_of_genuine_noise"] == pytest.approx(
        10 * 7 * 4 / np.sqrt(28 * 4)
    )
    assert str(photo.parent) not in (out / "result.json").read_text()


def test_a_pair_and_missing_weights_are_told_in_a_line_each(
    semveil: Callable, photo: Path, tmp_path: Path
) -> None:
    lines = semveil("transmit", photo, *QUICK, "--protection", "nn", "--out", tmp_path / "out").stdout
    assert "would give the private codes epsilon 26.46: protects nobody; the trained pair" in lines
    left_out = "LPIPS left out: semveil models get lpips-alex; semveil models get lpips-squeeze"
    assert left_out in lines.splitlines() and ".pth" not in lines


def test_numbers_hide_names_that_name_people(
    semveil: Callable, failed: Callable, photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("transmit", photo, photo, *QUICK, "--protection", "none", "--out", out, "--names")
    answer = semveil(*words, "numbers")
    assert names(out) == {"photo-1", "photo-2", "result.json"}
    assert "private name" not in answer.stdout + (out / "result.json").read_text()
    failed(semveil(*words, "number"), 2, "did you mean 'numbers'")


def test_pictures_carry_nothing_but_pixels(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    assert semveil("transmit", photo, *QUICK, "--out", tmp_path / "out").code == 0
    for path in (tmp_path / "out").glob("*.png"):
        with Image.open(path) as image:
            assert image.size == (32, 32)
            assert not image.info
        assert b"secret" not in path.read_bytes()


def test_the_same_seed_gives_the_same_pictures(
    semveil: Callable, photo: Path, tmp_path: Path, pixels: Callable
) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        words = ("--protection", "nn", "--seed", seed, "--out", tmp_path / name, "--snr-db", "5")
        assert semveil("transmit", photo, *QUICK, *words).code == 0
    a, b, c = (pixels(tmp_path / name / "bob.png") for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_several_photos_get_folders_of_their_own(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer = semveil("transmit", photo, photo, *QUICK, "--protection", "none", "--out", out)
    assert answer.code == 0
    assert names(out) == {"private name", "private name-2", "result.json"}
    assert names(out / "private name-2") == FILES - {"result.json"}
    sources = [image["source"] for image in json.loads((out / "result.json").read_text())["images"]]
    assert sources == ["private name", "private name-2"]
    assert "latents are sent as they are" in " ".join(answer.stdout.split())


def test_one_photo_at_several_snrs_is_inverted_and_sent_once(
    semveil: Callable, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: Callable
) -> None:
    inverted, sent = [], []
    for name, calls in (("invert", inverted), ("send_codes", sent)):
        original = getattr(DPSemCom, name)

        def counted(*given: Any, _calls: list = calls, _call: Callable = original, **options: Any) -> Any:
            _calls.append(_call(*given, **options))
            return _calls[-1]

        monkeypatch.setattr(DPSemCom, name, counted)
    out = tmp_path / "out"
    options = ("--protection", "none", "--snr-db", "-5,0,40", "--seed", "1", "--out", out)
    answer = semveil("transmit", photo, "--model", "tiny", *options)
    assert answer.code == 0 and (len(inverted), len(sent)) == (1, 1)
    assert names(out) == {"snr_-5", "snr_0", "snr_40", "result.json"}
    assert all(names(out / name) == FILES - {"result.json"} for name in names(out) - {"result.json"})
    result = json.loads((out / "result.json").read_text())
    assert result["config"]["snr_db"] == result["config"]["eve_snr_db"] == [-5, 0, 40]
    assert [(one["source"], one["snr_db"]) for one in result["images"]] == [
        ("private name", -5), ("private name", 0), ("private name", 40)
    ]  # fmt: skip
    bob = [one["bob"]["psnr_to_inversion"] for one in result["images"]]
    assert bob[2] > max(bob[:2]) + 10
    assert not np.array_equal(pixels(out / "snr_-5" / "eve.png"), pixels(out / "snr_0" / "eve.png"))
    assert "private name, -5 dB" in answer.stdout and "private name, 40 dB" in answer.stdout
    assert "in a folder for each SNR" in " ".join(answer.stdout.split())


def test_one_snr_gives_the_same_alone_and_first_of_several(
    semveil: Callable, photo: Path, tmp_path: Path, pixels: Callable
) -> None:
    for snrs, out in (("3", "one"), ("3,9", "two")):
        words = ("--protection", "nn", "--seed", "1", "--snr-db", snrs, "--out", tmp_path / out)
        assert semveil("transmit", photo, "--model", "tiny", *words).code == 0
    for picture in ("source", "inverted", "direct", "bob", "eve"):
        one, two = (pixels(tmp_path / folder / f"{picture}.png") for folder in ("one", "two/snr_3"))
        assert np.array_equal(one, two)
    (alone,) = json.loads((tmp_path / "one" / "result.json").read_text())["images"]
    first = json.loads((tmp_path / "two" / "result.json").read_text())["images"][0]
    assert "snr_db" not in alone and first == {**alone, "snr_db": 3, "eve_snr_db": 3}


def test_without_options_a_key_protects_and_the_reader_is_told_what_is_measured(
    semveil: Callable, photo: Path, tmp_path: Path
) -> None:
    answer = semveil("transmit", photo, *QUICK, "--out", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "result.json").read_text())["config"]
    assert (config["protection"], len(config["private_codes"])) == ("rotation", 28)
    assert "Protection: rotation. Covers all codes with epsilon 0 and delta" in answer.stdout
    assert "as good as it gets (basis: computational" in answer.stdout
    assert (
        "FPPSR: face privacy protection success rate: 1 where dlib takes the picture for another person"
        in answer.stdout
    )
    assert "Bob: " in answer.stdout and "32 x 32 px" in answer.stdout


def test_the_seed_of_genuine_noise_is_never_written(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = (
        "--protection",
        "laplace",
        "--calibration",
        "corrected",
        "--private",
        "skin,eyes",
        "--seed",
        "987654321",
    )
    answer = semveil("transmit", photo, *QUICK, *options, "--out", out)
    assert answer.code == 0
    text = (out / "result.json").read_text()
    assert "987654321" not in text + answer.stdout
    result = json.loads(text)
    assert result["seeds"]["run"] is None
    assert result["config"]["private_codes"] == [0, 1, 4, 5, 6, 7]
    guarantee = result["images"][0]["guarantee"]
    assert guarantee["epsilon"] == pytest.approx(10)
    assert guarantee["basis"] == "simulation"
    assert guarantee["whole_record_epsilon"] is None


def test_a_missing_pair_is_trained_or_its_command_named(
    semveil: Callable, photo: Path, tmp_path: Path, failed: Callable
) -> None:
    asked = ("--protection", "nn", "--epsilon", "3", "--private-codes", "0,2-3")
    refused = semveil("transmit", photo, *QUICK, *asked, "--no-train", "--out", tmp_path / "out")
    command = (
        "semveil train protector --model tiny --epsilon 3 --private-codes 0,2,3 --calibration as_published"
    )
    failed(refused, 1, command)
    assert not (tmp_path / "out").exists()
    trained = semveil("transmit", photo, *QUICK, *asked, "--out", tmp_path / "out")
    assert trained.code == 0
    assert "training one now" in trained.stderr
    assert semveil("transmit", photo, *QUICK, *asked, "--no-train", "--out", tmp_path / "out").code == 0


def test_all_photos_are_checked_before_anything_is_written(
    semveil: Callable, photo: Path, tmp_path: Path, failed: Callable
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(photo.read_bytes()[:3000])
    failed(semveil("transmit", photo, bad, *QUICK, "--out", tmp_path / "out"), 3, "damaged or cut short")
    assert names(tmp_path) == {"bad.jpg"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--protection", "nn", "--epsilon", "0"), "epsilon"),
        (("--epsilon", "10"), "protection 'rotation' has no epsilon to set"),
        (("--protection", "nn", "--epsilon", "nan"), "epsilon"),
        (("--epsilon", "ten"), "'--epsilon'"),
        (("--snr-db", "nan"), "--snr-db must lie in"),
        (("--snr-db", "inf"), "--snr-db must lie in"),
        (("--snr-db", "0,nan"), "--snr-db must lie in"),
        (("--snr-db", "0,5dB"), "--snr-db takes numbers such as 20 or 0,5,10, got '0,5dB'"),
        (("--eve-snr-db", "ten"), "--eve-snr-db takes numbers"),
        (("--snr-db", "0,5", "--eve-snr-db", "1,2,3"), "Bob has 2 SNRs and Eve 3"),
        (("--snr-db", "0,5,0"), "SNR 0 dB is given twice"),
        (("--private", "skinn"), "did you mean 'skin'"),
        (("--private", "skin", "--private-codes", "0"), "not both"),
        (("--private-codes", "0,99"), "0..27"),
        (("--protection", "laplas"), "did you mean 'laplace'"),
        (("--protection", "nn", "--calibration", "correct"), "did you mean 'corrected'"),
        (("--model", "tinny"), "did you mean 'tiny'"),
        (("--verifier", "dlip"), "did you mean 'dlib'"),
        (("--verifier", "absent.onnx"), "no threshold is known"),
        (("--face", "biggest"), "allowed: a number from 0, largest or all"),
        (("--face", "7"), "has no face 7"),
        (("--sed", "1"), "--seed"),
    ],
)
def test_bad_options_are_one_line(
    semveil: Callable, photo: Path, tmp_path: Path, failed: Callable, options: tuple[str, ...], words: str
) -> None:
    answer = semveil("transmit", photo, *QUICK, *options, "--out", tmp_path / "out")
    failed(answer, 4 if "--face" in options else 2, words)
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file_is_refused_at_once(
    semveil: Callable, photo: Path, failed: Callable
) -> None:
    failed(semveil("transmit", photo, *QUICK, "--out", photo), 5, "is not a folder")


def test_results_replace_older_ones_and_leave_other_files(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("result.json", "a.png", "own.txt"):
        (out / name).write_text("old")
    with whole_folder(out) as folder:
        (folder / "result.json").write_text("new")
        (folder / "a.png").write_text("new")
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "result.json": "new",
        "a.png": "new",
        "own.txt": "old",
    }
    assert names(tmp_path) == {"out"}


def test_pictures_of_an_earlier_run_are_named(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    def run(*options: str) -> str:
        answer = semveil("transmit", photo, "--model", "tiny", "--out", tmp_path / "out", *options)
        assert answer.code == 0, answer
        return str(answer.stderr)

    assert run("--snr-db", "0,20") == ""
    told = run("--snr-db", "0,5")
    assert "'snr_20/bob.png' and 4 more pictures" in told
    assert str(tmp_path / "out") in told.replace("\n", "")
    told = run()
    assert "'snr_0/bob.png' and 14 more pictures" in told
    (tmp_path / "out" / "result.json").unlink()  # no earlier run, so whose pictures they are is not known
    assert run("--snr-db", "0,5") == ""


@pytest.mark.parametrize(
    ("others", "named"),
    [
        (["bob.png"], "'bob.png' in"),
        (["bob-2.png", "anna/bob.png"], "'anna/bob.png' and 1 more picture in"),
        (["cat.png", "bob.txt", "anna/cat.png", "anna/of/bob.png", "a.png"], None),
    ],
)
def test_only_pictures_of_such_a_run_are_named(tmp_path: Path, others: list[str], named: str | None) -> None:
    out = tmp_path / "out"
    for name in ("result.json", *others):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("old")
    told: list[str] = []
    with whole_folder(out, pictures=["a", "bob"], note=told.append) as folder:
        (folder / "result.json").write_text("new")
        (folder / "a.png").write_text("new")
    assert len(told) == (named is not None)
    assert all(text.startswith(named or "") for text in told)
    assert all((out / name).exists() for name in others)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), whole_folder(tmp_path / "out") as folder:
        (folder / "bob.png").write_text("half")
        raise error
    assert names(tmp_path) == set()
