# SPDX-License-Identifier: Apache-2.0
"""Settings of a run: everything a worker needs to build the method, checked before the first photo."""

import hashlib
import json
import os
import re
from dataclasses import dataclass, replace
from typing import Any

from semveil.bulk.enrolled import enrolment_digest
from semveil.bulk.sealing import Sealing
from semveil.core.model_folders import ModelName
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
SAME_NOISE = "noise"  # refused explicitly


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    Args:
        method: name of a method that protects pictures.
        model: name or folder of its model; the method's default if None.
        options: options of the method's constructor, by name.
        layout: `crops` writes a picture of each face, `whole-photo` the photo with new faces; the method's
            default if None. Methods of layout `picture` allow no other.
        face: `all`, `largest`, or numbers from 0 by size such as `0,2`. In whole photos other faces are left
            unchanged.
        on_no_face: treatment of a photo without a detected face: `error` refuses it, `skip` leaves it out,
            `copy` writes its pixels unchanged.
        detector: face detector, see `data.detection.resolve_detector`; `auto` is resolved at once.
        doubtful: treatment of a chosen face in a whole photo that is too small or cannot be aligned: `cover`
            puts a mosaic over it, `refuse` refuses the photo, `keep` leaves the face unchanged.
        oversize: treatment of a chosen face in a whole photo or clip that is more than `account.LARGEST`
            times the size of the model's images: `keep` enlarges the new face and reports it, `blur` blurs
            the new face, `refuse` refuses the photo or clip.
        keep: further pictures to write, unprotected: `inverted` (the networks' reconstruction of the photo
            without noise) or `aligned` (the crop itself).
        certificate_in_png: also embed certificates in the pictures.
        sealing: how the originals of altered faces in whole photos are sealed, for `restore`; None if they
            are not.
        audio: for clips: `keep` the sound, in clear, or `drop` it.
        draw_per: for clips: one draw for each `track`, a face followed through the clip, shown in all its
            frames; or one for each `frame`, whose epsilons add up.
        commit: commit of the software, for certificates.
        subject: the person in all photos, one chosen face in each.
        enrolled: folder of reference photos of known people (`NAME.jpg`, `NAME/*.jpg`).
        device: device of the method's networks, see `core.device.choose_device`; each worker resolves `auto`
            for itself.

    Raises:
        ValueError: a name or choice is unknown, or choices contradict each other.

    Example:
        >>> Settings("blur", face="largets")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: no face 'largets' (did you mean 'largest'?); allowed: a number from 0, ...
    """

    method: str
    model: ModelName | None = None
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
        if isinstance(self.model, os.PathLike):
            object.__setattr__(self, "model", os.fspath(self.model))
        if isinstance(self.face, int):  # as `load_faces` takes it
            object.__setattr__(self, "face", str(self.face))
        if not isinstance(self.face, str):
            raise TypeError(f"face is text such as '0,2', or one number; got {self.face!r}")
        object.__setattr__(self, "layout", self._checked_layout(layout_of(METHODS[self.method])))
        if self.face not in ("all", "largest") and not re.fullmatch(r"[0-9]{1,6}(,[0-9]{1,6})*", self.face):
            near = suggest(self.face, ("all", "largest"))
            raise ValueError(
                f"no face {self.face!r}{near}; allowed: a number from 0, several such as 0,2, largest or all"
            )
        if self.face not in ("all", "largest"):  # in one order, so that 2,0 and 0,2 are the same settings
            object.__setattr__(self, "face", ",".join(map(str, sorted(set(map(int, self.face.split(",")))))))
        if self.on_no_face not in POLICIES:
            near = suggest(self.on_no_face, POLICIES)
            raise ValueError(
                f"on_no_face has no choice {self.on_no_face!r}{near}; allowed: {', '.join(POLICIES)}"
            )
        if self.sealing is not None and self.layout != Layout.WHOLE_PHOTO:
            if self.layout == Layout.PICTURE:
                raise ValueError(f"method {self.method!r} makes new pictures; they cannot be reversible")
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
            subject_name(self.subject)  # raises if it is not valid

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
        """The same settings for clips, which are always kept whole.

        Raises:
            ValueError: the method or an option is for photos only.
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
        """Build the method and check that it supports the other settings.

        Raises:
            ValueError: the method has no inversion to keep, or needs to know who is shown.
        """
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
        """0-based numbers of the chosen faces.

        Numbers given by the user are returned even if no such face exists.

        Args:
            faces: number of detected faces; used by `all` only.
        """
        if self.face == "all":
            return list(range(faces))
        return [0] if self.face == "largest" else [int(number) for number in self.face.split(",")]

    def digest(self, method: ImageMethod, *, clip: bool = False) -> str:
        """Digest of everything that determines the outputs besides the photo.

        If it changes, photos are processed again. Defaults count as if given.

        Args:
            method: method built from these settings.
            clip: whether the settings are for clips.
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
    """Value converted to the option's type, so that 4 and 4.0 are equal."""
    return value if value is None or declared is None else declared.kind(value)
