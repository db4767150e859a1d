# SPDX-License-Identifier: Apache-2.0
"""HTML page that shows the result for every photo and clip of a run, for review before publication."""

import base64
import html
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.bulk.account import Account, Fate, Mark, Still, clock
from semveil.core.errors import SemveilError
from semveil.core.files import atomic_write
from semveil.data.certified import read_certificate
from semveil.data.outlines import outline_faces
from semveil.data.photos import load_photo
from semveil.video.clip import frames_of, read_clip

_SIDE = 640  # longest side of a picture on the page, in pixels
_COLOURS = {Fate.PROTECTED: "lime", Fate.COVERED: "orange", Fate.LEFT: "red", Fate.OUT: "grey"}
_STYLE = (
    "body{font:15px sans-serif;margin:2em;background:#fff;color:#111}figure{display:inline-block;margin:.4em}"
    "img{max-width:46vw;display:block}section{border-top:1px solid #ccc;padding:.6em 0}.mind{background:#fdd}"
    ".warn{color:#a00;font-weight:bold}"
)


def write_review(
    path: str | os.PathLike[str],
    accounts: Sequence[Account],
    out: Path,
    *,
    originals: Mapping[str, Path] | None = None,
    refused: Sequence[str] = (),
) -> None:
    """Write the page atomically; it embeds its pictures and loads nothing from the network.

    Photos and clips with a face that was not protected, or is missed, come first. Boxes are green around
    protected faces, orange around covered ones, red around those left unchanged. Of a clip the page shows its
    `stills`, at most nine frames.

    Args:
        path: file of the page; mode 0600 if it shows originals.
        accounts: the photos and clips.
        out: the run's output folder.
        originals: originals by place, to be shown next to their outputs; the page then contains
            UNPROTECTED pixels. Without them it shows nothing that is not in the output folder.
        refused: messages about photos that are not in the output.

    Raises:
        OutputError: the page cannot be written.
    """
    ordered = sorted(accounts, key=lambda account: (not _to_mind(account), account.photo))
    with atomic_write(path, private=originals is not None) as handle:
        for text in _page(ordered, out, originals, refused):
            handle.write(text.encode("utf-8", "xmlcharrefreplace"))


def _to_mind(account: Account) -> bool:
    """Whether a face of a photo or clip is visible or covered, or none was found."""
    missed = account.clip is not None and account.clip.missed > 0
    return missed or not account.all_protected or not account.marks


def _page(
    accounts: Sequence[Account], out: Path, originals: Mapping[str, Path] | None, refused: Sequence[str]
) -> Iterator[str]:
    counts = {fate: sum(account.count(fate) for account in accounts) for fate in Fate}
    told = ", ".join(f"{count} {fate.value}" for fate, count in counts.items())
    yield (
        "<!doctype html><html lang=en><meta charset=utf-8><title>semveil "
        f"review</title><style>{_STYLE}</style>"
    )
    yield f"<h1>{len(accounts)} photos and clips, faces: {told}</h1>"
    if originals is not None:
        yield (
            "<p class=warn>This page holds UNPROTECTED photos or frames. Keep it to yourself and delete it "
            "when you have looked.</p>"
        )
    yield "<p>Faces that no detector found have no box: look for them."
    yield "".join(f"<p class=warn>Not in the output: {_escaped(reason)}" for reason in refused)
    for account in accounts:
        mind = " class=mind" if _to_mind(account) else ""
        yield f"<section{mind}><h2>{_escaped(account.line())}</h2>"
        if account.clip is not None:
            yield from _clip(account, out, None if originals is None else originals[account.photo])
        elif originals is not None:
            yield _figure(partial(_photo, originals[account.photo]), "before", account.marks)
        pictures = [name for name in account.outputs if name.endswith(".png")]
        for name in pictures:
            marks = account.marks if len(pictures) == 1 else ()
            yield _figure(partial(_photo, out / name), f"after: {name}", marks)
        yield "".join(
            f"<p>Face {mark.number}: {mark.fate.value}; it {_escaped(mark.doubt)}"
            for mark in account.marks
            if mark.doubt
        )
        yield "</section>\n"


def _clip(account: Account, out: Path, original: Path | None) -> Iterator[str]:
    """Promise for each face of a clip, and its stills, each after the original's frame where one is shown."""
    assert account.clip is not None
    (name,) = (name for name in account.outputs if name.endswith(".mp4"))
    yield f"<p>A few frames; watch {_escaped(name)} as a whole."
    try:
        promise = read_certificate(out / name).guarantee.briefly("clip")
    except SemveilError as error:
        promise = str(error)
    for mark in account.marks:
        told = f": {promise}" if mark.fate == Fate.PROTECTED else ""
        yield f"<p>Face {mark.number}: {_escaped(mark.fate.value + told)}"
    sides = [("before", original)] if original is not None else []
    frames = {side: _frames(path, account.clip.stills) for side, path in [*sides, ("after", out / name)]}
    for i, still in enumerate(account.clip.stills):
        for side, each in frames.items():
            yield _figure(each[i], f"{side}: {_at(still)}", still.marks)


def _at(still: Still) -> str:
    fates = [mark.fate for mark in still.marks]
    counts = ", ".join(f"{fates.count(fate)} {fate.value}" for fate in Fate if fate != Fate.OUT)
    missed = "; a known face is MISSED" if still.missed else ""
    return f"{clock(still.seconds)}, frame {still.frame}: {counts}{missed}"


def _frames(path: Path, stills: Sequence[Still]) -> list[Callable[[], NDArray[np.uint8]]]:
    """For each still a function that decodes its frame."""
    clip = cache(lambda: read_clip(path))

    def decoded(frame: int) -> NDArray[np.uint8]:
        (pixels,) = frames_of(clip().stretch(frame, frame + 1))
        return pixels

    return [partial(decoded, still.frame) for still in stills]


def _figure(load: Callable[[], NDArray[np.uint8]], caption: str, marks: Sequence[Mark]) -> str:
    try:
        pixels = load()
    except SemveilError as error:
        return f"<figure><figcaption>{_escaped(f'{caption}: {error}')}</figcaption></figure>"
    scale = min(1.0, _SIDE / max(pixels.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    small = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))
    boxes = [tuple(round(v * scale) for v in mark.box) for mark in marks]
    drawn = outline_faces(small, boxes, [str(m.number) for m in marks], [_COLOURS[m.fate] for m in marks])
    return (
        f'<figure><img src="data:image/jpeg;base64,{_jpeg(drawn)}">'
        f"<figcaption>{_escaped(caption)}</figcaption></figure>"
    )


def _photo(path: Path) -> NDArray[np.uint8]:
    return load_photo(path).pixels


def _jpeg(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode()


def _escaped(text: str) -> str:
    return html.escape(text.encode("utf-8", "backslashreplace").decode())
