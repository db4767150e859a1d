# SPDX-License-Identifier: Apache-2.0
"""The pages of the docs as files: their links and anchors."""

import posixpath
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# on the site -> in the repository
ELSEWHERE = {"results.md": "results/README.md", "changes.md": "CHANGELOG.md"}
CODE = re.compile(r"^```.*?^```\s*?$|`[^`\n]+`", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def source(page: str) -> Path:
    """The file behind a page of the site."""
    return ROOT / ELSEWHERE[page] if page in ELSEWHERE else DOCS / page


@cache
def text(page: str) -> str:
    return source(page).read_text()


def pages() -> list[str]:
    """Every page that is written, not generated."""
    return [*sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")), *ELSEWHERE]


def targets(page: str) -> list[tuple[str, str]]:
    """Where a page's relative links lead: file, from the repository's root, and anchor."""
    home = source(page).parent.relative_to(ROOT).as_posix()
    found = []
    for target in LINK.findall(CODE.sub("", text(page))):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            own = source(page).relative_to(ROOT).as_posix()
            found.append((posixpath.normpath(posixpath.join(home, path)) if path else own, anchor))
    return found


def links(page: str) -> set[str]:
    """Pages of the site that a page links to in its text."""
    by_file = {source(one).relative_to(ROOT).as_posix(): one for one in pages()}
    return {by_file[path] for path, _ in targets(page) if path in by_file}


@cache
def anchors(page: str) -> frozenset[str]:
    """Of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```\s*?$", "", text(page), flags=re.M | re.S), re.M)
    return frozenset(map(anchor_of, headings))


def anchor_of(heading: str) -> str:
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
