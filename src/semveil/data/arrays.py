# SPDX-License-Identifier: Apache-2.0
"""Reading of named arrays from an `.npz` file."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.core.files import open_regular


def read_arrays(path: str | Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Load named arrays from an `.npz` file without unpickling anything.

    Args:
        path: the `.npz` file.
        names: names of the arrays; all must be present.

    Returns:
        The arrays by name.

    Raises:
        OSError: the file cannot be opened, or is not a regular file (a folder, pipe or device).
        ValueError: the file is damaged or not an `.npz` archive, an array is missing, holds Python objects,
            or does not fit into memory.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in names}
        except KeyError as error:
            raise ValueError(f"{Path(path).name} has no array of the name {error}") from error
        except Exception as error:  # damaged archives raise many kinds of exceptions
            raise ValueError(
                f"{Path(path).name} is no .npz file, or a damaged one ({type(error).__name__})"
            ) from error
