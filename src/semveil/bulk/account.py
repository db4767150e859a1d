# SPDX-License-Identifier: Apache-2.0
"""The fate of each face of a photo, so that none is missed silently."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from semveil.recognition.dlib_faces import Face

LARGEST = 2.0  # times the model's size, from which an enlarged face looks soft in its surroundings


class Fate(StrEnum):
    """What was done with a face that was found."""

    PROTECTED = "protected"
    COVERED = "covered"  # by a mosaic, since it is doubtful or too small to be protected
    LEFT = "left"  # as it is, in the output
    OUT = "left out"  # not in the output at all, where each face gets a picture of its own


@dataclass(frozen=True)
class Mark:
    """A face that was found.

    Attributes:
        number: for `--face`.
        box: left, top, right, bottom in pixels of the photo.
        detector, score: the detector that found it, and its confidence.
        fate: what was done with it.
        doubt: why it could not be protected; empty if it could.
        enlarged: factor by which the new face was enlarged for its photo; 0 where that does not matter.
        blurred: whether the new face was blurred because of that.
    """

    number: int
    box: tuple[int, int, int, int]
    detector: str
    score: float
    fate: Fate
    doubt: str = ""
    enlarged: float = 0.0
    blurred: bool = False

    @property
    def oversize(self) -> bool:
        """Whether the new face is much larger in its photo than the model made it."""
        return self.fate == Fate.PROTECTED and self.enlarged > LARGEST

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**vars(self), "box": list(self.box), "fate": self.fate.value}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Mark":
        """Rebuild a mark from its JSON form.

        Args:
            content: what `as_dict` returned.

        Raises:
            KeyError: `box` or `fate` is missing.
            TypeError: another field is missing or unknown, or a value has the wrong type.
            ValueError: the box does not have four integers, or there is no such fate.
        """
        left, top, right, bottom = (int(v) for v in content["box"])
        return cls(**content | {"box": (left, top, right, bottom), "fate": Fate(content["fate"])})


@dataclass(frozen=True)
class ClipFacts:
    """Facts about a clip besides its faces.

    Attributes:
        frames: how many it has.
        seconds: how long it lasts.
        hidden: frames in which a protected face could not be aligned or was not found, and is hidden.
        missed: frames of the output in which a detector finds a known face of the source that is neither
            replaced nor hidden.
        elsewhere: frames in which a detector finds something else there, which may be a face that was missed
            before.
    """

    frames: int
    seconds: float
    hidden: int
    missed: int
    elsewhere: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(vars(self))

    def line(self) -> str:
        """In words.

        Example:
            >>> ClipFacts(250, 10.0, 3, 0, 0).line()
            '250 frames (10.0 s), a face hidden for want of landmarks in 3, a known face missed in 0, other
            finds in 0'
            >>> ClipFacts(1, 0.1, 0, 0, 0).line().partition(",")[0]
            '1 frame (0.1 s)'
        """
        frames = f"{self.frames} frame{'' if self.frames == 1 else 's'}"
        return (
            f"{frames} ({self.seconds:.1f} s), a face hidden for want of landmarks in {self.hidden}, a "
            f"known face missed in {self.missed}, other finds in {self.elsewhere}"
        )


@dataclass(frozen=True)
class Account:
    """The faces of one photo or clip.

    Attributes:
        photo: its place below the folder that was given.
        outputs: pictures that it became, below the output folder.
        marks: its faces; empty where it shows none, or none was looked for.
        clip: facts about a clip; None for a photo.
    """

    photo: str
    outputs: tuple[str, ...]
    marks: tuple[Mark, ...]
    clip: ClipFacts | None = None

    def count(self, fate: Fate) -> int:
        """Number of faces with this fate."""
        return sum(mark.fate == fate for mark in self.marks)

    @property
    def all_protected(self) -> bool:
        """Whether every face in the output is protected."""
        return self.count(Fate.COVERED) + self.count(Fate.LEFT) == 0

    @property
    def oversize(self) -> bool:
        """Whether a new face is much larger than the model made it."""
        return any(mark.oversize for mark in self.marks)

    def line(self) -> str:
        """The counts in words.

        Example:
            >>> mark = Mark(0, (9, 9, 60, 60), "dlib", 1.2, Fate.PROTECTED)
            >>> Account("a.jpg", ("a.png",), (mark,)).line()
            'a.jpg: 1 face found, 1 protected, 0 covered, 0 left'
        """
        found = len(self.marks)
        shown = [fate for fate in Fate if fate != Fate.OUT or self.count(fate)]
        counts = ", ".join(f"{self.count(fate)} {fate.value}" for fate in shown)
        large = [
            f"face {mark.number} {mark.enlarged:.1f} times"
            for mark in self.marks
            if mark.oversize and not mark.blurred
        ]
        soft = [f"face {mark.number}" for mark in self.marks if mark.oversize and mark.blurred]
        told = f"; enlarged from the model's size, so it looks soft: {', '.join(large)}" if large else ""
        told += f"; blurred, too large for the model: {', '.join(soft)}" if soft else ""
        told = f"{self.photo}: {found} face{'' if found == 1 else 's'} found, {counts}{told}"
        return told if self.clip is None else f"{told}; {self.clip.line()}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        counts = {fate.value.replace(" ", "_"): self.count(fate) for fate in Fate}
        clip = {} if self.clip is None else {"clip": self.clip.as_dict()}
        return {
            "photo": self.photo,
            "found": len(self.marks),
            **counts,
            **clip,
            "faces": [m.as_dict() for m in self.marks],
        }


def mark_faces(
    faces: Sequence[Face],
    protected: Collection[int],
    covered: Collection[int],
    doubts: Mapping[int, str],
    *,
    rest: Fate,
    enlarged: Mapping[int, float] | None = None,
    blurred: Collection[int] = (),
) -> tuple[Mark, ...]:
    """The marks of a photo's faces.

    Args:
        faces: all faces of the photo.
        protected: indices of the protected faces.
        covered: indices of the covered faces.
        doubts: by number, why some could not be protected.
        rest: what became of the others.
        enlarged: by number, the factor by which new faces were enlarged.
        blurred: numbers of those that were blurred because of that.
    """
    enlarged = enlarged or {}
    fates = {**dict.fromkeys(covered, Fate.COVERED), **dict.fromkeys(protected, Fate.PROTECTED)}
    return tuple(
        Mark(
            i,
            face.box,
            face.detector,
            round(face.score, 2),
            fates.get(i, rest),
            doubts.get(i, face.doubtful),
            round(enlarged.get(i, 0.0), 2),
            i in blurred,
        )
        for i, face in enumerate(faces)
    )


def named_for(name: str, found: int, protected: int, covered: int) -> str:
    """Name of a whole photo's output, which says when not every face is protected.

    Args:
        name: stem of the output.
        found: number of faces found.
        protected: number of faces that were replaced.
        covered: number of faces that were hidden under a mosaic.

    Example:
        >>> named_for("a", 2, 2, 0), named_for("a", 2, 1, 1), named_for("a", 2, 0, 2), named_for("a", 3, 1, 1)
        ('a', 'a', 'a.covered', 'a.partly-unprotected')
    """
    if protected + covered < found:
        return f"{name}.partly-unprotected"
    return name if protected else f"{name}.covered"
