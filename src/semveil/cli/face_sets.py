# SPDX-License-Identifier: Apache-2.0
"""The face set that a training verb is given, and what it must be like."""

from pathlib import Path
from typing import TYPE_CHECKING

from semveil.cli import options

if TYPE_CHECKING:
    from semveil.data.face_set import FaceSet


def load_faces(path: Path) -> "FaceSet":
    """The face set in a file.

    Raises:
        OptionError: it is no face set, or damaged.
    """
    from semveil.data.face_set import FaceSet

    try:
        return FaceSet.load(path)
    except (OSError, KeyError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no face set, or a damaged one"
        raise options.OptionError(f"cannot read {str(path)!r}: {reason}; semveil data prepare makes one") from error


def check_size(photos: "FaceSet", size: int) -> None:
    """Refuse faces of another size than the model's."""
    if photos.pixels.shape[1] != size:
        raise options.OptionError(
            f"the faces have {photos.pixels.shape[1]} px, the model {size}; prepare them with --size {size}"
        )


def check_labels(photos: "FaceSet") -> None:
    """Refuse faces of which some pixels have no part label."""
    if (photos.labels == 255).any():
        raise options.OptionError("some faces have no part labels; fill them in with: semveil train parser --labelled FILE.npz")
