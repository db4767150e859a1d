# SPDX-License-Identifier: Apache-2.0
"""SHA-256 digests of inputs of a computation: files, tensors, JSON. Equal digests mean equal inputs."""

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits; cached by modification time and size.

    Args:
        path: of the file.

    Raises:
        OSError: the file cannot be read.
    """
    told = path.stat()
    return _digest_of_file(path, told.st_mtime_ns, told.st_size)


@lru_cache(maxsize=64)
def _digest_of_file(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_tensors(tensors: Iterable[Tensor]) -> str:
    """SHA-256 over dtypes, shapes and values in order, 64 hexadecimal digits.

    Args:
        tensors: on any device.

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
    """SHA-256 of a value's JSON with sorted keys, 64 hexadecimal digits.

    Args:
        value: JSON-ready; NaN and infinities are allowed.

    Raises:
        TypeError: the value is not JSON-ready.

    Example:
        >>> digest_of_json({"a": (1, 2), "b": None}) == digest_of_json({"b": None, "a": [1, 2]})
        True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=True).encode()).hexdigest()
