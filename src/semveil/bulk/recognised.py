# SPDX-License-Identifier: Apache-2.0
"""Which new faces are still recognised: told to the owner of the photos, and to nobody else.

It is computed from the original face, so no epsilon covers it. It stays on the terminal and in a log that
only its owner may read, and enters no certificate, picture, manifest or JSON. Whoever covers or redraws a
face because of it publishes something of the original: that is acceptance, see docs/guarantees.md.
"""

import json
import os
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from semveil.core.errors import KeyProblem, OutputError
from semveil.core.weights import home
from semveil.keys.private_file import open_private
from semveil.recognition.thresholds import MODEL_SIZE, measured_threshold
from semveil.recognition.verifier import BundledVerifier, DlibVerifier, Verifier

LOG = "recognised.log"


def still_recognised(before: Tensor, after: Tensor) -> list[tuple[str, ...]]:
    """Of each face the recognisers that come with the package and take the new face for the same person.

    Args:
        before: crops (B, 3, S, S) in [-1, 1] as they were cut.
        after: what a method made of them.

    Returns:
        Names for each face; none where no recogniser does.
    """
    shown = after.clamp(-1, 1)
    accepted = {
        judge.name: judge.similarity(judge.embed(before), judge.embed(shown)) >= judge.threshold
        for judge in _judges()
    }
    return [tuple(name for name, found in accepted.items() if bool(found[i])) for i in range(len(before))]


def log_path() -> Path:
    """Where the private log lies."""
    return home() / LOG


def write_log(photo: str, faces: Sequence[tuple[int, tuple[str, ...]]]) -> None:
    """Add a line about a photo to the private log, which has mode 0600 from the start.

    Args:
        photo: its path.
        faces: number of each face that is still recognised, and by whom.

    Raises:
        OutputError: the log cannot be written, or others may read it.
    """
    path = log_path()
    line = json.dumps(
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "photo": photo,
            "still_recognised": [list(f) for f in faces],
        }
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(
            open_private(path, "log of recognised faces", os.O_WRONLY | os.O_APPEND | os.O_CREAT), "a"
        ) as log:
            log.write(line + "\n")
    except KeyProblem as error:
        raise OutputError(str(error)) from error
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror}") from error


@lru_cache(maxsize=1)
def _judges() -> tuple[Verifier, ...]:
    bundled = BundledVerifier(threshold=measured_threshold("bundled", resolution=MODEL_SIZE).threshold)
    return bundled, DlibVerifier(threshold=measured_threshold("dlib", resolution=MODEL_SIZE).threshold)
