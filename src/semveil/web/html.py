# SPDX-License-Identifier: Apache-2.0
"""Pictures, certificates and lines as HTML; all text is escaped, and pictures are embedded."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from semveil.data.certified import certified_picture
from semveil.data.save import png_bytes
from semveil.privacy.certificate import Certificate
from semveil.privacy.explain import explain
from semveil.web.held import data_uri


@dataclass(frozen=True, eq=False)
class Card:
    """A picture with its description.

    Attributes:
        title: heading.
        pixels: (H, W, 3) RGB; None if there is no picture.
        words: sentences below the title.
        certificate: certificate of the picture, also embedded in its PNG, so that a saved one can be
            certified.
    """

    title: str
    pixels: NDArray[np.uint8] | None
    words: Sequence[str] = ()
    certificate: Certificate | None = None


def cards(shown: Sequence[Card]) -> str:
    """HTML of cards side by side, wrapped to the width of the page.

    Args:
        shown: cards in order.
    """
    return f'<div class="sv-cards">{"".join(_card(one) for one in shown)}</div>'


def certificate_box(certificate: Certificate, about: str) -> str:
    """HTML of a certificate in words: a summary, and the whole of it collapsed.

    Args:
        certificate: certificate to explain.
        about: heading.
    """
    short, *rest = explain(certificate)
    return (
        f'<section class="sv-certificate"><h3>{escape(about)}</h3><p>{_labelled(short)}</p>'
        f"<details><summary>The whole certificate</summary>{_list(rest)}</details></section>"
    )


def error_line(text: str) -> str:
    """HTML of an error message; the text is escaped.

    Args:
        text: plain text.
    """
    return f'<p class="sv-line sv-error" role="alert">{escape(text)}</p>'


def note_line(text: str) -> str:
    """HTML of a status message; the text is escaped, and empty text gives no element.

    Args:
        text: plain text.

    Example:
        >>> note_line("<b>")
        '<p class="sv-line" role="status">&lt;b&gt;</p>'
    """
    return f'<p class="sv-line" role="status">{escape(text)}</p>' if text else ""


def preview(uri: str, size: tuple[int, int], boxes: Sequence[tuple[int, int, int, int]] = ()) -> str:
    """HTML of the photo that the page works on, with numbered boxes.

    Args:
        uri: `data:` URI of the photo.
        size: width and height in pixels.
        boxes: left, top, right, bottom of each face, in pixels.
    """
    width, height = size
    unit = max(size) / 100
    drawn = "".join(
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" '
        f'stroke-width="{unit:.1f}"/>'
        f'<text x="{left + unit:.1f}" y="{top + 8 * unit:.1f}" font-size="{8 * unit:.1f}">{i}</text>'
        for i, (left, top, right, bottom) in enumerate(boxes)
    )
    over = f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">{drawn}</svg>' if boxes else ""
    return f'<div class="sv-preview"><img alt="the photo" src="{escape(uri)}">{over}</div>'


def _card(card: Card) -> str:
    picture = '<div class="sv-none">no picture</div>'
    if card.pixels is not None:
        picture = f'<img alt="{escape(card.title)}" src="{data_uri(_png(card.pixels, card.certificate))}">'
    words = "".join(f"<p>{escape(text)}</p>" for text in card.words)
    more = ""
    if card.certificate is not None:
        short, *rest = explain(card.certificate)
        more = (
            f"<p>{_labelled(short)}</p><details><summary>The whole "
            f"certificate</summary>{_list(rest)}</details>"
        )
    return (
        f'<figure class="sv-card">{picture}<figcaption>'
        f"<h3>{escape(card.title)}</h3>{words}{more}</figcaption></figure>"
    )


def _png(pixels: NDArray[np.uint8], certificate: Certificate | None) -> bytes:
    if certificate is None:
        return png_bytes("picture.png", pixels)
    return certified_picture("picture.png", pixels, certificate, inside=True)[-1][1]


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{_labelled(line)}</li>' for line in lines)}</ul>"


def _labelled(line: str) -> str:
    """A line of a certificate with its topic in bold."""
    topic, colon, rest = line.partition(":")
    return f"<b>{escape(topic)}:</b>{escape(rest)}" if colon and len(topic) < 60 else escape(line)
