# SPDX-License-Identifier: Apache-2.0
"""Choice between crops and whole photos where the user leaves it open or clips require one."""

import os
from collections.abc import Sequence
from pathlib import Path

from semveil.bulk.sources import find_sources
from semveil.methods.release import Layout


def chosen_layout(
    given: Sequence[str | os.PathLike[str]], out: Path, *, whole_photo: bool | None, reversible: bool
) -> Layout | None:
    """Layout of a run; None leaves it to the method.

    Args:
        given: photos, clips and folders.
        out: the output folder; ignored as a source if it is inside one of them.
        whole_photo: True for whole photos, False for crops; None if not specified.
        reversible: whether originals are sealed; clips are always whole, so for them every method allows it.

    Raises:
        ValueError: crops of a clip are requested.
        PhotoError, SourceError: as for `find_sources`.
    """
    if whole_photo:
        return Layout.WHOLE_PHOTO
    if whole_photo is None and not reversible:
        return None
    clips = [source.is_clip for source in find_sources(given, out).photos]
    if whole_photo is False:
        if any(clips):
            raise ValueError(
                "clips are kept whole; leave out --crops, or protect photos and clips in two runs"
            )
        return Layout.CROPS
    return Layout.WHOLE_PHOTO if all(clips) else None
