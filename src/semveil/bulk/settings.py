# SPDX-License-Identifier: Apache-2.0
"""Settings of a run: all that a worker needs to build the method, checked before the first photo."""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from semveil.bulk.enrolled import enrolment_digest
from semveil.bulk.sealing import Sealing
from semveil.core.registry import suggest
from semveil.data.detection import resolve_detector
from semveil.methods.options import Declared, declared_options
from semveil.methods.registry import METHODS, check_image_method, load_method
from semveil.methods.release import ImageMethod, Layout, Reconstructing, layout_of
from semveil.privacy.ledger import subject_name

POLICIES = ("error", "skip", "copy")
DOUBTFUL = ("cover", "refuse", "keep")
OVERSIZE = ("keep", "blur", "refuse")
KEEP = ("inverted", "aligned")
AUDIO = ("keep", "drop")
DRAW_PER = ("track", "frame")
SAME_NOISE = "noise"  # what is refused by name
KEPT_FOLDER = "unprotected"  # below the output folder; holds what `keep` asks for


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    Args:
        method: name of a method that protects pictures.
        model: name or folder of its model; the method's default where None.
        options: of the method's constructor, by name.
        layout: `crops` writes a picture of each face, `whole-photo` the photo with the faces replaced; the
            method's default where None. Methods of layout `picture` have no other.
        face: `all`, `largest`, or numbers from 0 by size such as `0,2`. In whole photos other faces stay as
            they are.
        on_no_face: treatment of a photo without a found face: `error` refuses it, `skip` leaves it out,
            `copy` writes its pixels as they are.
        detector: face detector, see `data.detection.resolve_detector`; what `auto` stands for is settled at
            once.
        doubtful: treatment of a chosen face in a whole photo that is too small or cannot be aligned: `cover`
            puts a mosaic over it, `refuse` refuses the photo, `keep` leaves the face as it is.
        oversize: what becomes of a chosen face in a whole photo that is more than `account.LARGEST` times as
            large as the method's model makes it: `keep` enlarges the new face and says so, `blur` blurs the
            new face, `refuse` refuses the photo.
        keep: what else is written, unprotected: `inverted` (what the networks make of the photo without
            noise) or `aligned` (the crop itself).
        certificate_in_png: put certificates into the pictures too.
        sealing: how the originals of altered faces in whole photos are sealed, for `restore`; None for not at
            all.
        audio: of clips: `keep` the sound, which is in clear, or `drop` it.
        draw_per: of clips: one draw for each `track`, a face followed through the clip, which all its frames
            show; or one for each `frame`, whose epsilons add up.
        commit: of the software, for certificates.
        subject: the person in all photos, one chosen face in each.
        enrolled: folder of photos of known people (`NAME.jpg`, `NAME/*.jpg`), by which faces are recognised.
        device: where the method's networks compute, see `core.device.choose_device`; each worker settles
            `auto` for itself.

    Raises:
        ValueError: an unknown name or choice, or choices that do not go together.

    Example:
        >>> Settings("blur", face="largets")
        Traceback (most recent call last):
        ...
        ValueError: no face 'largets' (did you mean 'largest'?); allowed: a number from 0, several such as
        0,2, largest or all
    """

    method: str
    model: str | None = None
    options: tuple[tuple[str, Any], ...] = ()
    layout: Layout | None = None
    face: str = "all"
    on_no_face: str = "error"
    detector: str = "auto"
    doubtful: str = "cover"
    oversize: str = "keep"
    keep: tuple[str, ...] = ()
    certificate_in_png: bool = False
    sealing: Sealing | None = None
    audio: str = "keep"
    draw_per: str = "track"
    commit: str | None = None
    subject: str | None = None
    enrolled: str | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        check_image_method(self.method)
        object.__setattr__(self, "layout", self._checked_layout(layout_of(METHODS[self.method])))
        if self.face not in ("all", "largest") and not re.fullmatch(r"[0-9]{1,6}(,[0-9]{1,6})*", self.face):
            near = suggest(self.face, ("all", "largest"))
            raise ValueError(
                f"no face {self.face!r}{near}; allowed: a number from 0, several such as 0,2, largest or all"
            )
        if self.on_no_face not in POLICIES:
            near = suggest(self.on_no_face, POLICIES)
            raise ValueError(
                f"on_no_face has no choice {self.on_no_face!r}{near}; allowed: {', '.join(POLICIES)}"
            )
        if self.sealing is not None and self.layout != Layout.WHOLE_PHOTO:
            raise ValueError(
                "only whole photos can be reversible (--reversible with --whole-photo); crops are new "
                "pictures"
            )
        if self.doubtful not in DOUBTFUL:
            near = suggest(self.doubtful, DOUBTFUL)
            raise ValueError(
                f"doubtful has no choice {self.doubtful!r}{near}; allowed: {', '.join(DOUBTFUL)}"
            )
        if self.draw_per == SAME_NOISE:
            raise ValueError(
                "the same noise in all frames is refused: frames differ by what is under it, so their "
                "differences would be published without noise; draw_per takes track (one draw that all "
                "frames show) or frame (new noise in each)"
            )
        for name, choices in (("audio", AUDIO), ("draw_per", DRAW_PER), ("oversize", OVERSIZE)):
            if getattr(self, name) not in choices:
                near = suggest(getattr(self, name), choices)
                raise ValueError(
                    f"{name} has no choice {getattr(self, name)!r}{near}; allowed: {', '.join(choices)}"
                )
        object.__setattr__(self, "detector", resolve_detector(self.detector))
        for kind in self.keep:
            if kind not in KEEP:
                raise ValueError(
                    f"keep has no choice {kind!r}{suggest(kind, KEEP)}; allowed: {', '.join(KEEP)}"
                )
        if self.subject is not None and self.enrolled is not None:
            raise ValueError("give the subject of all photos or a folder of enrolled people, not both")
        if self.subject is not None:
            subject_name(self.subject)  # its check

    def _checked_layout(self, usual: Layout) -> Layout:
        layout = usual if self.layout is None else Layout(self.layout)
        if (layout == Layout.PICTURE) != (usual == Layout.PICTURE):
            what = "whole pictures, faces or not" if usual == Layout.PICTURE else "faces"
            raise ValueError(f"method {self.method!r} protects {what}; layout {layout.value!r} is not for it")
        if layout == Layout.PICTURE and (self.face, self.on_no_face, self.enrolled) != ("all", "error", None):
            raise ValueError(
                f"method {self.method!r} looks for no faces; leave out face, on_no_face and enrolled"
            )
        return layout

    def for_clips(self) -> "Settings":
        """The same for clips, which are kept whole, whatever is done with photos.

        Raises:
            ValueError: the method or an option is for photos alone.
        """
        if self.layout == Layout.PICTURE:
            raise ValueError(
                f"method {self.method!r} makes single pictures and cannot protect clips; choose another "
                "method"
            )
        if self.keep or self.certificate_in_png:
            raise ValueError(
                "kept pictures and certificates in PNG are for photos; leave those options out for clips"
            )
        if self.sealing is not None and self.sealing.inside:
            raise ValueError("the sealed original of a clip lies beside it; take --sealed-out")
        return replace(self, layout=Layout.WHOLE_PHOTO)

    def build(self) -> ImageMethod:
        """The method, checked against what is asked of it."""
        method: ImageMethod = load_method(self.method, self.model, device=self.device, **dict(self.options))
        if "inverted" in self.keep and not isinstance(method, Reconstructing):
            raise ValueError(f"method {self.method!r} inverts nothing; --keep inverted is not available")
        if needs_subjects(method) and self.subject is None and self.enrolled is None:
            raise ValueError(
                f"method {self.method!r} needs to know here who is shown; name the subject, or a folder of "
                "enrolled people"
            )
        return method

    def chosen(self, faces: int) -> list[int]:
        """0-based numbers of the chosen faces. Numbers given by the user are returned even if no such face
        exists.

        Args:
            faces: number of faces found; used by `all` only.
        """
        if self.face == "all":
            return list(range(faces))
        return [0] if self.face == "largest" else sorted({int(number) for number in self.face.split(",")})

    def digest(self, method: ImageMethod, *, clip: bool = False) -> str:
        """Digest of all that determines the outputs besides the photo; if it changes, photos are done again.

        Defaults count as if given.

        Args:
            method: built from these settings.
            clip: of settings for clips.
        """
        declared = declared_options(METHODS[self.method])
        values = {name: option.default for name, option in declared.items()} | dict(self.options)
        assert self.layout is not None
        said = {
            "method": self.method,
            "model": method.model_digest,
            "size": method.size,
            "options": {
                name: repr(_typed(value, declared.get(name))) for name, value in sorted(values.items())
            },
            "layout": self.layout.value,
            "face": self.face,
            "detector": self.detector,
            "doubtful": self.doubtful,
            "oversize": self.oversize,
            "keep": sorted(self.keep),
            "certificate_in_png": self.certificate_in_png,
            "sealing": self.sealing and [self.sealing.fingerprint(), self.sealing.inside],
        }
        if clip:
            said |= {"audio": self.audio, "draw_per": self.draw_per}
        if needs_subjects(method):
            said["subject"] = self.subject and subject_name(self.subject)
            said["enrolled"] = self.enrolled and enrolment_digest(self.enrolled)
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def needs_subjects(method: ImageMethod) -> bool:
    """Whether the method assigns each person one new face and therefore needs to know who is shown.

    Args:
        method: the protection.
    """
    return getattr(method, "needs_subjects", False)


def _typed(value: Any, declared: Declared | None) -> Any:
    """The value as the option's type, so that 4 and 4.0 are the same."""
    return value if value is None or declared is None else declared.kind(value)
