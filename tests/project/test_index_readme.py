# SPDX-License-Identifier: Apache-2.0
"""The README on a package index: no link into a repository that nobody can reach from there."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from index_readme import index_readme  # noqa: E402

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = """# Name

![A picture](docs/a.png)

*What is in
the picture.*

Words, [a page](docs/b.md#c), [elsewhere](https://example.org/x), [a place](#below) and `[no](link.md)`.

```python
x = [y](z)
```
"""


def targets(text: str) -> list[str]:
    """What Markdown outside code points at."""
    text = re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.M | re.S)
    return re.findall(r"\]\(([^)\s]+)\)", text)


@pytest.mark.parametrize("text", [TEXT, README], ids=["small", "README"])
def test_without_an_address_nothing_points_into_the_repository(text: str) -> None:
    assert all(target.startswith("https://") for target in targets(index_readme(text, base="")))
    assert not all(target.startswith("https://") for target in targets(text)), "the repository's own does"


@pytest.mark.parametrize("text", [TEXT, README], ids=["small", "README"])
def test_with_an_address_everything_is_below_it(text: str) -> None:
    pointed = targets(index_readme(text, base="https://example.net/semveil/"))
    assert len(pointed) == len(targets(text))
    assert all(
        target.startswith(("https://example.net/semveil", "https://example.org/")) for target in pointed
    )


def test_the_words_stay_and_the_picture_goes_with_its_caption() -> None:
    shown = index_readme(TEXT, base="")
    assert shown.startswith(
        "# Name\n\nWords, a page, [elsewhere](https://example.org/x), a place and `[no](link.md)`."
    )
    assert "x = [y](z)" in shown


def test_anchors_of_the_page_itself_stay_on_it() -> None:
    assert "(https://example.net/docs/b.md#c)" in index_readme(TEXT, base="https://example.net")
