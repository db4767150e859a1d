# SPDX-License-Identifier: Apache-2.0
"""Intermediate results of a clip, from which the next run resumes without drawing anything twice."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from semveil.bulk.manifest import Manifest
from semveil.bulk.sources import sha256_of
from semveil.core.errors import OutputError, PhotoError
from semveil.core.files import write_whole
from semveil.methods.release import Draw
from semveil.privacy.certificate import Certificate

CLIPS = "clips"  # below the log's folder


@dataclass(frozen=True, eq=False)
class Released:
    """Draws and certificate of a clip, stored before any of it is written.

    Attributes:
        certificate: certificate of the clip, not bound to a file.
        draws: draws of protected faces, by number.
    """

    certificate: Certificate
    draws: dict[int, Draw]

    def to_bytes(self) -> bytes:
        """Serialize for `from_bytes`."""
        tensors = {
            f"{i}/{name}": value.contiguous()
            for i, draw in self.draws.items()
            for name, value in draw.values.items()
        }
        return save_tensors(
            tensors, {"certificate": self.certificate.to_json(), "draws": json.dumps(list(self.draws))}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Released":
        """Deserialize the result of `to_bytes`.

        Args:
            data: safetensors with a certificate in the metadata; it must be authenticated first, as
                `ClipStore.read` does.
        """
        length = int.from_bytes(data[:8], "little")
        said = json.loads(data[8 : 8 + length])["__metadata__"]
        certificate = Certificate.from_json(said["certificate"])
        values: dict[int, dict[str, torch.Tensor]] = {i: {} for i in json.loads(said["draws"])}
        for key, tensor in load_tensors(data).items():
            number, _, name = key.partition("/")
            values[int(number)][name] = tensor
        return cls(certificate, {i: Draw(one, certificate.guarantee) for i, one in values.items()})


class ClipStore:
    """Private folder for one clip with one set of settings.

    Files without a valid tag under the user's key are ignored.

    Args:
        manifest: log of the output folder.
        content, settings: keyed digests of the clip and of the settings.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, manifest: Manifest, content: str, settings: str) -> None:
        self._manifest = manifest
        name = hashlib.sha256(f"{content} {settings}".encode()).hexdigest()[:32]
        self.folder = manifest.folder / CLIPS / name
        try:
            self.folder.parent.mkdir(mode=0o700, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write into {str(self.folder)!r}: {error.strerror}") from error

    def write(self, name: str, content: bytes) -> None:
        """Store a file with its authentication tag, atomically and readable by its owner only.

        Args:
            name: name of the file in the store.
            content: any bytes.

        Raises:
            OutputError: the file cannot be written.
        """
        write_whole(self.folder / name, self._tag(name, content).encode() + b"\n" + content, private=True)

    def read(self, name: str) -> bytes | None:
        """Content of a stored file; None if it is missing or its tag is invalid.

        Args:
            name: as for `write`.
        """
        try:
            tag, _, content = (self.folder / name).read_bytes().partition(b"\n")
        except OSError:
            return None
        return content if tag == self._tag(name, content).encode() else None

    def write_json(self, name: str, content: Any) -> None:
        """Store a value as JSON, as `write` does.

        Args:
            name: name of the file in the store.
            content: JSON-ready value.

        Raises:
            OutputError: the file cannot be written.
            ValueError: a number is NaN or infinite.
        """
        self.write(name, json.dumps(content, allow_nan=False).encode())

    def read_json(self, name: str) -> Any:
        """Value stored by `write_json`; None if it is missing or its tag is invalid.

        Args:
            name: as for `write_json`.
        """
        content = self.read(name)
        return None if content is None else json.loads(content)

    def holds(self, name: str, sha256: str) -> bool:
        """Whether a worker's file is present with unchanged content.

        Args:
            name: name of the file in the store.
            sha256: expected digest, 64 hexadecimal digits.
        """
        try:
            return sha256_of(self.folder / name).hex() == sha256
        except PhotoError:
            return False

    def remove(self) -> None:
        """Delete all stored files of the clip."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tag(self, name: str, content: bytes) -> str:
        return self._manifest.tag_of(f"{self.folder.name}/{name}", content)
