# SPDX-License-Identifier: Apache-2.0
"""Photos for the leakage experiment of identity-dp: probes, gallery and attacker's training photos."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from semveil.core.digests import digest_of_json, digest_of_tensors
from semveil.data.face_set import FaceSet
from semveil.experiments.kit.photo_sets import ORDER_SEED, DataMissing
from semveil.faces.pixels import to_tensor


@dataclass(frozen=True, eq=False)
class Portraits:
    """Photos with person labels; a person may have several photos.

    Attributes:
        images: (N, 3, S, S) in [-1, 1].
        names: N labels.
    """

    images: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class LeakFaces:
    """Photos by their role in the attacks; people are numbered, not named.

    Attributes:
        probes: one photo of each held-out person who has several; the attacker identifies the protected
            photo.
        gallery: other photos of the probes' people and photos of other held-out people, unprotected and
            labelled.
        strangers: one photo of each of some training people; the attacker protects them to learn the effect
            of protection.
        public: the strangers and further such photos; the attacker uses their attributes, unprotected.
        named: equally many photos of each of some training people; the attacker is given one half protected
            and labelled, and identifies the other half.
    """

    probes: Portraits
    gallery: Portraits
    strangers: Portraits
    public: Portraits
    named: Portraits

    @property
    def digest(self) -> str:
        """SHA-256 over all photos and person labels."""
        parts: list[Portraits] = list(vars(self).values())
        return digest_of_json([[part.names, digest_of_tensors([part.images])] for part in parts])


def leak_faces(
    faces: FaceSet, *, gallery_photos: int, strangers: int, public: int, named_people: int, named_photos: int
) -> LeakFaces:
    """Select the photos with a fixed seed.

    Args:
        faces: face set with several photos of some people.
        gallery_photos: maximum number of gallery photos of each probe's person.
        strangers: number of strangers.
        public: maximum number of public photos.
        named_people: number of labelled people.
        named_photos: photos of each labelled person.

    Raises:
        DataMissing: too few people have enough photos.
    """
    rng = np.random.default_rng(ORDER_SEED)
    rows = rng.permutation(np.flatnonzero(np.char.startswith(faces.source, "lfw/")))
    held = _by_person(faces, rows[faces.tested[rows]])
    train = _by_person(faces, rows[~faces.held_out[rows]])
    several = [name for name, own in held.items() if len(own) > 1]
    often = [name for name, own in train.items() if len(own) >= named_photos][:named_people]
    others = [name for name in train if name not in set(often)][:public]
    if not several or len(often) < named_people or len(others) < strangers:
        raise DataMissing(
            f"needed: people of the test split with several photos ({len(several)} found), {named_people} "
            f"training people with {named_photos} photos ({len(often)} found) and {strangers} others "
            f"({len(others)} found); name LFW with --data"
        )
    number = {name: f"person {i:04d}" for i, name in enumerate([*held, *often, *others], 1)}

    def portraits(chosen: list[tuple[str, int]]) -> Portraits:
        return Portraits(
            to_tensor(faces.pixels[[row for _, row in chosen]]), tuple(number[name] for name, _ in chosen)
        )

    shown = {
        name: own[1 : 1 + gallery_photos] if name in set(several) else own[:1] for name, own in held.items()
    }
    return LeakFaces(
        portraits([(name, held[name][0]) for name in several]),
        portraits([(name, row) for name, own in shown.items() for row in own]),
        portraits([(name, train[name][0]) for name in others[:strangers]]),
        portraits([(name, train[name][0]) for name in others]),
        portraits([(name, row) for name in often for row in train[name][:named_photos]]),
    )


def _by_person(faces: FaceSet, rows: NDArray[np.intp]) -> dict[str, list[int]]:
    """Rows of each person; people and rows keep the order of `rows`."""
    found: dict[str, list[int]] = {}
    for row in rows.tolist():
        found.setdefault(str(faces.person[row]), []).append(row)
    return found
