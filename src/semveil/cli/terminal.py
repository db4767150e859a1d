# SPDX-License-Identifier: Apache-2.0
"""Output for terminals of every width and background: text wrapped at words, and legible colours."""

import os
import shlex
import shutil
import textwrap
from typing import TextIO

# cyan, green and yellow are illegible on white, blue on black
CODE, NAME, ALARM = "magenta", "bold magenta", "bold red"
NARROWEST = 40  # columns; narrower layouts are illegible


def pasted(path: str | os.PathLike[str]) -> str:
    """File name quoted as a word of a command to be copied.

    Args:
        path: may contain blanks and quotes, and start with a dash.

    Example:
        >>> pasted("my photo.png"), pasted("-x.png")
        ("'my photo.png'", './-x.png')
    """
    name = os.fspath(path)
    return shlex.quote(f"./{name}" if name.startswith("-") else name)


def told(text: str, stream: TextIO) -> str:
    """Text wrapped at words for a terminal; unchanged for other streams.

    Args:
        text: one printable line.
        stream: where it is printed.
    """
    if not stream.isatty():
        return text
    width = max(NARROWEST, shutil.get_terminal_size().columns)
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
