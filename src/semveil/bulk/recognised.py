# SPDX-License-Identifier: Apache-2.0
"""New faces that are still recognised, reported to the owner of the photos only.

The result is computed from the original face, so no epsilon covers it. It is shown on the terminal and in a
log that only its owner may read, and enters no certificate, picture, manifest or JSON. Covering or redrawing
a face because of it publishes something about the original: that is acceptance, see docs/guarantees.md.
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
    """For each face, the bundled recognisers that accept the new face as the same person.

    Args:
        before: (B, 3, S, S) original crops in [-1, 1].
        after: (B, 3, S, S) protected crops.

    Returns:
        Names of the recognisers for each face; empty if none accepts it.
    """
    shown = after.clamp(-1, 1)
    accepted = {
        judge.name: judge.similarity(judge.embed(before), judge.embed(shown)) >= judge.threshold
        for judge in _judges()
    }
    return [tuple(name for name, found in accepted.items() if bool(found[i])) for i in range(len(before))]


def log_path() -> Path:
    """Path of the private log."""
    return home() / LOG


def write_log(photo: str, faces: Sequence[tuple[int, tuple[str, ...]]]) -> None:
    """Append a line about a photo to the private log, which is created with mode 0600.

    Args:
        photo: its path.
        faces: number of each face that is still recognised, and names of the recognisers.

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
