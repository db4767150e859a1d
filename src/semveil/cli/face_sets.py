# SPDX-License-Identifier: Apache-2.0
"""Loading and checks of the face set given to a training command."""

from pathlib import Path
from typing import TYPE_CHECKING

from semveil.cli import options

if TYPE_CHECKING:
    from semveil.data.face_set import FaceSet


def load_faces(path: Path) -> "FaceSet":
    """Load a face set with photos to train on.

    Args:
        path: the `.npz` file.

    Raises:
        OptionError: the file cannot be read, is not a valid face set, or all of its photos are held out.
    """
    from semveil.data.face_set import FaceSet

    try:
        photos = FaceSet.load(path)
    except (OSError, KeyError, ValueError, EOFError) as error:
        reason = (
            error.strerror
            if isinstance(error, OSError) and error.strerror
            else "it is no face set, or a damaged one"
        )
        raise options.OptionError(
            f"cannot read {str(path)!r}: {reason}; semveil data prepare makes one"
        ) from error
    if photos.held_out.all():
        raise options.OptionError(
            f"{path} holds no photo of the training split, only {len(photos)} held-out ones; prepare a set "
            "of more people"
        )
    return photos


def check_size(photos: "FaceSet", size: int) -> None:
    """Check that the faces have the resolution of the model.

    Args:
        photos: the face set.
        size: side of the model's images in pixels.

    Raises:
        OptionError: the sizes differ.
    """
    if photos.pixels.shape[1] != size:
        raise options.OptionError(
            f"the faces have {photos.pixels.shape[1]} px, the model {size}; prepare them with --size {size}"
        )


def check_labels(photos: "FaceSet") -> None:
    """Check that every pixel of the faces has a part label.

    Args:
        photos: the face set.

    Raises:
        OptionError: a pixel has none.
    """
    if (photos.labels == 255).any():
        raise options.OptionError(
            "some faces have no part labels; fill them in with: semveil train parser --labelled FILE.npz"
        )
