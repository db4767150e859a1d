# SPDX-License-Identifier: Apache-2.0
"""Certificates bound to outputs by their hash, in a separate file or inside a PNG."""

import hashlib
import os
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semveil.core.files import open_regular, sha256_of_file, write_whole
from semveil.core.publish import File
from semveil.core.text import read_text
from semveil.data.photos import load_photo
from semveil.data.save import png_bytes, save_png
from semveil.privacy.certificate import LARGEST_CERTIFICATE, Certificate, CertificateError, OutputHash

SUFFIX = ".certificate.json"
KEYWORD = "semveil-certificate"  # keyword of the text chunk in a PNG
_PNG = b"\x89PNG\r\n\x1a\n"


def certificate_path(output: str | os.PathLike[str]) -> Path:
    """Return the path of an output's certificate: the output's path with `.certificate.json` appended.

    Args:
        output: the picture, clip or message; it need not exist.

    Example:
        >>> certificate_path("bob.png").name
        'bob.png.certificate.json'
    """
    path = Path(output)
    return path.with_name(path.name + SUFFIX)


def write_certificate(output: str | os.PathLike[str], certificate: Certificate) -> Path:
    """Write the certificate of an existing output, bound to it by its SHA-256; atomic.

    Args:
        output: file that the certificate describes.
        certificate: the certificate; its `output` field is filled in.

    Returns:
        Path of the certificate.

    Raises:
        CertificateError: the output cannot be read.
        OutputError: the certificate cannot be written.
    """
    path = certificate_path(output)
    write_whole(path, replace(certificate, output=OutputHash(_file_hash(Path(output)))).to_json())
    return path


def certified(path: str | os.PathLike[str], content: bytes, certificate: Certificate) -> list[File]:
    """Return an output and its certificate, bound by the content's SHA-256, as files for `core.publish`.

    Nothing is written.

    Args:
        path: path of the output, which determines that of the certificate.
        content: content of the output.
        certificate: the certificate; its `output` field is filled in.

    Returns:
        The certificate first, then the output.
    """
    bound = replace(certificate, output=OutputHash(hashlib.sha256(content).hexdigest()))
    return [(certificate_path(path), bound.to_json().encode()), (Path(path), content)]


def certified_picture(
    path: str | os.PathLike[str], pixels: NDArray[np.uint8], certificate: Certificate, *, inside: bool = False
) -> list[File]:
    """Return a PNG and its certificate as files for `core.publish`, see `certified`.

    Args:
        path: path of the picture, which determines that of the certificate.
        pixels: (H, W, 3) RGB uint8.
        certificate: certificate of the picture.
        inside: also embed the certificate in the picture, see `save_certified_png`.
    """
    text = _text(pixels, certificate) if inside else None
    return certified(path, png_bytes(path, pixels, text=text), certificate)


def save_certified_png(
    path: str | os.PathLike[str],
    pixels: NDArray[np.uint8],
    certificate: Certificate,
    *,
    chunks: Mapping[bytes, bytes] | None = None,
) -> None:
    """Write a PNG with an embedded, readable certificate that is bound to the pixels by their hash.

    It persists when the file is copied or renamed. Programs that rewrite a picture remove it or change the
    pixels, which is detected.

    Args:
        path: path of the picture.
        pixels: (H, W, 3) RGB uint8.
        certificate: certificate of the picture; its `output` field is filled in.
        chunks: as for `save_png`.
    """
    save_png(path, pixels, text=_text(pixels, certificate), chunks=chunks)


