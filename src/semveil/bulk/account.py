# SPDX-License-Identifier: Apache-2.0
"""Report of what was done with each detected face of a photo or clip."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from semveil.recognition.dlib_faces import Face

LISTED_TIMES = 5  # missed frames named in one line
LARGEST = 2.0  # enlargement factor above which a new face looks soft in its surroundings


class Fate(StrEnum):
    """Treatment of a detected face."""

    PROTECTED = "protected"
    COVERED = "covered"  # by a mosaic: doubtful or too small to be protected
    LEFT = "left"  # unchanged in the output
    OUT = "left out"  # absent from the output, which has one picture per chosen face


@dataclass(frozen=True)
class Mark:
    """A detected face and its treatment.

    Attributes:
        number: the number that `--face` takes.
        box: left, top, right, bottom in pixels of the photo.
        detector, score: the detector that found it, and its confidence.
        fate: what was done with it.
        doubt: why it could not be protected; empty if it could.
        enlarged: factor by which the new face was enlarged for its photo; 0 where not applicable.
        blurred: whether the new face was blurred because it was enlarged too much.
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
        """Whether the new face is much larger in its photo than in the model's output."""
        return self.fate == Fate.PROTECTED and self.enlarged > LARGEST

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {**vars(self), "box": list(self.box), "fate": self.fate.value}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Mark":
        """Rebuild a mark from its JSON form.

        Args:
            content: result of `as_dict`.

        Raises:
            KeyError: `box` or `fate` is missing.
            TypeError: another field is missing or unknown, or a value has the wrong type.
            ValueError: the box does not have four integers, or there is no such fate.
        """
        left, top, right, bottom = (int(v) for v in content["box"])
        return cls(**content | {"box": (left, top, right, bottom), "fate": Fate(content["fate"])})


@dataclass(frozen=True)
class Still:
    """A frame of a clip for the review page.

    Attributes:
        frame: 0-based index in display order.
        seconds: time from the first frame.
        missed: whether a known face is missed in it.
        marks: its faces, with their boxes in this frame.
    """

    frame: int
    seconds: float
    missed: bool
    marks: tuple[Mark, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {**vars(self), "marks": [mark.as_dict() for mark in self.marks]}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Still":
        """Rebuild a still from its JSON form.

        Args:
            content: result of `as_dict`.

        Raises:
            KeyError: `marks` is missing.
            TypeError: another field is missing or unknown.
        """
        return cls(**content | {"marks": tuple(map(Mark.from_dict, content["marks"]))})


@dataclass(frozen=True)
class ClipFacts:
    """Facts about a clip besides its faces.

    Attributes:
        frames: number of frames.
        seconds: duration.
        hidden: number of frames in which a protected face could not be aligned or was not detected, and is
            hidden.
        missed: number of output frames in which a detector finds a known face of the source that is neither
            replaced nor hidden.
        elsewhere: number of output frames in which a detector finds something else outside the altered
            regions, possibly a face that was missed in the source.
        sound: whether the output has sound; true if it is not known, for clips of earlier versions.
        missed_at: times of the missed frames in seconds; empty for clips of earlier versions.
        stills: frames for the review page; none for clips of earlier versions.
    """

    frames: int
    seconds: float
    hidden: int
    missed: int
    elsewhere: int
    sound: bool = True
    missed_at: tuple[float, ...] = ()
    stills: tuple[Still, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            **vars(self),
            "missed_at": list(self.missed_at),
            "stills": [still.as_dict() for still in self.stills],
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "ClipFacts":
        """Rebuild the facts from their JSON form.

        Args:
            content: result of `as_dict`, of this or an earlier version.

        Raises:
            TypeError: a field is missing or unknown.
        """
        stills = tuple(map(Still.from_dict, content.get("stills", ())))
        return cls(**content | {"missed_at": tuple(content.get("missed_at", ())), "stills": stills})

    def line(self) -> str:
        """One-line summary.

        Example:
            >>> ClipFacts(250, 10.0, 3, 0, 0).line().partition(", a known")[0]
            '250 frames (10.0 s), a face hidden for want of landmarks in 3'
            >>> ClipFacts(1, 0.1, 0, 0, 0).line().partition(",")[0]
            '1 frame (0.1 s)'
            >>> ClipFacts(9, 0.4, 0, 1, 0, missed_at=(0.12,)).line().rpartition("known ")[2]
            'face missed in 1 (00:00.120), other finds in 0'
        """
        frames = f"{self.frames} frame{'' if self.frames == 1 else 's'}"
        return (
            f"{frames} ({self.seconds:.1f} s), a face hidden for want of landmarks in {self.hidden}, a "
            f"known face missed in {self.missed}{self._times()}, other finds in {self.elsewhere}"
        )

    def _times(self) -> str:
        if not self.missed_at:
            return ""
        more = len(self.missed_at) - LISTED_TIMES
        times = ", ".join(map(clock, self.missed_at[:LISTED_TIMES]))
        return f" ({times}{f' and {more} more' if more > 0 else ''})"


@dataclass(frozen=True)
class Account:
    """The faces of one photo or clip.

    Attributes:
        photo: path relative to the given folder.
        outputs: files made from it, relative to the output folder.
        marks: its faces; empty if none was detected or no detection was run.
        clip: facts about a clip; None for a photo.
    """

    photo: str
    outputs: tuple[str, ...]
    marks: tuple[Mark, ...]
    clip: ClipFacts | None = None

    def count(self, fate: Fate) -> int:
        """Number of faces with a given fate.

        Args:
            fate: for example `Fate.COVERED`.
        """
        return sum(mark.fate == fate for mark in self.marks)

    @property
    def all_protected(self) -> bool:
        """Whether every face in the output is protected."""
        return self.count(Fate.COVERED) + self.count(Fate.LEFT) == 0

    @property
    def oversize(self) -> bool:
        """Whether a new face is much larger in the photo than in the model's output."""
        return any(mark.oversize for mark in self.marks)

    def line(self) -> str:
        """One-line summary with the counts.

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
        """JSON-ready form."""
        counts = {fate.value.replace(" ", "_"): self.count(fate) for fate in Fate}
        clip = {} if self.clip is None else {"clip": self.clip.as_dict()}
        return {
            "photo": self.photo,
            "found": len(self.marks),
            **counts,
            **clip,
            "faces": [m.as_dict() for m in self.marks],
        }


def clock(seconds: float) -> str:
    """Time in a clip as minutes, seconds and milliseconds.

    Args:
        seconds: from the first frame.

    Example:
        >>> clock(4.08), clock(3661.5)
        ('00:04.080', '61:01.500')
    """
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


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
    """Marks of a photo's faces.

    Args:
        faces: all faces of the photo.
        protected: indices of the protected faces.
        covered: indices of the covered faces.
        doubts: for some face numbers, why the face could not be protected.
        rest: fate of all other faces.
        enlarged: by face number, the factor by which the new face was enlarged.
        blurred: numbers of the faces that were blurred because they were enlarged too much.
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
    """Name of a whole photo's output; it shows when a detected face is visible, or none is protected.

    A face covered beside protected ones is hidden and does not change the name.

    Args:
        name: stem of the output.
        found: number of detected faces.
        protected: number of replaced faces.
        covered: number of faces covered by a mosaic.

    Example:
        >>> named_for("a", 2, 2, 0), named_for("a", 2, 1, 1), named_for("a", 2, 0, 2), named_for("a", 3, 1, 1)
        ('a', 'a', 'a.covered', 'a.partly-unprotected')
    """
    if protected + covered < found:
        return f"{name}.partly-unprotected"
    return name if protected else f"{name}.covered"
