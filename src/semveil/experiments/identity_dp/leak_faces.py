# SPDX-License-Identifier: Apache-2.0
"""Run sizes and photos of identity-dp's leakage experiment: probes, gallery, attacker's training photos."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from semveil.core.digests import digest_of_json, digest_of_tensors
from semveil.data.face_set import FaceSet
from semveil.experiments.kit.experiment import presets
from semveil.experiments.kit.photo_sets import ORDER_SEED, DataMissing
from semveil.faces.pixels import to_tensor


@dataclass(frozen=True)
class LeakPreset:
    """Run size.

    Attributes:
        name: preset name.
        verifiers: recognisers used by the attackers.
        gallery_photos: maximum number of gallery photos of each probe's person.
        strangers: number of strangers.
        public: maximum number of public photos.
        named_people: number of labelled people.
        named_photos: photos of each labelled person.
        epsilon: budget of the identity.
        sides: attribute bottlenecks to measure, in pixels.
        attribute_epsilon: budget of private attributes; None skips that variant.
        seed: for noise, networks and permutations.
    """

    name: str
    verifiers: tuple[str, ...] = ("edgeface", "bundled")
    gallery_photos: int = 3
    strangers: int = 500
    public: int = 1500
    named_people: int = 30
    named_photos: int = 8
    epsilon: float = 6.0
    sides: tuple[int, ...] = (16, 8)
    attribute_epsilon: float | None = 50.0
    seed: int = 0


LEAK_PRESETS = presets(
    LeakPreset(
        "smoke", ("bundled",), 1, strangers=8, public=16, named_people=2, named_photos=2, sides=(8,),
        attribute_epsilon=None,
    ),
    LeakPreset("small"),
    LeakPreset(
        "full", ("edgeface", "dlib", "bundled"), strangers=3000, public=4000, named_people=100,
        named_photos=10,
    ),
)  # fmt: skip


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


def leak_faces(faces: FaceSet, sizes: LeakPreset) -> LeakFaces:
    """Select the photos with a fixed seed.

    Args:
        faces: face set with several photos of some people.
        sizes: numbers of people and photos.

    Raises:
        DataMissing: too few people have enough photos.
    """
    rng = np.random.default_rng(ORDER_SEED)
    rows = rng.permutation(np.flatnonzero(np.char.startswith(faces.source, "lfw/")))
    held = _by_person(faces, rows[faces.tested[rows]])
    train = _by_person(faces, rows[~faces.held_out[rows]])
    several = [name for name, own in held.items() if len(own) > 1]
    often = [name for name, own in train.items() if len(own) >= sizes.named_photos][: sizes.named_people]
    others = [name for name in train if name not in set(often)][: sizes.public]
    if not several or len(often) < sizes.named_people or len(others) < sizes.strangers:
        raise DataMissing(
            f"needed: people of the test split with several photos ({len(several)} found), "
            f"{sizes.named_people} training people with {sizes.named_photos} photos ({len(often)} found) and "
            f"{sizes.strangers} others ({len(others)} found); name LFW with --data"
        )
    number = {name: f"person {i:04d}" for i, name in enumerate([*held, *often, *others], 1)}

    def portraits(people: Iterable[str], chosen: dict[str, list[int]]) -> Portraits:
        rows = [(number[name], row) for name in people for row in chosen[name]]
        return Portraits(to_tensor(faces.pixels[[row for _, row in rows]]), tuple(name for name, _ in rows))

    first = {name: own[:1] for name, own in (held | train).items()}
    further = {name: held[name][1 : 1 + sizes.gallery_photos] for name in several}
    return LeakFaces(
        portraits(several, first),
        portraits(held, first | further),
        portraits(others[: sizes.strangers], first),
        portraits(others, first),
        portraits(often, {name: train[name][: sizes.named_photos] for name in often}),
    )


def _by_person(faces: FaceSet, rows: NDArray[np.intp]) -> dict[str, list[int]]:
    """Rows of each person; people and rows keep the order of `rows`."""
    found: dict[str, list[int]] = {}
    for row in rows.tolist():
        found.setdefault(str(faces.person[row]), []).append(row)
    return found
