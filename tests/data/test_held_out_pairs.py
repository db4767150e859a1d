# SPDX-License-Identifier: Apache-2.0
"""Pairs of held-out people: balanced, in folds of people, nobody deciding the result."""

import numpy as np
import pytest
import torch

from semveil.data.face_set import FaceSet
from semveil.data.held_out_pairs import held_out_accuracy, held_out_pairs
from semveil.recognition.verifier import BundledVerifier, Verifier

PEOPLE = 40


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    """Person i has i % 5 + 1 photos, person 0 has 30; odd ones and a photo without a name are not used."""
    names = [f"p{i}" for i in range(PEOPLE) for _ in range(30 if i == 0 else i % 5 + 1)] + ["nameless"]
    source = np.array(
        [f"lfw/{name}/{name}_{k:04d}.jpg" for k, name in enumerate(names[:-1])]
        + ["celebamask_hq/nameless.jpg"]
    )
    number = np.array([int(name[1:]) for name in names[:-1]] + [0])
    pixels = np.repeat(number.astype(np.uint8), 4 * 4 * 3).reshape(-1, 4, 4, 3)
    plane = np.zeros((len(names), 4, 4), np.uint8)
    return FaceSet(
        pixels, plane, plane, source, np.array(names), np.where(number % 2 == 0, "development", "training")
    )


def test_pairs_are_balanced_and_of_held_out_people(faces: FaceSet) -> None:
    pairs = held_out_pairs(faces, most=10)
    first, second = faces.person[pairs.first], faces.person[pairs.second]
    assert ((first == second) == pairs.same).all() and (pairs.first != pairs.second).all()
    assert faces.held_out[pairs.first].all() and faces.held_out[pairs.second].all()
    assert "nameless" not in {*first, *second}
    for fold in range(10):
        inside = pairs.fold == fold
        assert pairs.same[inside].mean() == 0.5
        assert not {*first[inside], *second[inside]} & {*first[~inside], *second[~inside]}
    assert (first[pairs.same] == "p0").sum() == 10  # of 435
    with pytest.raises(ValueError, match="0 people of the test split are too few"):
        held_out_pairs(faces, split="test")
    again = held_out_pairs(faces, most=10)
    assert np.array_equal(again.first, pairs.first) and np.array_equal(again.second, pairs.second)


def test_accuracy_is_one_for_who_sees_the_person_and_half_for_who_sees_nothing(faces: FaceSet) -> None:
    class Reader(BundledVerifier):
        name = "reader"

        def __init__(self, *, blind: bool) -> None:
            self.blind, self.threshold = blind, 0.0

        def embed(self, images: torch.Tensor) -> torch.Tensor:
            angle = torch.zeros(len(images)) if self.blind else (images[:, 0, 0, 0] + 1) * 127.5 / PEOPLE
            return torch.stack([angle.cos(), angle.sin()], 1)

    see: Verifier = Reader(blind=False)
    assert held_out_accuracy(see, faces)[0] == 1
    assert held_out_accuracy(Reader(blind=True), faces)[0] == pytest.approx(0.5)


def test_too_few_people_are_refused(faces: FaceSet) -> None:
    with pytest.raises(ValueError, match="too few for ten folds"):
        held_out_pairs(faces.select(np.arange(20)))
