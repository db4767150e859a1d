# SPDX-License-Identifier: Apache-2.0
"""HTML page that shows the result for every photo of a run, for review before publication."""

import base64
import html
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.bulk.account import Account, Fate, Mark
from semveil.core.errors import PhotoError
from semveil.core.files import atomic_write
from semveil.data.outlines import outline_faces
from semveil.data.photos import load_photo

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

    Photos with a face that was not protected come first. Boxes are green around protected faces, orange
    around covered ones, red around those left unchanged.

    Args:
        path: file of the page; mode 0600 if it shows originals.
        accounts: the photos.
        out: the run's output folder.
        originals: original photos by place, to be shown next to their outputs; the page then contains
            UNPROTECTED pixels. Without them it shows nothing that is not in the output folder.
        refused: messages about photos that are not in the output.

    Raises:
        OutputError: the page cannot be written.
    """
    ordered = sorted(
        accounts, key=lambda account: (account.all_protected and bool(account.marks), account.photo)
    )
    with atomic_write(path, private=originals is not None) as handle:
        for text in _page(ordered, out, originals, refused):
            handle.write(text.encode("utf-8", "xmlcharrefreplace"))


def _page(
    accounts: Sequence[Account], out: Path, originals: Mapping[str, Path] | None, refused: Sequence[str]
) -> Iterator[str]:
    counts = {fate: sum(account.count(fate) for account in accounts) for fate in Fate}
    told = ", ".join(f"{count} {fate.value}" for fate, count in counts.items())
    yield (
        "<!doctype html><html lang=en><meta charset=utf-8><title>semveil "
        f"review</title><style>{_STYLE}</style>"
    )
    yield f"<h1>{len(accounts)} photos, faces: {told}</h1>"
    if originals is not None:
        yield (
            "<p class=warn>This page holds UNPROTECTED photos. Keep it to yourself and delete it when you "
            "have looked.</p>"
        )
    yield "<p>Faces that no detector found have no box: look for them."
    yield "".join(f"<p class=warn>Not in the output: {_escaped(reason)}" for reason in refused)
    for account in accounts:
        mind = "" if account.all_protected and account.marks else " class=mind"
        yield f"<section{mind}><h2>{_escaped(account.line())}</h2>"
        if account.clip is not None:
            yield (
                "<p>A clip: look at "
                f"{_escaped(', '.join(name for name in account.outputs if name.endswith('.mp4')))}"
            )
        elif originals is not None:
            yield _figure(originals[account.photo], "before", account.marks)
        pictures = [name for name in account.outputs if name.endswith(".png")]
        for name in pictures:
            yield _figure(out / name, f"after: {name}", account.marks if len(pictures) == 1 else ())
        yield "".join(
            f"<p>Face {mark.number}: {mark.fate.value}; it {_escaped(mark.doubt)}"
            for mark in account.marks
            if mark.doubt
        )
        yield "</section>\n"


def _figure(path: Path, caption: str, marks: Sequence[Mark]) -> str:
    try:
        pixels = load_photo(path).pixels
    except PhotoError as error:
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


def _jpeg(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode()


def _escaped(text: str) -> str:
    return html.escape(text.encode("utf-8", "backslashreplace").decode())
