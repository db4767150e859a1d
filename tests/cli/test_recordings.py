# SPDX-License-Identifier: Apache-2.0
"""`send --iq`, and the recording as Bob and Eve hear it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sigmf", reason="needs sigmf: pip install 'semveil[iq]'")


def test_the_link_over_a_recording(
    semveil: Callable, photo: Path, tmp_path: Path, pixels: Callable, failed: Callable
) -> None:
    key, iq, svl = tmp_path / "k.key", tmp_path / "m.sigmf", tmp_path / "m.svl"
    assert semveil("keygen", "--out", key).code == 0
    assert (
        semveil(
            "send", photo, "--model", "tiny", "--key", key, "--out", svl, "--iq", iq, "--iq-format", "ci16"
        ).code
        == 0
    )
    assert (tmp_path / "m.sigmf.certificate.json").is_file() or list(tmp_path.glob("m.sigmf*cert*"))
    assert semveil("receive", svl, "--key", key, "--snr-db", "200", "--out", tmp_path / "ideal.png").code == 0
    heard = ("--iq", iq, "--key", key, "--replay", "--out", tmp_path / "bob.png")
    assert semveil("receive", *heard).code == 0
    difference = pixels(tmp_path / "bob.png").astype(int) - pixels(tmp_path / "ideal.png")
    assert np.abs(difference).mean() < 2  # the recording's own noise is 40 dB down
    assert semveil("eavesdrop", iq, "--out", tmp_path / "eve.png").code == 0
    assert np.abs(pixels(tmp_path / "eve.png").astype(int) - pixels(tmp_path / "bob.png")).mean() > 4
    failed(semveil("receive", iq, "--key", key, "--out", tmp_path / "b.png"), 7, "")
    again = semveil("receive", *heard, "--snr-db", "3")
    assert again.code == 6 and "leave --snr-db and --channel out" in again.stderr
    half = iq.read_bytes()[: iq.stat().st_size // 2]
    (tmp_path / "half.sigmf").write_bytes(half)
    failed(semveil("eavesdrop", tmp_path / "half.sigmf", "--out", tmp_path / "e.png"), 6, "half.sigmf")


def test_names_are_checked_before_the_work(
    semveil: Callable, photo: Path, tmp_path: Path, failed: Callable
) -> None:
    send = ("send", photo, "--model", "tiny", "--protection", "none")
    failed(semveil(*send), 2, "--out, a recording with --iq")
    for option in (("--iq-format", "ci16"), ("--sample-rate", "2e6"), ("--frequency", "1e9")):
        failed(semveil(*send, "--out", tmp_path / "m.svl", *option), 2, f"{option[0]} is for a recording")
    iq = ("--iq", tmp_path / "m.sigmf")
    failed(semveil(*send, *iq, "--sample-rate", "0"), 2, "--sample-rate must be a finite number > 0")
    failed(semveil(*send, *iq, "--frequency", "inf"), 2, "--frequency must be a finite number")
    failed(semveil(*send, "--iq", tmp_path / "m.wav"), 2, "ends in .sigmf")
    failed(semveil(*send, "--iq", tmp_path / "m.sigmf", "--iq-format", "cf64"), 2, "cf32 or ci16")


def test_rates_are_stated_and_the_next_command_reads_the_recording(
    semveil: Callable, photo: Path, tmp_path: Path
) -> None:
    words = ("--iq", tmp_path / "m.sigmf-meta", "--sample-rate", "2e6", "--frequency", "868e6")
    sent = semveil("send", photo, "--model", "tiny", "--protection", "none", *words)
    assert sent.code == 0 and "semveil receive --iq" in sent.stdout
    stated = json.loads((tmp_path / "m.sigmf-meta").read_text())
    assert stated["global"]["core:sample_rate"] == 4 * stated["global"]["semveil:symbol_rate"] == 2e6
    assert stated["captures"][0]["core:frequency"] == 868e6
