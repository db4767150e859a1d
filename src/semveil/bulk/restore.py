# SPDX-License-Identifier: Apache-2.0
"""Restoration of sealed originals: the faces of a photo, the file of a clip, or the key of one face."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semveil.bulk.sources import Source
from semveil.core.errors import KeyProblem, OutputError, PhotoError
from semveil.core.files import write_whole
from semveil.core.output_path import keep_inputs
from semveil.data.certified import certificate_path, read_certificate
from semveil.data.photos import load_photo
from semveil.data.save import png_bytes
from semveil.data.sealed_clip import SealedClip
from semveil.data.sealed_faces import SealedFaces, read_sealed, sealed_path
from semveil.keys.passphrase import read_passphrase
from semveil.keys.sealed_parts import PartKey, SealedParts, read_any_key, write_part_key
from semveil.keys.secret import Secret, read_secret
from semveil.methods.shared_key import SharedKey
from semveil.privacy.certificate import CertificateError

ALL = "all"
_KEY = "was sealed with a key, not a passphrase; give the key with --key"
_PASSPHRASE = "was sealed with a passphrase; give the file that holds it with --passphrase-file"


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Key that opens a sealed part.

    Attributes:
        keys: files of the key it was sealed with, or of keys of single faces.
        passphrase_file: file with the passphrase it was sealed with.
        sealed: file of the sealed part; if None, the one next to or inside the output.

    Raises:
        ValueError: neither keys nor a passphrase is given, or both are.
    """

    keys: Sequence[Path] = ()
    passphrase_file: Path | None = None
    sealed: Path | None = None

    def __post_init__(self) -> None:
        if bool(self.keys) == (self.passphrase_file is not None):
            raise ValueError("give the key with --key FILE, or --passphrase-file FILE")


@dataclass(frozen=True)
class RestoredFaces:
    """Result of a restoration.

    Attributes:
        path: the written file.
        restored: numbers of the restored faces.
        left: numbers of the other faces.
        exact: whether all pixels are verified to be those of the original.
    """

    path: Path
    restored: tuple[int, ...]
    left: tuple[int, ...]
    exact: bool


def restore_faces(
    picture: Path, out: Path | None, opening: Opening, *, face: str = ALL, anyway: bool = False
) -> RestoredFaces:
    """Write a photo with its original faces restored.

    Args:
        picture: output of `protect` with sealed originals.
        out: PNG to write, readable by its owner only; if None, NAME.restored.png in the current folder, which
            then replaces no other picture.
        opening: key or passphrase.
        face: `all`, or numbers such as `0,2`; with keys of single faces `all` means those they open.
        anyway: restore even if the picture was edited.

    Returns:
        The written file, and numbers of the faces restored and left.

    Raises:
        KeyProblem: the key is wrong, or the picture was altered.
        OutputError: the file cannot be written, or is one that would be lost.
        ValueError: `face` is not valid.
    """
    target = out if out is not None else Path(f"{picture.stem}.restored.png")
    _keep(target, picture, opening)
    photo, found = load_photo(picture), read_sealed(picture, opening.sealed)
    keys = _keys(found, opening, face)
    content = png_bytes(target.name, found.restore(photo.pixels, keys, anyway=anyway))
    if out is None:
        _lose_nothing(target, content)
    write_whole(target, content, private=True)
    restored = tuple(sorted(key.number for key in keys))
    left = tuple(sorted(set(found.numbers) - set(restored)))
    return RestoredFaces(target, restored, left, not left and not anyway)


def _lose_nothing(target: Path, content: bytes) -> None:
    """Refuse a default name that a file of other content has, such as a photo of another folder."""
    if target.exists() and target.read_bytes() != content:
        raise OutputError(f"{str(target)!r} exists and would be lost; name another file with --out")


def _keep(out: Path, picture: Path, opening: Opening) -> None:
    """Refuse to overwrite the protected picture, its certificate and the files that open it.

    Otherwise the protected picture's certificate would be next to the original.
    """
    beside = sealed_path(picture), certificate_path(picture)
    keep_inputs(out, picture, *opening.keys, opening.passphrase_file, opening.sealed, *beside)


def hand_over(picture: Path, out: Path, opening: Opening, *, face: str) -> int:
    """Write the key of a single face to a file; it opens no other face.

    Args:
        picture: the protected picture.
        out: key file to write.
        opening: the key or passphrase, and the file of the sealed part.
        face: number of the face.

    Returns:
        The number of the face.

    Raises:
        PhotoError: the picture cannot be read.
        ValueError: `face` does not name exactly one face.
        KeyProblem: the sealed part is missing or damaged, or the key is wrong.
        OutputError: the key file cannot be written.
    """
    _keep(out, picture, opening)
    load_photo(picture)  # checks that it can be read
    keys = _keys(read_sealed(picture, opening.sealed), opening, face)
    if len(keys) != 1 or face == ALL:
        raise ValueError("--hand-over writes the key of one face; name it with --face N")
    write_part_key(out, keys[0])
    return keys[0].number


@dataclass(frozen=True)
class RestoredClip:
    """Result of the restoration of a clip.

    Attributes:
        path: the written file.
        size: its size in bytes.
        doubts: why the given file may not be the clip that the sealed part belongs to; empty if its
            certificate says that it is.
    """

    path: Path
    size: int
    doubts: tuple[str, ...]


