# SPDX-License-Identifier: Apache-2.0
"""Splits of people into training, development (used for choices) and test (measured once, at the end)."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TRAINING, DEVELOPMENT, TEST = "training", "development", "test"
DEVELOPMENT_SHARE = 0.05  # share of the people in LFW
DEVELOPMENT_CELEBAMASK = 50
TEST_PEOPLE = 160
TEST_PHOTOS = (2, 20)  # minimum and maximum number of photos of a test person
TEST_CELEBAMASK = 50


def split_people(people: Sequence[str]) -> dict[str, str]:
    """Assign every person of LFW to a split, by fixed seeds; all photos of a person are in the same split.

    Development consists of the 5 % that earlier versions held out and used for choices. Test people have at
    least two photos, so that photos can be compared, and at most 20, so that training loses little.

    Args:
        people: person of each photo.

    Returns:
        Split by person.
    """
    count = Counter(people)
    names = sorted(count)
    seen = np.random.default_rng(2024).permutation(len(names))[: round(DEVELOPMENT_SHARE * len(names))]
    split = dict.fromkeys(names, TRAINING) | {names[i]: DEVELOPMENT for i in seen}
    few, many = TEST_PHOTOS
    fit = [name for name in names if split[name] == TRAINING and few <= count[name] <= many]
    chosen = np.random.default_rng(2026).permutation(len(fit))[:TEST_PEOPLE]
    return split | {fit[i]: TEST for i in chosen}


def split_celebamask(photos: int) -> list[str]:
    """Assign each CelebAMask-HQ photo to a split, by fixed seeds; identities are unknown.

    Args:
        photos: number of photos.

    Returns:
        Split of each photo, in the order of their names.
    """
    split = [TRAINING] * photos
    for i in np.random.default_rng(2025).permutation(photos)[:DEVELOPMENT_CELEBAMASK]:
        split[i] = DEVELOPMENT
    left = [i for i, name in enumerate(split) if name == TRAINING]
    for i in np.random.default_rng(2027).permutation(len(left))[:TEST_CELEBAMASK]:
        split[left[i]] = TEST
    return split


def lookalikes(
    vectors: NDArray[np.float32], person: NDArray[np.str_], split: NDArray[np.str_], *, distance: float
) -> NDArray[np.bool_]:
    """Mask (N,) of photos outside the test split that a recogniser matches to a test person of another name.

    Different collections can contain the same people.

    Args:
        vectors: (N, D) identity vectors of the photos.
        person: (N,) person in each photo.
        split: (N,) split of each photo.
        distance: Euclidean distance below which two vectors match.
    """
    test = split == TEST
    near = np.zeros(len(vectors), bool)
    for rows in np.array_split(np.flatnonzero(~test), max(1, len(vectors) // 2048)):
        squares = (
            (vectors[rows] ** 2).sum(1)[:, None]
            + (vectors[test] ** 2).sum(1)
            - 2 * vectors[rows] @ vectors[test].T
        )
        near[rows] = ((squares < distance**2) & (person[rows][:, None] != person[test])).any(1)
    return near
