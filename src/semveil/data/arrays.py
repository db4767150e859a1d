# SPDX-License-Identifier: Apache-2.0
"""Arrays in an `.npz` file: all that are asked for, or one kind of error."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.core.files import open_regular


def read_arrays(path: str | Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """The arrays of these names; nothing that the file holds is run.

    Raises:
        OSError: the file cannot be read, or is a folder, pipe or device.
        ValueError: it is damaged, no such file, lacks an array, or holds one that does not fit into memory.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in names}
        except KeyError as error:
            raise ValueError(f"{Path(path).name} has no array of the name {error}") from error
        except Exception as error:  # damaged archives are answered with many kinds of exceptions
            raise ValueError(f"{Path(path).name} is no .npz file, or a damaged one ({type(error).__name__})") from error
