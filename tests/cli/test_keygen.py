# SPDX-License-Identifier: Apache-2.0
"""`semveil keygen`: private files, fingerprints, and never a secret on the screen."""

import json
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from semveil.cli.main import main
from semveil.keys import initiate, read_identity, read_public_identity, read_secret, respond


@pytest.fixture
def keygen(capsys: pytest.CaptureFixture[str]) -> object:
    """Run `semveil keygen`; needs no model."""

    def call(*arguments: str | Path) -> SimpleNamespace:
        code = main(["keygen", *map(str, arguments)])
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, stdout=captured.out, stderr=captured.err)

    return call


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_private_and_not_shown(keygen, tmp_path: Path) -> None:
    out = keygen("--out", tmp_path / "ab.key")
    assert (out.code, out.stderr) == (0, "")
    secret = read_secret(tmp_path / "ab.key")
    assert mode(tmp_path / "ab.key") == 0o600
    assert secret.value.hex() not in out.stdout
    assert "a key of 256 bits" in out.stdout
    said = keygen("--out", tmp_path / "b.key", "--json")
    assert json.loads(said.stdout) == {"kind": "key", "written": [str(tmp_path / "b.key")]}
    assert read_secret(tmp_path / "b.key") != secret


def test_two_identities_agree_and_show_their_fingerprints(keygen, tmp_path: Path) -> None:
    for name in ("alice.v2", "bob"):
        out = keygen("--agreement", "--out", tmp_path / name, "--json")
        said = json.loads(out.stdout)
        assert said["written"] == [str(tmp_path / f"{name}.{half}") for half in ("secret", "public")]
        own = read_identity(tmp_path / f"{name}.secret")
        assert mode(tmp_path / f"{name}.secret") == 0o600
        assert own.x25519.hex() not in out.stdout
        shown = keygen("--show", tmp_path / f"{name}.public")
        assert said["fingerprint"] in shown.stdout
        assert json.loads(keygen("--show", tmp_path / f"{name}.public", "--json").stdout) == {
            "kind": "public",
            "suite": said["suite"],
            "fingerprint": own.public.fingerprint(),
        }
    alice, bob = (read_identity(tmp_path / f"{name}.secret") for name in ("alice.v2", "bob"))
    secret, offer = initiate(alice, read_public_identity(tmp_path / "bob.public"))
    assert respond(bob, read_public_identity(tmp_path / "alice.v2.public"), offer) == secret


def one_line(outcome: SimpleNamespace, code: int, words: str) -> None:
    """The command failed as it should."""
    assert (outcome.code, outcome.stdout, outcome.stderr.count("\n")) == (code, "", 1), outcome
    assert outcome.stderr.startswith("semveil: error: ")
    assert words in outcome.stderr


def test_nothing_is_overwritten(keygen, tmp_path: Path) -> None:
    for name in ("my.key", "me.secret", "you.public"):
        (tmp_path / name).write_text("precious")
    one_line(keygen("--out", tmp_path / "my.key"), 5, "never overwritten")
    for name in ("me", "you"):
        one_line(keygen("--agreement", "--out", tmp_path / name), 5, "never overwritten")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me.secret", "my.key", "you.public"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"precious"}


def test_mistakes_are_one_line(keygen, tmp_path: Path) -> None:
    one_line(keygen(), 2, "give --out FILE to make a key, or --show")
    one_line(
        keygen("--out", tmp_path / "a", "--show", tmp_path / "b"),
        2,
        "give --out FILE to make a key, or --show",
    )
    one_line(keygen("--agreement", "--show", tmp_path / "b"), 2, "leave it out with --show")
    one_line(keygen("--show", tmp_path / "b.public"), 7, "No such file")
    one_line(keygen("--out", tmp_path / "none" / "a.key"), 5, "create it first")
    one_line(keygen("--out", tmp_path), 5, "it is a folder")
    assert keygen("--out", tmp_path / "a.key").code == 0
    one_line(keygen("--show", tmp_path / "a.key"), 7, "is not the public half")
