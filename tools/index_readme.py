# SPDX-License-Identifier: Apache-2.0
"""The README as a package index shows it: relative links and pictures get a base address, or go where there
is none.
"""

import re
from posixpath import normpath

IMAGE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
LINK = re.compile(r"(?<!!)\[(?P<text>[^\[\]]+)\]\((?P<target>[^)\s]+)\)")
BLOCK = re.compile(r"^(```|~~~).*?^\1[ \t]*$|`[^`\n]+`", re.M | re.S)


def index_readme(text: str, *, base: str) -> str:
    """Markdown in which nothing points into the repository.

    Args:
        text: the repository's README.
        base: where its files can be read, such as `https://example.org/semveil/blob/main`; while it is empty,
            pictures are dropped with the paragraph in italics below them, and of links only the words stay.

    Example:
        >>> index_readme("See [the guide](docs/guide.md#keys).", base="")
        'See the guide.'
        >>> index_readme("See [the guide](docs/guide.md#keys).", base="https://example.org/")
        'See [the guide](https://example.org/docs/guide.md#keys).'
    """
    base = base.rstrip("/")
    code: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        code.append(match[0])
        return f"\0{len(code) - 1}\0"

    text = BLOCK.sub(set_aside, text)
    if not base:
        text = re.sub(
            rf"^{IMAGE.pattern}\n+(\*[^*\n](?:[^*]|\n(?!\n))*\*\n+)?", _kept_if_absolute, text, flags=re.M
        )
    text = IMAGE.sub(lambda match: _pointed(match, base, shown=""), text)
    text = LINK.sub(lambda match: _pointed(match, base, shown=match["text"]), text)
    return re.sub("\0(\\d+)\0", lambda match: code[int(match[1])], text)


def _absolute(target: str) -> bool:
    return bool(re.match(r"[a-z][a-z0-9+.-]*:", target))


def _kept_if_absolute(match: re.Match[str]) -> str:
    return match[0] if _absolute(match["target"]) else ""


def _pointed(match: re.Match[str], base: str, *, shown: str) -> str:
    target = match["target"]
    if _absolute(target):
        return match[0]
    if not base:
        return shown
    path, mark, anchor = target.partition("#")
    where = f"{base}/{normpath(path)}" if path else base
    return match[0].replace(f"]({target})", f"]({where}{mark}{anchor})")
