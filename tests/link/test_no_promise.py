# SPDX-License-Identifier: Apache-2.0
"""A message whose protection nobody chose, and which guarantees nothing, is not sent silently."""

from pathlib import Path

import pytest
import torch

import semveil
from semveil.keys import Secret, write_secret
from semveil.link import sender
from semveil.link.send import NO_PROMISE, NoPromiseWarning
from semveil.protection.linear_pair import LinearPair

FACE = torch.zeros(1, 3, 32, 32)


@pytest.fixture
def model(tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A model with a pair that nobody trained."""
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sender, "find_pair", lambda model, settings: LinearPair(settings))
    return tiny_model_folder


def test_the_default_without_a_key_warns_a_caller_who_hears_no_notes(model: Path) -> None:
    with pytest.warns(
        NoPromiseWarning, match=r"trained pair \(nn\) is used, which guarantees nothing"
    ) as told:
        sent = semveil.send(FACE, model=model)
    assert sent.message.protection == "nn" and sent.certificate.guarantee.basis == "none"
    assert told[0].filename == __file__


def test_who_hears_notes_or_chooses_is_not_warned(model: Path, tmp_path: Path) -> None:
    """Warnings are errors in tests."""
    write_secret(tmp_path / "a.key", Secret.generate())
    told: list[str] = []
    semveil.send(FACE, model=model, note=told.append)
    assert told == [NO_PROMISE]
    for chosen in ({"protection": "nn"}, {"protection": "none"}, {"key": tmp_path / "a.key"}):
        semveil.send(FACE, model=model, note=told.append, **chosen)
        semveil.send(FACE, model=model, **chosen)
    assert len(told) == 1
