# SPDX-License-Identifier: Apache-2.0
"""What the page shows is escaped, and says what the certificate says."""

import base64
import re
from html import unescape
from pathlib import Path

import numpy as np

from semveil.data.certified import read_certificate
from semveil.privacy.certificate import Certificate, ReleaseKind
from semveil.privacy.explain import explain
from semveil.privacy.guarantee import Basis, Guarantee
from semveil.web.html import Card, cards, certificate_box, error_line, note_line

CLAIM = Certificate(
    release=ReleaseKind.IMAGE,
    method="dp-pix",
    protection="laplace",
    guarantee=Guarantee(1.0, "all <codes>", Basis.PROVED),
)
PIXELS = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)


def words(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


def test_names_and_messages_are_no_html() -> None:
    bad = "<img src=x onerror=alert(1)> \"'&"
    for html in (
        error_line(bad),
        note_line(bad),
        cards([Card(bad, None, [bad])]),
        cards([Card(bad, PIXELS)]),
    ):
        assert "<img src=x" not in html and "onerror" in html
        assert bad in words(html) or f'alt="{bad}' not in html


def test_every_word_of_a_certificate_is_there() -> None:
    box = certificate_box(CLAIM, "about")
    for line in explain(CLAIM):
        assert line in words(box)
    assert "<codes>" not in box


def test_a_saved_picture_can_be_certified(tmp_path: Path) -> None:
    html = cards([Card("dp-pix", PIXELS, certificate=CLAIM)])
    (encoded,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    saved = tmp_path / "saved.png"
    saved.write_bytes(base64.b64decode(encoded))
    assert read_certificate(saved).guarantee == CLAIM.guarantee
    assert explain(CLAIM)[0] in words(html)
