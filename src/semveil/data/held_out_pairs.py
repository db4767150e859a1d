# SPDX-License-Identifier: Apache-2.0
"""Pairs of photos of held-out people, in the format of LFW's list."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from semveil.data.face_set import FaceSet
from semveil.faces.pixels import to_tensor
from semveil.recognition.calibration import pair_accuracy
from semveil.recognition.verifier import Verifier

FOLDS = 10


@dataclass(frozen=True, eq=False)
class HeldOutPairs:
    """Balanced list of genuine and impostor pairs.

    Attributes:
        first, second: (P,) rows of the face set.
        same: (P,) True for pairs of the same person.
        fold: (P,) 0..9; folds have disjoint people.
    """

    first: NDArray[Any]
    second: NDArray[Any]
    same: NDArray[Any]
    fold: NDArray[Any]


def held_out_pairs(
    faces: FaceSet, *, split: str = "development", most: int = 10, seed: int = 0
) -> HeldOutPairs:
    """Draw balanced pairs of the people of a split in ten folds of disjoint people.

    Photos of unnamed people are omitted.

    Args:
        faces: face set with held-out people who have several photos.
        split: `development`, for choices, or `test`.
        most: maximum number of genuine pairs per person, so that no one with many photos dominates.
        seed: random seed of the draw.

    Raises:
        ValueError: the split has fewer than 20 named people.
    """
    rng = np.random.default_rng(seed)
    known = np.array(
        [Path(source).stem != person for source, person in zip(faces.source, faces.person, strict=True)]
    )
    rows = np.flatnonzero((faces.split == split) & known)
    people = rng.permutation(np.unique(faces.person[rows]))
    if len(people) < 2 * FOLDS:
        raise ValueError(f"{len(people)} people of the {split} split are too few for ten folds")
    fold_of = {person: i % FOLDS for i, person in enumerate(people.tolist())}
    photos = {person: rows[faces.person[rows] == person] for person in people.tolist()}
    pairs: list[tuple[int, int, bool, int]] = []
    for person, own in photos.items():
        first, second = np.triu_indices(len(own), 1)
        for k in rng.permutation(len(first))[:most]:
            pairs.append((own[first[k]], own[second[k]], True, fold_of[person]))
    for fold in range(FOLDS):
        wanted = sum(pair[3] == fold for pair in pairs)
        members = [person for person in people.tolist() if fold_of[person] == fold]
        for _ in range(wanted):
            a, b = rng.choice(len(members), 2, replace=False)
            pairs.append((rng.choice(photos[members[a]]), rng.choice(photos[members[b]]), False, fold))
    return HeldOutPairs(*(np.array(column) for column in zip(*pairs, strict=True)))


def held_out_accuracy(
    verifier: Verifier, faces: FaceSet, *, split: str = "development"
) -> tuple[float, float]:
    """Verification accuracy on held-out people, by LFW's protocol on `held_out_pairs`.

    Args:
        verifier: embeds and compares the faces.
        faces: face set with held-out people.
        split: `development` or `test`.

    Returns:
        Mean over the ten folds of the share of correctly classified pairs, and its standard error.

    Raises:
        ValueError: the split has fewer than 20 people with known names.
    """
    pairs = held_out_pairs(faces, split=split)
    rows, index = np.unique(np.concatenate([pairs.first, pairs.second]), return_inverse=True)
    with torch.no_grad():
        embeddings = verifier.embed(to_tensor(faces.pixels[rows]))
    first, second = index[: len(pairs.first)], index[len(pairs.first) :]
    return pair_accuracy(
        verifier.similarity(embeddings[first], embeddings[second]).numpy(), pairs.same, pairs.fold
    )