def read_certificate(path: str | os.PathLike[str]) -> Certificate:
    """Read an output's certificate, from its file or from a PNG, and check that it belongs to the output.

    Args:
        path: the output, or the certificate's file, which is checked against the output if that is in the
            same folder.

    Raises:
        CertificateError: the certificate is missing or invalid, or the output was changed.
    """
    path = Path(path)
    if path.name.endswith(SUFFIX):
        certificate = _parse(path)
        output = path.with_name(path.name.removesuffix(SUFFIX))
        if output.is_file():
            _check_output(certificate, output)
        return certificate
    if not path.is_file():
        raise CertificateError(f"no file {str(path)!r}; name an output of semveil, or its certificate")
    found = []
    if certificate_path(path).is_file():
        found.append(_parse(certificate_path(path)))
    if (text := _png_text(path)) is not None:
        found.append(_named(text, path))
    if not found:
        raise CertificateError(
            f"{str(path)!r} has no certificate: none is in it, and there is no "
            f"{certificate_path(path).name!r} beside it; nothing is claimed about it"
        )
    for certificate in found:
        _check_output(certificate, path)
    if len({replace(certificate, output=None).to_json() for certificate in found}) > 1:
        raise CertificateError(
            f"{str(path)!r} has two certificates that differ, one in it and one beside it; believe neither"
        )
    return found[0]


def pixels_hash(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of a picture's size and pixels, independent of the file format, as used in `OutputHash`.

    Args:
        pixels: (H, W, 3) RGB uint8.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> pixels_hash(np.zeros((1, 2, 3), np.uint8))[:16]
        '759d02d0dedf5691'
    """
    height, width, _ = pixels.shape
    return hashlib.sha256(
        f"semveil pixels {height} {width}\n".encode() + np.ascontiguousarray(pixels).tobytes()
    ).hexdigest()


def _text(pixels: NDArray[np.uint8], certificate: Certificate) -> dict[str, str]:
    bound = replace(certificate, output=OutputHash(pixels_hash(pixels), "pixels"))
    return {KEYWORD: bound.to_json()}


def _parse(path: Path) -> Certificate:
    try:
        if path.stat().st_size > LARGEST_CERTIFICATE:
            raise CertificateError(
                f"{str(path)!r} is too large for a certificate ({path.stat().st_size:,} bytes)"
            )
        text = read_text(path)
    except OSError as error:
        raise CertificateError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    except ValueError:
        raise CertificateError(f"{str(path)!r} is no certificate: it is not text") from None
    return _named(text, path)


def _named(text: str, path: Path) -> Certificate:
    try:
        certificate = Certificate.from_json(text)
    except CertificateError as error:
        raise CertificateError(f"{str(path)!r}: {error}") from None
    if certificate.output is None:
        raise CertificateError(f"{str(path)!r}: the certificate does not say which output it belongs to")
    return certificate


def _check_output(certificate: Certificate, path: Path) -> None:
    assert certificate.output is not None
    here = pixels_hash(load_photo(path).pixels) if certificate.output.of == "pixels" else _file_hash(path)
    if here != certificate.output.sha256:
        raise CertificateError(
            f"the certificate does not belong to {str(path)!r} as it is now: the {certificate.output.of} "
            f"has SHA-256 {here[:12]}, certified is {certificate.output.sha256[:12]}; it was changed or "
            "replaced, so nothing is claimed about it"
        )


def _file_hash(path: Path) -> str:
    try:
        return sha256_of_file(path).hex()
    except OSError as error:
        raise CertificateError(f"cannot read {str(path)!r}: {error.strerror or error}") from None


def _png_text(path: Path) -> str | None:
    """Return the text of semveil's chunk in a PNG; None without one, or for a file of another format."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            if file.read(len(_PNG)) != _PNG:
                return None
            texts = []
            while len(head := file.read(8)) == 8:
                length, kind = struct.unpack(">I4s", head)
                if kind == b"tEXt" and length <= LARGEST_CERTIFICATE:
                    keyword, _, text = file.read(length).partition(b"\0")
                    texts += [text.decode("latin-1")] if keyword == KEYWORD.encode() else []
                    file.seek(4, os.SEEK_CUR)
                else:
                    file.seek(length + 4, os.SEEK_CUR)
    except OSError as error:
        raise CertificateError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    if len(texts) > 1:
        raise CertificateError(f"{str(path)!r} holds {len(texts)} certificates; believe none")
    return texts[0] if texts else None
