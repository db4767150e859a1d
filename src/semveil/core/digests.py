# SPDX-License-Identifier: Apache-2.0
"""SHA-256 digests of what a computation takes in: files, tensors, JSON. Equal digests mean equal inputs."""

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor


def digest_of_file(path: Path) -> str:
    """64 hex digits over a file's bytes; a file that has not changed is read once."""
    told = path.stat()
    return _digest_of_file(path, told.st_mtime_ns, told.st_size)


@lru_cache(maxsize=64)
def _digest_of_file(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_tensors(tensors: Iterable[Tensor]) -> str:
    """64 hex digits over types, shapes and values, in order.

    Example:
        >>> import torch
        >>> digest_of_tensors([torch.zeros(2)]) == digest_of_tensors([torch.zeros(1), torch.zeros(1)])
        False
    """
    digest = hashlib.sha256()
    for tensor in tensors:
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{plain.dtype} {tuple(plain.shape)} ".encode() + plain.numpy().tobytes())
    return digest.hexdigest()


def digest_of_json(value: Any) -> str:
    """64 hex digits over a value as JSON has it; the order of keys does not count.

    Example:
        >>> digest_of_json({"a": (1, 2), "b": None}) == digest_of_json({"b": None, "a": [1, 2]})
        True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=True).encode()).hexdigest()
