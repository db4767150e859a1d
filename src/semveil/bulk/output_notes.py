# SPDX-License-Identifier: Apache-2.0
"""Notes on what else an output folder shows after a run: photos that are gone, and copies of one photo."""

from collections.abc import Sequence

from semveil.bulk.manifest import Manifest, PhotoEntry
from semveil.bulk.sources import KEPT_FOLDER, Source


def is_picture(output: str) -> bool:
    """Whether an output is a protected picture or clip: no certificate, sealed part or kept crop.

    Args:
        output: path relative to the output folder.
    """
    return output.endswith((".png", ".mp4")) and not output.startswith(f"{KEPT_FOLDER}/")


def left_over(manifest: Manifest, photos: Sequence[Source]) -> list[str]:
    """Note on pictures in the output whose photos the given folders no longer hold; empty without any.

    Args:
        manifest: log of the output folder.
        photos: all photos of the run.
    """
    gone = manifest.entries.keys() - {source.place for source in photos}
    left = sorted(name for place in gone for name in manifest.pictures_left(place))
    if not left:
        return []
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    return [
        f"{left[0]!r}{more} in the output came from photos that are not in the folder, perhaps removed or "
        "renamed since; delete what is not wanted"
    ]


def copies(manifest: Manifest, new: Sequence[PhotoEntry]) -> list[str]:
    """Note on photos with the same content as another whose picture is in the output; empty without any.

    Links to one file are recognised before a run and protected once; copies are photos of their own.

    Args:
        manifest: log of the output folder, with all photos of the run.
        new: what the run protected.
    """
    made = {entry.place for entry in new}
    shown = {  # by content, one whose picture is in the output
        entry.content: entry
        for place, entry in manifest.entries.items()
        if place not in made and entry.protected and manifest.pictures_left(place)
    }
    pairs = [
        (entry.place, first.place)
        for entry in new
        if entry.protected
        and (first := shown.setdefault(entry.content, entry)) is not entry
        and not _one_release(entry, first)
    ]
    if not pairs:
        return []
    (place, other), more = pairs[0], f", and {len(pairs) - 1} more such" if len(pairs) > 1 else ""
    return [
        f"{place!r} has the same content as {other!r}{more}; each has a picture in the output, which is a "
        "further release about its people"
    ]


def _one_release(clip: PhotoEntry, other: PhotoEntry) -> bool:
    """Whether two copies of a clip show the same draw: those of one run do, and are one release."""
    return clip.clip is not None and not set(clip.contents).isdisjoint(other.contents)
