# SPDX-License-Identifier: Apache-2.0
"""Restoration of sealed originals: the faces of a photo, the file of a clip, or the key of one face."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semveil.core.errors import KeyProblem
from semveil.core.files import write_whole
from semveil.core.output_path import keep_inputs
from semveil.data.photos import load_photo
from semveil.data.save import save_png
from semveil.data.sealed_clip import SealedClip
from semveil.data.sealed_faces import SealedFaces, read_sealed, sealed_path
from semveil.keys.passphrase import read_passphrase
from semveil.keys.sealed_parts import PartKey, read_any_key, write_part_key
from semveil.keys.secret import read_secret
from semveil.methods.shared_key import SharedKey

ALL = "all"
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
        restored: numbers of the restored faces.
        left: numbers of the other faces.
        exact: whether all pixels are verified to be those of the original.
    """

    restored: tuple[int, ...]
    left: tuple[int, ...]
    exact: bool


def restore_faces(
    picture: Path, out: Path, opening: Opening, *, face: str = ALL, anyway: bool = False
) -> RestoredFaces:
    """Write a photo with its original faces restored.

    Args:
        picture: output of `protect` with sealed originals.
        out: PNG to write, readable by its owner only.
        opening: key or passphrase.
        face: `all`, or numbers such as `0,2`; with keys of single faces `all` means those they open.
        anyway: restore even if the picture was edited.

    Returns:
        Numbers of the faces restored and left.

    Raises:
        KeyProblem: the key is wrong, or the picture was altered.
        ValueError: `face` is not valid.
    """
    _keep(out, picture, opening)
    photo, found = load_photo(picture), read_sealed(picture, opening.sealed)
    keys = _keys(found, opening, face)
    save_png(out, found.restore(photo.pixels, keys, anyway=anyway), private=True)
    restored = tuple(key.number for key in keys)
    left = tuple(sorted(set(found.numbers) - set(restored)))
    return RestoredFaces(restored, left, not left and not anyway)


def _keep(out: Path, picture: Path, opening: Opening) -> None:
    """Refuse to overwrite the protected picture and the files that open it.

    Otherwise the protected picture's certificate would be next to the original.
    """
    keep_inputs(out, picture, *opening.keys, opening.passphrase_file, opening.sealed, sealed_path(picture))


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


def open_clip(clip: Path, opening: Opening) -> tuple[SealedClip, bytes]:
    """Decrypt the original of a protected clip.

    Args:
        clip: the protected clip.
        opening: the key or passphrase, and the file of the sealed part.

    Returns:
        The sealed part, and the bytes of the original file.

    Raises:
        KeyProblem: the sealed part is missing or damaged, the key is wrong, or a passphrase is needed and not
            given.
    """
    found = SealedClip.read(clip, opening.sealed)
    if opening.passphrase_file is not None:
        secret = SharedKey.of_message(
            found.source, passphrase=read_passphrase(opening.passphrase_file)
        ).secret
    elif found.source["kind"] != "file":
        raise KeyProblem(f"this clip {_PASSPHRASE}")
    else:
        secret = read_secret(opening.keys[0])
    return found, found.open(secret)


def restore_clip(clip: Path, out: Path | None, opening: Opening) -> tuple[Path, int]:
    """Write the original file, byte for byte.

    Args:
        clip: output of `protect` with a sealed original.
        out: file to write; if None, NAME.restored next to the clip, with the original's suffix.
        opening: key or passphrase.

    Returns:
        Path of the file, and its size in bytes.

    Raises:
        KeyProblem: as for `open_clip`.
    """
    if out is not None:
        _keep(out, clip, opening)
    found, original = open_clip(clip, opening)
    target = out if out is not None else clip.with_name(f"{clip.stem}.restored{found.suffix}")
    write_whole(target, original, private=True)
    return target, len(original)


def _numbers(found: SealedFaces, face: str) -> list[int]:
    if face == ALL:
        return list(found.numbers)
    try:
        return sorted({int(number) for number in face.split(",")})
    except ValueError:
        raise ValueError(f"no face {face!r}; allowed: all, or numbers such as 0,2") from None


def _keys(found: SealedFaces, opening: Opening, face: str) -> list[PartKey]:
    """Keys of the requested faces."""
    numbers = _numbers(found, face)
    if opening.passphrase_file is not None:
        shared = SharedKey.of_message(found.source, passphrase=read_passphrase(opening.passphrase_file))
        return [found.key(shared.secret, number) for number in numbers]
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
