# SPDX-License-Identifier: Apache-2.0
"""New faces that are too large for their model in a clip are told, blurred in all frames, or refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from video.moving import astronaut_frames, frames_in, write_clip

from semveil.bulk.protect import protection_settings
from semveil.bulk.run import protect_photos
from semveil.data.grain import grains

IDENTITY = protection_settings("identity-dp", detector="dlib")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """The astronaut, three times as large as a camera might see her."""
    frames = [np.asarray(Image.fromarray(frame).resize((480, 480))) for frame in astronaut_frames(3)]
    return write_clip(tmp_path / "large.mp4", frames)


def test_large_faces_are_told_and_can_be_blurred(large: Path, tmp_path: Path) -> None:
    rough = {}
    for oversize in ("keep", "blur"):
        out = tmp_path / oversize
        (account,) = protect_photos([large], out, replace(IDENTITY, oversize=oversize)).accounts
        (mark,) = account.marks
        assert mark.oversize and mark.enlarged > 2.5 and mark.blurred == (oversize == "blur")
        told = (
            "; blurred, too large" if mark.blurred else f"so it looks soft: face 0 {mark.enlarged:.1f} times;"
        )
        assert told in account.line()
        left, top, right, bottom = (v // 3 for v in mark.box)
        middles = [
            frame[::3, ::3][top + 15 : bottom - 15, left + 15 : right - 15]
            for frame in frames_in(out / "large.mp4")
        ]
        rough[oversize] = [np.median(grains(m, np.ones(m.shape[:2], bool))) for m in middles]
    assert max(rough["blur"]) < 0.6 * min(rough["keep"])


def test_large_faces_can_be_refused_and_others_are_not(large: Path, tmp_path: Path) -> None:
    strict = replace(IDENTITY, oversize="refuse")
    refused = protect_photos([large], tmp_path / "out", strict)
    assert refused.exit_code == 4 and not (tmp_path / "out/large.mp4").exists()
    assert "larger than the model's 128 px: face 0 " in refused.refused[0].reason
    small = write_clip(tmp_path / "small.mp4", astronaut_frames(3))
    (account,) = protect_photos([small], tmp_path / "small", strict).accounts
    assert not account.oversize and "soft" not in account.line()
    noise = protection_settings("pixel-noise", size=8, sigma=60.0, detector="dlib", oversize="refuse")
    assert protect_photos([large], tmp_path / "noise", noise).exit_code == 0  # without a model: any size
