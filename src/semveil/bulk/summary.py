# SPDX-License-Identifier: Apache-2.0
"""What became of the photos of a run, as the command line and JSON show it."""

from dataclasses import dataclass
from typing import Any

from semveil.bulk.account import Account
from semveil.privacy.guarantee import Guarantee


@dataclass(frozen=True)
class Refused:
    """A photo that is not in the output, or a face in it.

    Attributes:
        photo: its path.
        reason: in words, with the fix.
        exit_code: of the error.
    """

    photo: str
    reason: str
    exit_code: int


@dataclass(frozen=True)
class Summary:
    """What became of the photos of a run.

    Attributes:
        photos: how many there are; each is one of the next five.
        size: side of the pictures, or new faces, that the method makes, in pixels.
        protected: in this run.
        done_before: in earlier runs with the same settings.
        skipped, copied: showed no face and were left out, or written as they are, as asked.
        refused: neither protected nor written, with the reasons.
        faces_found, faces_protected, faces_refused: in all photos, those of earlier runs included; the rest
            was not chosen.
        faces_covered: in whole photos, by a mosaic, since they are doubtful or too small.
        faces_left: in whole photos, where they are as they were: not chosen, or doubtful and kept as asked.
        accounts: what became of each face, of every photo that is in the output.
        strangers: faces protected in this run that show nobody who is enrolled, where there are enrolled
            people.
        recorded: how many releases went into the ledger in this run, one for each person in a picture; those
            of earlier runs that it lacked too.
        small_faces: those refused in photos of this run that are protected otherwise, with the reasons.
        others: files that are no photos by their names.
        notes: what else was passed over or lost, and what was found changed in the output.
        guarantee: of each protected picture of this run; None where there is none.
        recognised: photos of this run with the numbers of their faces that are still recognised, and by whom.
            It is computed from the originals: `as_dict` leaves it out, and it must not be published.
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
    strangers: int = 0
    recorded: int = 0
    small_faces: tuple[Refused, ...] = ()
    others: int = 0
    notes: tuple[str, ...] = ()
    guarantee: Guarantee | None = None
    recognised: tuple[tuple[str, tuple[tuple[int, tuple[str, ...]], ...]], ...] = ()

    @property
    def exit_code(self) -> int:
        """0 where every photo became what was asked for; else that of the first refusal."""
        return self.refused[0].exit_code if self.refused else 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, and fit to be published where it may be known which faces lie where in the photos (`per_photo`)."""
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
            "refused": [{"photo": r.photo, "reason": r.reason} for r in (*self.refused, *self.small_faces)],
            "other_files": self.others,
            "notes": list(self.notes),
            "guarantee": self.guarantee and self.guarantee.as_dict(),
        }
