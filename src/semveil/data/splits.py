# SPDX-License-Identifier: Apache-2.0
"""Which people are for training, for development (what choices look at) and for the test (measured once, at the end)."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TRAINING, DEVELOPMENT, TEST = "training", "development", "test"
DEVELOPMENT_SHARE = 0.05  # of the people of LFW
DEVELOPMENT_CELEBAMASK = 50
TEST_PEOPLE = 160
TEST_PHOTOS = (2, 20)  # photos that a test person has at least and at most
TEST_CELEBAMASK = 50


def split_people(people: Sequence[str]) -> dict[str, str]:
    """The split of every person of LFW, by fixed seeds; all photos of a person go together.

    Development are the 5 % that earlier versions held out and looked at. Test people have two photos or more,
    so that one photo can be compared with another, and at most 20, so that training loses little.

    Args:
        people: the person of each photo.
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
    """Split of each CelebAMask-HQ photo, by fixed seeds; photos are split singly because identities are
    unknown.

    Args:
        photos: number of photos.

    Returns:
        One of `training`, `development` and `test` for each photo, in the order of their names.
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
    """(N,) True for photos outside the test split that a recogniser takes for somebody in it: the collections share people.

    Args:
        vectors: (N, D) identity vectors of the photos.
        person: (N,) their people.
        split: (N,) their splits.
        distance: largest Euclidean distance at which two vectors count as one person.
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
