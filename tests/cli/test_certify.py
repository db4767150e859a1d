# SPDX-License-Identifier: Apache-2.0
"""`semveil certify` explains outputs, certificates, pictures and messages, and refuses what was changed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from channels.message_cases import message
from privacy.certificate_cases import FULL

from semveil.channels import write_message
from semveil.cli import main as command_line
from semveil.cli.certified import certified_lines
from semveil.data.certified import (
    certificate_path,
    certified_picture,
    read_certificate,
    save_certified_png,
    write_certificate,
)
from semveil.data.save import save_png
from semveil.link.outputs import publish_outputs
from semveil.privacy.guarantee import Basis, Guarantee

MADE = replace(FULL, output=None)
PICTURE = np.full((4, 4, 3), 128, np.uint8)


@pytest.fixture
def certify(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = command_line.main(["certify", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, " ".join(captured.out.split()), captured.err

    return call


def test_an_output_with_its_certificate(certify: Callable, tmp_path: Path) -> None:
    save_png(tmp_path / "eve.png", PICTURE)
    path = write_certificate(tmp_path / "eve.png", MADE)
    for name, found in ((tmp_path / "eve.png", "whose hash matches"), (path, "checked against eve.png")):
        code, out, err = certify(name)
        assert (code, err) == (0, "")
        assert (
            out.startswith("In short: part of the photo is protected")
            and "not signed" in out
            and found in out
        )
    (tmp_path / "eve.png").unlink()
    assert "not checked: there is no eve.png beside it" in certify(path)[1]


def test_a_picture_with_its_certificate_inside(certify: Callable, tmp_path: Path) -> None:
    save_certified_png(tmp_path / "eve.png", PICTURE, MADE)
    code, out, _ = certify(tmp_path / "eve.png", "--json")
    result = json.loads(out)
    assert (code, result["certificate"]["output"]["of"]) == (0, "pixels")
    assert result["certificate"]["guarantee"]["basis"] == "proved"
    assert result["explanation"][0].startswith("In short: ")


def test_a_message_speaks_for_itself_until_it_has_a_certificate(certify: Callable, tmp_path: Path) -> None:
    claim = Guarantee.none(
        "the private codes", reason="the network is deterministic", not_covered=("the other codes",)
    )
    sent = message(guarantee=claim.as_dict())
    write_message(tmp_path / "m.svl", sent)
    code, out, _ = certify(tmp_path / "m.svl")
    assert code == 0 and "nothing is guaranteed" in out and "what the message states about itself" in out
    assert "Source: stated in the message" in out
    write_certificate(tmp_path / "m.svl", MADE)
    assert "Mechanism: per-coordinate-laplace" in certify(tmp_path / "m.svl")[1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent.png", "no file"),
        ("", "is a folder"),
        ("plain.png", "nothing is claimed about it"),
        ("changed.png", "does not belong"),
        ("no-guarantee.svl", "no valid guarantee|cannot be certified"),
    ],
)
def test_what_cannot_be_explained_is_one_line(
    certify: Callable, tmp_path: Path, name: str, words: str
) -> None:
    save_png(tmp_path / "plain.png", PICTURE)
    save_png(tmp_path / "changed.png", PICTURE)
    write_certificate(tmp_path / "changed.png", MADE)
    save_png(tmp_path / "changed.png", 255 - PICTURE)
    write_message(tmp_path / "no-guarantee.svl", message())
    code, out, err = certify(tmp_path / name)
    assert (code, out, len(err.splitlines())) == (8, "", 1)
    assert any(word in err for word in words.split("|")), err


def test_certifying_outputs_writes_beside_and_into_pictures(tmp_path: Path) -> None:
    paths = [tmp_path / "eve-1.png", tmp_path / "eve-2.png"]
    made = MADE.for_picture()
    outputs = [certified_picture(path, PICTURE, made, inside=True) for path in paths]
    lines = certified_lines(made, publish_outputs(outputs))
    assert lines[0][0] == "In short" and "eve-2.png.certificate.json" in lines[1][1]
    for path in paths:
        assert read_certificate(path).output.of == "file"
        certificate_path(path).unlink()
        assert read_certificate(path).output.of == "pixels"
        assert read_certificate(path).guarantee.basis == Basis.PROVED