def is_sealed_clip(file: Path, sealed: Path | None = None) -> bool:
    """Whether an output of `protect` is a clip: by the header of its sealed part, else by its suffix.

    Args:
        file: the protected picture or clip.
        sealed: file of the sealed part; None for the one next to the output.
    """
    is_clip = SealedClip.is_in(sealed_path(file) if sealed is None else sealed)
    return Source(file, file.name).is_clip if is_clip is None else is_clip


def open_clip(clip: Path, opening: Opening) -> tuple[SealedClip, bytes]:
    """Decrypt the original of a protected clip.

    Args:
        clip: the protected clip.
        opening: the key or passphrase, and the file of the sealed part.

    Returns:
        The sealed part, and the bytes of the original file.

    Raises:
        PhotoError: there is no such clip.
        KeyProblem: the sealed part is missing or damaged, the key is wrong, or it was sealed with a key and a
            passphrase is given, or the other way round.
    """
    if not clip.is_file():
        raise PhotoError(f"no clip {str(clip)!r}")
    found = SealedClip.read(clip, opening.sealed)
    if opening.passphrase_file is not None:
        secret = _of_passphrase(found.sealed, found.source, opening.passphrase_file, "clip")
    elif found.source["kind"] != "file":
        raise KeyProblem(f"this clip {_PASSPHRASE}")
    else:
        secret = read_secret(opening.keys[0])
    return found, found.open(secret)


def _of_passphrase(
    sealed: SealedParts, source: Mapping[str, Any], passphrase_file: Path, thing: str
) -> Secret:
    """Secret of a passphrase, if it is the one that the part was sealed with."""
    if source["kind"] != "passphrase":
        raise KeyProblem(f"this {thing} {_KEY}")
    secret = SharedKey.of_message(source, passphrase=read_passphrase(passphrase_file)).secret
    if sealed.checks and not sealed.fits(0, sealed.key(secret, 0)):
        raise KeyProblem(
            f"the passphrase is another than the one this {thing} was sealed with, or the header of the "
            "sealed part was altered; nothing was opened"
        )
    return secret


def restore_clip(clip: Path, out: Path | None, opening: Opening) -> RestoredClip:
    """Write the original file, byte for byte.

    Args:
        clip: output of `protect` with a sealed original.
        out: file to write; if None, NAME.restored in the current folder, with the original's suffix, which
            then replaces no other file.
        opening: key or passphrase.

    Returns:
        The written file, and doubts whether the given clip is the one that was sealed.

    Raises:
        PhotoError, KeyProblem: as for `open_clip`.
        OutputError: the file cannot be written, or is one that is read.
    """
    if out is not None:
        _keep(out, clip, opening)
    found, original = open_clip(clip, opening)
    target = out if out is not None else Path(f"{clip.stem}.restored{found.suffix}")
    if out is None:
        _keep(target, clip, opening)
        _lose_nothing(target, original)
    write_whole(target, original, private=True)
    return RestoredClip(target, len(original), _doubts(clip, found))


def _doubts(clip: Path, found: SealedClip) -> tuple[str, ...]:
    """Why a file may not be the clip that a sealed part belongs to, by its certificate."""
    name = repr(str(clip))
    if not certificate_path(clip).is_file():
        return (
            f"{name} has no certificate beside it, so whether it is the clip that was sealed is not checked",
        )
    try:
        certificate = read_certificate(clip)
    except CertificateError as error:
        return (f"{name} was edited since it was protected, or is another clip: {error}",)
    if certificate.release_id != found.release_id:
        return (
            f"{name} is another clip than the one that the sealed part belongs to, or another release of it",
        )
    return ()


def _numbers(found: SealedFaces, face: str) -> list[int]:
    if face == ALL:
        return sorted(found.numbers)
    try:
        return sorted({int(number) for number in face.split(",")})
    except ValueError:
        raise ValueError(f"no face {face!r}; allowed: all, or numbers such as 0,2") from None


def _keys(found: SealedFaces, opening: Opening, face: str) -> list[PartKey]:
    """Keys of the requested faces."""
    numbers = _numbers(found, face)
    if opening.passphrase_file is not None:
        secret = _of_passphrase(found.sealed, found.source, opening.passphrase_file, "picture")
        return [found.key(secret, number) for number in numbers]
    read = [read_any_key(path) for path in opening.keys]
    single = list(dict.fromkeys(key for key in read if isinstance(key, PartKey)))  # each once
    secrets = [key for key in read if not isinstance(key, PartKey)]
    if secrets and len(read) > 1:
        raise ValueError(
            "give the one key that it was sealed with, or keys of single faces; several, of which one opens "
            "all faces, were given"
        )
    if secrets:
        if found.source["kind"] != "file":
            raise KeyProblem(f"this picture {_PASSPHRASE}")
        return [found.key(secrets[0], number) for number in numbers]
    if face == ALL:
        return single
    missing = [number for number in numbers if number not in {key.number for key in single}]
    if missing:
        raise KeyProblem(
            f"no key of face {missing[0]} was given; these open "
            f"{', '.join(str(key.number) for key in single)}"
        )
    return [key for key in single if key.number in numbers]
