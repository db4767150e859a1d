# SPDX-License-Identifier: Apache-2.0
"""Enrolled people in a photo, and the releases that their pixels enter."""

from collections.abc import Sequence

from semveil.bulk.enrolled import CROP, Enrolled
from semveil.data.align import align_face
from semveil.data.paste import align_apart, passing
from semveil.data.photos import Photo
from semveil.faces.pixels import to_tensor
from semveil.recognition.dlib_faces import Face


def people_of(
    photo: Photo, faces: Sequence[Face], chosen: Sequence[int], size: int, people: Enrolled
) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Enrolled people whose pixels enter each chosen face's release.

    Args:
        photo: decoded.
        faces: all faces in it.
        chosen: numbers of the protected faces.
        size: side of the method's crops in pixels.
        people: enrolled people.

    Returns:
        For each chosen face the names of the people in its crop; then the names of those whose faces are not
        chosen.
    """
    aligned = align_apart(photo.pixels, [face.landmarks for face in faces], size)
    return people_shown(recognise(photo, faces, people), chosen, passing(aligned))


def people_shown(
    who: Sequence[str | None], chosen: Sequence[int], crossing: Sequence[Sequence[int]]
) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Known people whose pixels enter each chosen face's release, and those whose faces are not chosen.

    Args:
        who: person in each face; None if unknown.
        chosen: numbers of the chosen faces.
        crossing: for each face, the faces whose pixels are in its crop.
    """
    through = [known(*(who[j] for j in crossing[i])) for i in chosen]
    return through, known(*(name for i, name in enumerate(who) if i not in chosen))


def recognise(photo: Photo, faces: Sequence[Face], people: Enrolled) -> list[str | None]:
    """Name of the enrolled person in each face; None for strangers.

    Args:
        photo: decoded.
        faces: with landmarks.
        people: enrolled people.
    """
    return people.who(to_tensor([align_face(photo.pixels, face.landmarks, CROP).pixels for face in faces]))


def known(*names: str | None) -> tuple[str, ...]:
    """Distinct names, without None.

    Args:
        *names: names of people; None for strangers.
    """
    return tuple(dict.fromkeys(name for name in names if name is not None))
