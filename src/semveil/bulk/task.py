"""What is done with one photo, the same here and on a Dask worker: detect, align, protect, write beside its place."""

import hashlib
import json
import os
import secrets
import socket
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray

from semveil import __version__
from semveil.bulk.manifest import Status
from semveil.bulk.sources import BulkError
from semveil.core.certificate import Certificate, ReleaseKind
from semveil.core.errors import FaceChoiceError, FaceTooSmallError, NoFaceError, OutputError, PhotoError, SemveilError
from semveil.core.pixels import to_pixels, to_tensor
from semveil.core.privacy import Guarantee
from semveil.core.registry import suggest
from semveil.data.align import align_face
from semveil.data.certified import save_certified_png, write_certificate
from semveil.data.faces import choose_faces, smallest_face
from semveil.data.photos import Photo, load_photo
from semveil.data.save import save_png
from semveil.methods.options import Declared, declared_options
from semveil.methods.registry import METHODS, image_methods, load_method
from semveil.methods.release import ImageMethod, Reconstructing
from semveil.recognition.dlib_faces import Face

POLICIES = ("error", "skip", "copy")
KEEP = ("inverted", "aligned")
KEPT_FOLDER = "unprotected"  # below the output folder; holds what `keep` asks for


@dataclass(frozen=True)
class Settings:
    """How photos are protected; all that a worker needs to build the method.

    Args:
        method: name of a method that protects pictures.
        model: name or folder of its model; the method's default where None.
        options: of the method's constructor, by name.
        face: `all`, `largest` or a number from 0 by size.
        on_no_face: what becomes of a photo in which no face is found: `error` refuses it, `skip` leaves it out, `copy` writes
            its pixels as they are.
        keep: what is written besides, unprotected: `inverted` (what the networks make of the photo without noise) or
            `aligned` (the crop itself).
        certificate_in_png: put certificates into the pictures too.
        commit: of the software, for certificates.

    Raises:
        ValueError: an unknown name or choice.

    Example:
        >>> Settings("blur", face="largets")
        Traceback (most recent call last):
        ...
        ValueError: no face 'largets' (did you mean 'largest'?); allowed: a number from 0, largest or all
    """

    method: str
    model: str | None = None
    options: tuple[tuple[str, Any], ...] = ()
    face: str = "all"
    on_no_face: str = "error"
    keep: tuple[str, ...] = ()
    certificate_in_png: bool = False
    commit: str | None = None

    def __post_init__(self) -> None:
        known = image_methods()
        if self.method not in known:
            raise ValueError(
                f"no method that protects pictures named {self.method!r}{suggest(self.method, known)}; "
                f"available: {', '.join(known)}"
            )
        if self.face not in ("all", "largest") and not self.face.isdecimal():
            near = suggest(self.face, ("all", "largest"))
            raise ValueError(f"no face {self.face!r}{near}; allowed: a number from 0, largest or all")
        if self.on_no_face not in POLICIES:
            near = suggest(self.on_no_face, POLICIES)
            raise ValueError(f"on_no_face has no choice {self.on_no_face!r}{near}; allowed: {', '.join(POLICIES)}")
        for kind in self.keep:
            if kind not in KEEP:
                raise ValueError(f"keep has no choice {kind!r}{suggest(kind, KEEP)}; allowed: {', '.join(KEEP)}")

    def build(self) -> ImageMethod:
        """The method, checked against what is asked of it."""
        method: ImageMethod = load_method(self.method, self.model, **dict(self.options))
        if "inverted" in self.keep and not isinstance(method, Reconstructing):
            raise ValueError(f"method {self.method!r} inverts nothing, so it has no inverted pictures to keep")
        return method

    def digest(self, method: ImageMethod) -> str:
        """What determines the outputs beside the photo: if it changes, photos are done anew. Defaults count as if given."""
        declared = declared_options(METHODS[self.method])
        values = {name: option.default for name, option in declared.items()} | dict(self.options)
        said = {
            "method": self.method,
            "model": method.model_digest,
            "size": method.size,
            "options": {name: repr(_typed(value, declared.get(name))) for name, value in sorted(values.items())},
            "face": self.face,
            "keep": sorted(self.keep),
            "certificate_in_png": self.certificate_in_png,
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Task:
    """One photo for a worker.

    Attributes:
        path: of the photo, absolute.
        place: as in `sources.Source`.
        name: of its outputs, below the output folder.
        run: folder that outputs are written into first.
        method_digest: of `Settings.digest` where the run was started; a worker with another model or version must not go on.
    """

    path: str
    place: str
    name: str
    run: str
    method_digest: str


@dataclass(frozen=True)
class Outcome:
    """What became of one photo.

    Attributes:
        place: of the photo.
        status: None where it was refused; then `reasons` say why and `exit_code` is the error's.
        sha256: of the photo's bytes as they were read.
        faces, protected, small: how many were found, protected, and refused because they are too small.
        outputs: files below the output folder, written so far into `staged`; certificates come first.
        reasons: why the photo or some of its faces were refused.
        guarantee: of the pictures.
    """

    place: str
    status: Status | None
    sha256: bytes = b""
    faces: int = 0
    protected: int = 0
    small: int = 0
    outputs: tuple[str, ...] = ()
    staged: str = ""
    reasons: tuple[str, ...] = ()
    exit_code: int = 0
    guarantee: Guarantee | None = None


def protect_photo(task: Task, settings: Settings) -> Outcome:
    """Protect the faces of a photo and write pictures and certificates into a folder of their own below `task.run`.

    Raises:
        BulkError: this process does not see the run's folder, or has another model or version.
        OutputError: nothing can be written; all else that goes wrong concerns this photo only and is an `Outcome`.
    """
    method = _method(settings, task.method_digest)
    if not Path(task.run).is_dir():
        raise BulkError(
            f"the worker on {socket.gethostname()} does not see {task.run!r}; photos and output must lie on a file system "
            "that all workers share under the same path"
        )
    try:
        return _protect(task, settings, method)
    except OutputError:
        raise
    except SemveilError as error:
        return Outcome(task.place, None, reasons=(str(error),), exit_code=error.exit_code)
    except Exception as error:  # one photo must not end a run over thousands
        return Outcome(task.place, None, reasons=(f"{task.path!r}: {type(error).__name__}: {error}",), exit_code=1)


def sha256_of(path: str | os.PathLike[str]) -> bytes:
    """SHA-256 of a file.

    Raises:
        PhotoError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise PhotoError(f"cannot read {os.fspath(path)!r}: {error.strerror}") from None


def _typed(value: Any, declared: Declared | None) -> Any:
    """The value as the option's type, so that 4 and 4.0 are the same."""
    return value if value is None or declared is None else declared.kind(value)


@lru_cache(maxsize=2)
def _method(settings: Settings, digest: str) -> ImageMethod:
    """The method, built once per process."""
    method = settings.build()
    if settings.digest(method) != digest:
        raise BulkError(
            f"the worker on {socket.gethostname()} (semveil {__version__}) has another model or other defaults than this "
            "process; install the same version and models there"
        )
    return method


def _protect(task: Task, settings: Settings, method: ImageMethod) -> Outcome:
    sha256 = sha256_of(task.path)
    photo = load_photo(task.path)
    staged = Path(task.run) / secrets.token_hex(8)
    try:
        faces = choose_faces(photo, "all", smallest=1)
    except NoFaceError:
        if settings.on_no_face == "error":
            raise
        copied = settings.on_no_face == "copy"
        files = _copy(photo, staged, task.name, settings) if copied else []
        _check_unchanged(task.path, sha256)
        status: Status = "copied" if copied else "skipped"
        return Outcome(task.place, status, sha256, outputs=tuple(files), staged=_staged(task, staged) if copied else "")

    chosen = _chosen(faces, settings.face)
    if not chosen:
        reason = f"{photo.name!r} has no face {settings.face}; it shows {len(faces)}, numbered from 0"
        return Outcome(task.place, None, faces=len(faces), reasons=(reason,), exit_code=FaceChoiceError.exit_code)
    least = smallest_face(method.size)
    large = [(i, face) for i, face in chosen if _shorter_side(face) >= least]
    reasons = [
        f"face {i} in {photo.name!r} has {_shorter_side(face)} px, fewer than the {least} px needed; use a larger photo"
        for i, face in chosen
        if (i, face) not in large
    ]
    if not large:
        small = len(reasons)
        return Outcome(
            task.place, None, faces=len(faces), small=small, reasons=tuple(reasons), exit_code=FaceTooSmallError.exit_code
        )
    crops = [align_face(photo.pixels, face.landmarks, method.size).pixels for _, face in large]
    _check_unchanged(task.path, sha256)
    images = to_tensor(crops)
    release = method.protect(images)
    names = [f"{task.name}.face-{i}" if len(faces) > 1 else task.name for i, _ in large]
    staged.mkdir()
    files = []
    for name, picture, single in zip(names, to_pixels(release.images), release.singles(), strict=True):
        certificate = replace(method.certificate(single), commit=settings.commit)
        files += _write(staged, name, picture, certificate, in_png=settings.certificate_in_png)
    files += _keep(staged, names, crops, settings, method)
    return Outcome(
        task.place,
        "protected",
        sha256,
        faces=len(faces),
        protected=len(large),
        small=len(reasons),
        outputs=tuple(files),
        staged=_staged(task, staged),
        reasons=tuple(reasons),
        guarantee=release.guarantee,
    )


def _chosen(faces: list[tuple[int, Face]], selection: str) -> list[tuple[int, Face]]:
    """The faces that were asked for; none where there is no such number."""
    if selection == "all":
        return faces
    wanted = 0 if selection == "largest" else int(selection)
    return faces[wanted : wanted + 1]


def _shorter_side(face: Face) -> int:
    left, top, right, bottom = face.box
    return min(right - left, bottom - top) + 1


def _write(staged: Path, name: str, pixels: NDArray, certificate: Certificate, *, in_png: bool) -> list[str]:
    """A picture and its certificate; returns their places below the output folder."""
    picture = staged / (PurePosixPath(name).name + ".png")
    if in_png:
        save_certified_png(picture, pixels, certificate)
    else:
        save_png(picture, pixels)
    beside = write_certificate(picture, certificate)
    return [str(PurePosixPath(name).parent / file.name) for file in (beside, picture)]


def _copy(photo: Photo, staged: Path, name: str, settings: Settings) -> list[str]:
    """The photo's pixels as they are, upright and without metadata, with a certificate that says that nothing is claimed."""
    claim = Guarantee.none(
        "nothing", reason="no face was found, and the photo was copied as it is", not_covered=("the whole photo",)
    )
    certificate = Certificate(
        release=ReleaseKind.IMAGE, method=settings.method, protection="none", guarantee=claim, commit=settings.commit
    )
    staged.mkdir()
    return _write(staged, name, photo.pixels, certificate, in_png=settings.certificate_in_png)


def _keep(staged: Path, names: list[str], crops: list[NDArray], settings: Settings, method: ImageMethod) -> list[str]:
    """Unprotected pictures, asked for, in a folder of their own."""
    files = []
    for kind in settings.keep:
        pictures: Any = crops
        if kind == "inverted":
            assert isinstance(method, Reconstructing)
            pictures = to_pixels(method.reconstruct(to_tensor(crops)))
        for name, pixels in zip(names, pictures, strict=True):
            file = f"{PurePosixPath(name).name}.{kind}.png"
            save_png(staged / file, pixels)
            files.append(str(PurePosixPath(KEPT_FOLDER) / PurePosixPath(name).parent / file))
    return files


def _staged(task: Task, staged: Path) -> str:
    """Below `OUT/.semveil`."""
    return f"{Path(task.run).name}/{staged.name}"


def _check_unchanged(path: str, sha256: bytes) -> None:
    """What is written down as done must be what was read."""
    if sha256_of(path) != sha256:
        raise PhotoError(f"{path!r} changed while it was read; run again when it is whole")
