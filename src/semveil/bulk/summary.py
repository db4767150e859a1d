# SPDX-License-Identifier: Apache-2.0
"""Summary of a run, for the command line and JSON."""

from dataclasses import dataclass
from typing import Any

from semveil.bulk.account import Account
from semveil.privacy.guarantee import Guarantee


@dataclass(frozen=True)
class Refused:
    """A photo that is not in the output, or a refused face in it.

    Attributes:
        photo: its path.
        reason: message with the fix.
        exit_code: exit code of the error.
    """

    photo: str
    reason: str
    exit_code: int


@dataclass(frozen=True, repr=False)
class Summary:
    """Summary of a run.

    Attributes:
        photos: number of photos and clips: the sum of the five counts protected to refused.
        size: side of the method's pictures or new faces, in pixels.
        clips: number of clips among them.
        protected: number protected in this run.
        done_before: number protected in earlier runs with the same settings.
        skipped, copied: numbers without a face that were left out or written unchanged, as requested.
        refused: photos neither protected nor written, with the reasons.
        faces_found, faces_protected, faces_refused: numbers of faces in all photos, including those of
            earlier runs; the rest was not chosen.
        faces_covered: number of faces in whole photos covered by a mosaic, because they are doubtful or too
            small.
        faces_left: number of faces left unchanged in whole photos: not chosen, or doubtful and kept as
            requested.
        accounts: fates of the faces of every photo in the output; empty for methods that look for no faces.
        outputs: names of all files of the output, also of earlier runs, without certificates of their own.
        strangers: number of faces protected in this run that show nobody enrolled, if there are enrolled
            people.
        recorded: number of releases recorded in the ledger in this run, one for each person in a picture,
            including those of earlier runs that it lacked.
        small_faces: refused faces, with reasons, in photos of this run that are otherwise protected.
        others: number of files that are not photos.
        notes: messages about files that were skipped, lost or found changed in the output.
        guarantee: weakest guarantee of the protected pictures, new or done before; None if there is none.
        recognised: photos of this run with the numbers of their faces that are still recognised, and the
            recognisers. It is computed from the originals: `as_dict` leaves it out, and it must not be
            published.
    """

    photos: int
    size: int = 0
    clips: int = 0
    protected: int = 0
    done_before: int = 0
    skipped: int = 0
    copied: int = 0
    refused: tuple[Refused, ...] = ()
    faces_found: int = 0
    faces_protected: int = 0
    faces_refused: int = 0
    faces_covered: int = 0
    faces_left: int = 0
    accounts: tuple[Account, ...] = ()
    outputs: tuple[str, ...] = ()
    strangers: int = 0
    recorded: int = 0
    small_faces: tuple[Refused, ...] = ()
    others: int = 0
    notes: tuple[str, ...] = ()
    guarantee: Guarantee | None = None
    recognised: tuple[tuple[str, tuple[tuple[int, tuple[str, ...]], ...]], ...] = ()

    def __repr__(self) -> str:
        photos = {
            "protected": self.protected,
            "done before": self.done_before,
            "skipped": self.skipped,
            "copied": self.copied,
            "refused": len(self.refused),
        }
        became = "".join(f", {count} {name}" for name, count in photos.items() if count)
        promise = "" if self.guarantee is None else f"; {self.guarantee.briefly()}"
        faces = f"{self.faces_found} faces found, {self.faces_protected} protected"
        return f"Summary({self.photos} photos and clips{became}; {faces}{promise})"

    @property
    def exit_code(self) -> int:
        """0 if no photo was refused; otherwise the exit code of the first refusal."""
        return self.refused[0].exit_code if self.refused else 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form.

        `refused` lists photos, `refused_faces` single faces left out of photos that are protected. It may be
        published if the positions of faces in the photos (`per_photo`) may be known.
        """
        return {
            "photos": {
                "found": self.photos,
                "clips": self.clips,
                "protected": self.protected,
                "done_before": self.done_before,
                "skipped": self.skipped,
                "copied": self.copied,
                "refused": len(self.refused),
            },
            "faces": {
                "found": self.faces_found,
                "protected": self.faces_protected,
                "covered": self.faces_covered,
                "refused": self.faces_refused,
                "left_as_they_are": self.faces_left,
                "of_nobody_enrolled": self.strangers,
            },
            "per_photo": [account.as_dict() for account in self.accounts],
            "size": self.size,
            "recorded": self.recorded,
            "refused": [{"photo": r.photo, "reason": r.reason} for r in self.refused],
            "refused_faces": [{"photo": r.photo, "reason": r.reason} for r in self.small_faces],
            "other_files": self.others,
            "notes": list(self.notes),
            "guarantee": self.guarantee and self.guarantee.as_dict(),
        }
