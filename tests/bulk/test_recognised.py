# SPDX-License-Identifier: Apache-2.0
"""The owner is told which new faces are still recognised; nothing that is published knows it."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semveil.bulk import recognised
from semveil.bulk.recognised import LOG, still_recognised, write_log
from semveil.bulk.run import protect_photos
from semveil.bulk.settings import Settings
from semveil.core.errors import OutputError
from semveil.faces.pixels import to_tensor
from semveil.methods.release import Layout

# leaves the face as it is
CLEAR = Settings("mosaic", options=(("block", 1), ("size", 64)), layout=Layout.CROPS)
HIDDEN = Settings("mosaic", options=(("block", 32), ("size", 64)), layout=Layout.CROPS)


def everything_in(out: Path) -> bytes:
    return b"".join(
        path.read_bytes() + str(path).encode() for path in sorted(out.rglob("*")) if path.is_file()
    )


def test_the_recognisers_see_a_face_that_stayed_and_none_in_a_mosaic(face: Image.Image) -> None:
    crop = to_tensor([np.asarray(face.resize((64, 64)))])
    coarse = torch.nn.functional.avg_pool2d(crop, 32).repeat_interleave(32, 2).repeat_interleave(32, 3)
    (stayed,), (gone,) = still_recognised(crop, crop), still_recognised(crop, coarse)
    assert stayed == ("bundled", "dlib") and gone == ()


@pytest.mark.parametrize(("settings", "seen"), [(CLEAR, True), (HIDDEN, False)])
def test_the_owner_is_told_and_nobody_else(
    settings: Settings, seen: bool, album: Callable[..., Path], tmp_path: Path, own_home: Path
) -> None:
    folder, out = album("ada.jpg"), tmp_path / "out"
    summary = protect_photos([folder], out, settings)
    assert [Path(photo).name for photo, _ in summary.recognised] == (["ada.jpg"] if seen else [])
    log = own_home / LOG
    assert log.is_file() == seen
    if seen:
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        (line,) = map(json.loads, log.read_text().splitlines())
        assert line["photo"].endswith("ada.jpg") and line["still_recognised"] == [[0, ["bundled", "dlib"]]]
    assert "recognised" not in json.dumps(summary.as_dict())
    published = everything_in(out)
    published = published.replace(b'"detector": "dlib', b"")  # who found a face, not who recognised it
    assert not any(word in published for word in (b"recognis", b"bundled", b"dlib"))


def test_a_new_identity_is_checked_too(
    album: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    def spy(before: torch.Tensor, after: torch.Tensor) -> list[tuple[str, ...]]:
        looked.append((before.shape, after.shape))
        return [("bundled",)] * len(before)

    monkeypatch.setattr("semveil.bulk.task.still_recognised", spy)
    summary = protect_photos([album("ada.jpg")], tmp_path / "out", Settings("identity-dp"))
    assert looked == [((1, 3, 128, 128), (1, 3, 128, 128))]
    ((_, faces),) = summary.recognised
    assert faces == ((0, ("bundled",)),)


def test_a_log_that_others_may_read_is_refused(own_home: Path) -> None:
    write_log("a.jpg", [(0, ("dlib",))])
    recognised.log_path().chmod(0o644)
    with pytest.raises(OutputError, match="others may read"):
        write_log("b.jpg", [(0, ("dlib",))])
    assert "b.jpg" not in recognised.log_path().read_text()


def test_a_log_that_cannot_be_written_does_not_end_a_run(
    album: Callable[..., Path], tmp_path: Path, own_home: Path
) -> None:
    (own_home / LOG).mkdir(parents=True)
    summary = protect_photos([album("ada.jpg", "bo.jpg")], tmp_path / "out", CLEAR)
    assert summary.protected == 2 and len(summary.recognised) == 2
    assert any("not logged" in note for note in summary.notes)
