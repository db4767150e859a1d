# SPDX-License-Identifier: Apache-2.0
"""Bounding boxes of the thirteen parts of an aligned face."""

Box = tuple[float, float, float, float]  # left, top, right, bottom, in units of the side

# Extent of each part of an aligned face: 2 % and 98 % quantiles over CelebAMask-HQ's training masks, with
# a margin.
PART_BOXES: tuple[Box, ...] = tuple(
    (left / 32, top / 32, right / 32, bottom / 32)
    for left, top, right, bottom in (
        (0, 0, 32, 32),  # background
        (2, 2, 30, 32),  # skin
        (8.5, 12, 23.5, 18.5),  # eyes
        (6.5, 9, 25.5, 17),  # brows
        (10, 19.5, 22, 28.5),  # mouth
        (10.5, 12.5, 21.5, 24),  # nose
        (0, 9, 32, 26),  # ears
        (0, 0, 32, 32),  # hair
        (0, 18, 32, 32),  # neck
        (0, 16, 32, 32),  # cloth
        (2, 9, 30, 22),  # glasses
        (0, 0, 32, 24),  # hat
        (0, 15, 32, 32),  # earring
    )
)
