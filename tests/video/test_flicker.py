# SPDX-License-Identifier: Apache-2.0
"""Flicker is what changes beyond what moves."""

import itertools

import numpy as np
import pytest
from video.moving import astronaut_frames

from semveil.video.flicker import flicker


def test_motion_alone_is_no_flicker_and_noise_is() -> None:
    source = astronaut_frames(4, 96)
    mask = np.zeros((96, 96), bool)
    mask[16:80, 16:80] = True
    masks = [mask] * 4
    still = flicker(source, source, masks)
    assert still.more == 0
    raw = np.mean([np.abs(a.astype(float) - b)[mask].mean() for a, b in itertools.pairwise(source)])
    assert still.source < raw / 2  # following the motion takes most of the difference away
    rng = np.random.default_rng(0)
    noisy = [np.clip(frame + rng.normal(0, 10, frame.shape), 0, 255).astype(np.uint8) for frame in source]
    assert flicker(source, noisy, masks).more > 5
    steady = np.clip(source[0] + rng.normal(0, 10, source[0].shape), 0, 255).astype(np.uint8)
    assert flicker([source[0]] * 2, [steady] * 2, masks[:2]).protected == pytest.approx(0, abs=0.01)


def test_there_must_be_something_to_look_at() -> None:
    frame = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="1 is given"):
        flicker([frame], [frame], [np.ones((16, 16), bool)])
    with pytest.raises(ValueError, match="no frame has a pixel"):
        flicker([frame] * 2, [frame] * 2, [np.zeros((16, 16), bool)] * 2)
