# SPDX-License-Identifier: Apache-2.0
"""The layout of a run, crops or whole photos, where the user leaves it open or clips decide it."""

import os
from collections.abc import Sequence
from pathlib import Path

from semveil.bulk.sources import find_sources
from semveil.methods.release import Layout


def chosen_layout(
    given: Sequence[str | os.PathLike[str]], out: Path, *, whole_photo: bool | None, reversible: bool
) -> Layout | None:
    """The layout of a run; None leaves it to the method.

    Args:
        given: photos, clips and folders.
        out: the output folder, which is passed over where it lies in one of them.
        whole_photo: whole photos or crops, as asked; None where nothing is asked.
        reversible: originals are sealed, which clips alone allow by every method, since they are always
            whole.

    Raises:
        ValueError: crops of a clip are asked for.
        PhotoError, SourceError: as `find_sources`.
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
