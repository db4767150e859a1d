# SPDX-License-Identifier: Apache-2.0
"""`semveil attack` on message files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

from semveil.cli.attack import _table
from semveil.link.attack_message import Found
from semveil.link.verdict import Score, Verdict

ALICE = ("--model", "tiny")
FEW = ("--known", "150", "--seed", "1")


def test_every_eve_makes_a_picture(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    assert semveil("send", photo, *ALICE, "--protection", "none", "--out", tmp_path / "m.svl").code == 0
    out = tmp_path / "out"
    named = ("direct", "denoise", "prior-search", "impute", "linear")
    chosen = [part for name in named for part in ("--attack", name)]
    found = semveil("attack", tmp_path / "m.svl", *FEW, *chosen, "--out", out, "--json")
    assert found.code == 0, found
    assert tuple(one["attack"] for one in json.loads(found.stdout)["attacks"]) == named
    assert {path.stem for path in out.glob("*.png")} == set(named)
    verdict = json.loads(found.stdout)["verdict"]
    assert (verdict["reference"], [score["attack"] for score in verdict["scores"]]) == (
        "Bob's picture",
        list(named),
    )
    assert verdict["outcome"] in ("undone", "partly undone", "held")
    assert verdict == json.loads((out / "result.json").read_text())["verdict"]


def test_pictures_of_other_attacks_are_named(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    assert semveil("send", photo, *ALICE, "--protection", "none", "--out", tmp_path / "m.svl").code == 0
    again = ("attack", tmp_path / "m.svl", *FEW, "--out", tmp_path / "out", "--attack")
    assert "earlier run" not in semveil(*again, "direct").stderr
    found = semveil(*again, "denoise", "--json")
    assert "'direct.png' in" in found.stderr
    assert json.loads(found.stdout)["attacks"][0]["attack"] == "denoise"


def test_a_keyed_message_needs_no_key_to_be_attacked(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    assert semveil("keygen", "--out", tmp_path / "k.key").code == 0
    sent = semveil(
        "send", photo, *ALICE, "--key", tmp_path / "k.key", "--private", "skin", "--out", tmp_path / "m.svl"
    )
    assert sent.code == 0
    chosen = ("--attack", "impute", "--attack", "direct")
    found = semveil("attack", tmp_path / "m.svl", *FEW, *chosen, "--out", tmp_path / "out", "--json")
    assert found.code == 0, found
    result = json.loads(found.stdout)
    assert [one["attack"] for one in result["attacks"]] == ["direct", "impute"]
    assert result["verdict"] is None  # nobody can tell from the message what the photo shows
    told = semveil(
        "attack", tmp_path / "m.svl", *FEW, *chosen[:2], "--photo", photo, "--out", tmp_path / "out"
    )
    assert "Verdict: " in told.stdout and "Compared: with the photo" in told.stdout
    assert "Eve's channel: awgn, 20 dB" in told.stdout


def test_eve_listens_over_the_channel_that_is_named(
    semveil: Callable, failed: Callable, photo: Path, tmp_path: Path
) -> None:
    assert semveil("send", photo, *ALICE, "--protection", "none", "--out", tmp_path / "m.svl").code == 0
    asked = ("attack", tmp_path / "m.svl", *FEW, "--attack", "direct", "--out", tmp_path / "out")
    fading = "rayleigh:coherence=8,csi=mmse,pilots=4,antennas=2"
    told = semveil(*asked, "--channel", fading, "--snr-db", "12")
    assert told.code == 0 and f"Eve's channel: {fading}, 12 dB" in " ".join(told.stdout.split())
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert (result["channel"], result["snr_db"]) == (fading, 12.0)
    failed(semveil(*asked, "--channel", "raleigh"), 2, "did you mean 'rayleigh'")


def test_the_table_tells_how_many_photos_eve_knows(
    semveil: Callable, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert semveil("send", photo, *ALICE, "--protection", "none", "--out", tmp_path / "m.svl").code == 0
    found = semveil("attack", tmp_path / "m.svl", *FEW, "--attack", "linear", "--out", tmp_path / "out")
    assert "150 transmissions of photos that she knows" in found.stdout


@pytest.mark.parametrize(
    ("name", "words"), [("inpute", "did you mean 'impute'"), ("multi-shot", "does not apply")]
)
def test_attacks_that_cannot_be_run_are_named(
    semveil: Callable, photo: Path, tmp_path: Path, name: str, words: str
) -> None:
    assert semveil("send", photo, *ALICE, "--protection", "none", "--out", tmp_path / "m.svl").code == 0
    found = semveil("attack", tmp_path / "m.svl", *FEW, "--attack", name, "--out", tmp_path / "out")
    assert found.code == 2 and words in found.stderr, found
    assert not (tmp_path / "out").exists()


def test_an_attack_does_not_replace_the_photo_it_is_judged_by(
    semveil: Callable, failed: Callable, photo: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "direct.png"
    Image.open(photo).save(mine)
    before = mine.read_bytes()
    assert (
        semveil("send", mine, "--model", "tiny", "--protection", "none", "--out", tmp_path / "m.svl").code
        == 0
    )
    failed(
        semveil("attack", tmp_path / "m.svl", "--photo", mine, "--attack", "direct", "--out", tmp_path),
        5,
        "would be lost",
    )
    assert mine.read_bytes() == before


def test_the_table_does_not_show_decisions_that_do_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    images = torch.zeros(1, 3, 4, 4)
    scores = (Score("direct", 10.0, 0, 0.0),)
    for blind, words in ((1, "does not count"), (0, "another")):
        table = _table([Found("direct", "the generator", images)], Verdict("held", scores, 1, "dlib", blind))
        Console(width=200).print(table)
        assert words in capsys.readouterr().out
