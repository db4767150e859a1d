# SPDX-License-Identifier: Apache-2.0
"""Flicker of protected faces: motion-compensated differences between frames, compared with the source."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.registration import optical_flow_ilk
from skimage.transform import warp


@dataclass(frozen=True)
class Flicker:
    """Mean absolute differences between frames after motion compensation, in levels 0 to 255.

    Attributes:
        source, protected: flicker of each clip within the altered regions.
    """

    source: float
    protected: float

    @property
    def more(self) -> float:
        """Flicker of the protected clip beyond that of its source, in levels."""
        return self.protected - self.source


def flicker(
    source: Sequence[NDArray[np.uint8]],
    protected: Sequence[NDArray[np.uint8]],
    masks: Sequence[NDArray[np.bool_]],
) -> Flicker:
    """Flicker of both clips, with frame t - 1 warped to frame t by the source's optical flow.

    Args:
        source: original frames (H, W, 3).
        protected: protected frames (H, W, 3), with the same timestamps.
        masks: (H, W) of each frame, pixels to compare.

    Raises:
        ValueError: there are fewer than two frames, or no pixel to compare.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> still = [np.full((32, 32, 3), 90, np.uint8)] * 3
        >>> noisy = [rng.integers(0, 180, (32, 32, 3)).astype(np.uint8) for _ in range(3)]
        >>> found = flicker(still, noisy, [np.ones((32, 32), bool)] * 3)
        >>> found.source, round(found.more / 60, 1)
        (0.0, 1.0)
    """
    if len(source) < 2:
        raise ValueError(f"flicker is between frames; {len(source)} is given")
    sums, count = np.zeros(2), 0
    for t in range(1, len(source)):
        where = masks[t] & masks[t - 1]
        if not where.any():
            continue
        rows, columns = (np.arange(side, dtype=np.float32) for side in where.shape)
        grey = [np.asarray(frame, np.float32).mean(-1) / 255 for frame in (source[t], source[t - 1])]
        flow = optical_flow_ilk(*grey, radius=7)  # (rows, columns)
        places = np.stack([rows[:, None] + flow[0], columns[None, :] + flow[1]])
        for i, clip in enumerate((source, protected)):
            before = np.asarray(clip[t - 1], np.float32)
            moved = np.stack(
                [warp(before[..., c], places, order=1, mode="edge", preserve_range=True) for c in range(3)],
                -1,
            )
            sums[i] += np.abs(moved - clip[t])[where].sum()
        count += 3 * int(where.sum())
    if not count:
        raise ValueError("no frame has a pixel to look at")
    return Flicker(*(float(total) / count for total in sums))
