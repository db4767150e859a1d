# SPDX-License-Identifier: Apache-2.0
"""Training, development and test are different people, the same on every machine."""

import numpy as np
import pytest

from semveil.data.splits import (
    DEVELOPMENT,
    TEST,
    TEST_PEOPLE,
    TRAINING,
    lookalikes,
    split_celebamask,
    split_people,
)

PEOPLE = [f"Person_{i:04d}" for i in range(2000) for _ in range(1 + i % 25)]


def test_test_people_have_photos_to_compare_and_cost_training_little():
    split = split_people(PEOPLE)
    count = {name: PEOPLE.count(name) for name, kind in split.items() if kind == TEST}
    assert len(count) == TEST_PEOPLE and min(count.values()) >= 2 and max(count.values()) <= 20
    assert list(split.values()).count(DEVELOPMENT) == 100  # 5 % of 2000
    assert split == split_people(PEOPLE[::-1])


def test_development_is_what_earlier_versions_held_out():
    names = sorted(set(PEOPLE))
    earlier = np.random.default_rng(2024).permutation(2000)[:100]
    assert {names[i] for i in earlier} == {
        name for name, kind in split_people(PEOPLE).items() if kind == DEVELOPMENT
    }
    assert {i for i, kind in enumerate(split_celebamask(1000)) if kind == DEVELOPMENT} == set(
        np.random.default_rng(2025).permutation(1000)[:50].tolist()
    )
    assert split_celebamask(1000).count(TEST) == 50


@pytest.mark.parametrize(
    ("distance", "found"), [(0.5, [False, False, False, True, False]), (0.1, [False] * 5)]
)
def test_photos_taken_for_another_test_person_are_found(distance: float, found: list[bool]):
    vectors = np.array([[0, 0], [0.2, 0], [5, 5], [0, 0.3], [4, 0]], np.float32)
    person = np.array(["ann", "ann", "bob", "celebrity 7", "carl"])
    split = np.array([TEST, TEST, TRAINING, TRAINING, DEVELOPMENT])
    assert lookalikes(vectors, person, split, distance=distance).tolist() == found
