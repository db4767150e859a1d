# SPDX-License-Identifier: Apache-2.0
"""`--channel` of transmit, receive and eavesdrop."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ALICE = ("--model", "tiny", "--protection", "none")


@pytest.fixture
def message(semveil: Callable, photo: Path, tmp_path: Path) -> Path:
    path = tmp_path / "m.svl"
    assert semveil("send", photo, *ALICE, "--out", path).code == 0
    return path


@pytest.mark.parametrize(("verb", "option"), [("receive", "--bob-channel"), ("eavesdrop", "--eve-channel")])
def test_each_receiver_has_a_channel(
    semveil: Callable, message: Path, tmp_path: Path, pixels: Callable, verb: str, option: str
) -> None:
    def picture(name: str, *words: str) -> np.ndarray:
        assert (
            semveil(verb, message, "--snr-db", "200", "--seed", "1", *words, "--out", tmp_path / name).code
            == 0
        )
        return pixels(tmp_path / name).astype(int)

    plain = picture("plain.png")
    for words in (
        ("--channel", "rayleigh:csi=ls,pilots=8"),
        (option, "ofdm:subcarriers=16,taps=2,csi=mmse,pilots=4"),
    ):
        assert np.abs(picture("known.png", *words) - plain).max() <= 2  # equalised, and no noise to speak of
    assert np.abs(picture("blind.png", "--channel", "rayleigh:csi=none") - plain).max() > 10


def test_transmit_gives_each_party_its_channel(
    semveil: Callable, photo: Path, tmp_path: Path, pixels: Callable
) -> None:
    words = (
        "--snr-db",
        "200",
        "--seed",
        "1",
        "--eve-channel",
        "timing:delay=7.5,csi=none",
        "--out",
        tmp_path / "out",
        "--json",
    )
    done = semveil("transmit", photo, *ALICE, *words)
    config = json.loads(done.stdout)["config"]
    assert (config["channel"], config["eve_channel"]) == ("awgn", "timing:delay=7.5,csi=none")
    source, bob, eve = (
        pixels(tmp_path / "out" / f"{name}.png").astype(int) for name in ("inverted", "bob", "eve")
    )
    assert np.abs(bob - source).max() <= 2 < np.abs(eve - source).max()


def test_send_and_transmit_state_the_channel_uses_of_an_image(
    semveil: Callable, photo: Path, tmp_path: Path
) -> None:
    """56 symbols and a gain of 32 bits; over fading 8 pilots of 64 symbols."""
    told = json.loads(semveil("send", photo, *ALICE, "--out", tmp_path / "m.svl", "--json").stdout)
    pixels = 3 * 32**2
    assert told["bandwidth"] == {
        "symbols": 56, "overhead": 0, "side": 32, "channel_uses": 88, "bandwidth_ratio": 88 / pixels,
    }  # fmt: skip
    fading = ("--channel", "rayleigh:csi=ls,pilots=8", "--out", tmp_path / "out")
    sent = semveil("transmit", photo, *ALICE, *fading)
    assert "Bandwidth: 96 channel uses an image (56 symbols, 32 for side information, 8 for" in sent.stdout
    result = json.loads((tmp_path / "out" / "result.json").read_text())["bandwidth"]
    assert (result["channel_uses"], result["bandwidth_ratio"]) == (96, 96 / pixels)
    assert "Bandwidth: 88 channel uses" in semveil("send", photo, *ALICE, "--out", tmp_path / "n.svl").stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raleigh", "did you mean 'rayleigh'"),
        ("ofdm:csi=ls,pilots=48", "--channel"),
        ("awgn:csi=maybe", "no csi named"),
    ],
)
def test_a_channel_that_is_none_is_one_line(
    semveil: Callable, failed: Callable, tmp_path: Path, text: str, words: str
) -> None:
    failed(semveil("receive", tmp_path / "no.svl", "--channel", text, "--out", tmp_path / "x.png"), 2, words)
