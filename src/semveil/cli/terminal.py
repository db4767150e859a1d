# SPDX-License-Identifier: Apache-2.0
"""What suits terminals of every width and background: lines folded at words, colours that light and dark ones show."""

import os
import shlex
import shutil
import textwrap
from typing import TextIO

# cyan, green and yellow vanish on white, blue on black
CODE, NAME, ALARM = "magenta", "bold magenta", "bold red"
NARROWEST = 40  # columns; what is laid out for fewer cannot be read


def pasted(path: str | os.PathLike[str]) -> str:
    """A file's name as a word of a command that is printed to be copied.

    Args:
        path: blanks, quotes and a dash at its start included.

    Example:
        >>> pasted("my photo.png"), pasted("-x.png")
        ("'my photo.png'", './-x.png')
    """
    name = os.fspath(path)
    return shlex.quote(f"./{name}" if name.startswith("-") else name)


def told(text: str, stream: TextIO) -> str:
    """A line as a stream shows it: folded at words on a terminal, so that none is torn; one line everywhere else.

    Args:
        text: one printable line.
        stream: where it is printed.
    """
    if not stream.isatty():
        return text
    width = max(NARROWEST, shutil.get_terminal_size().columns)
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
