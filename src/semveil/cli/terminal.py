# SPDX-License-Identifier: Apache-2.0
"""What suits terminals of every width and background: lines folded at words, colours that light and dark ones show."""

import shutil
import textwrap
from typing import TextIO

CODE, NAME, ALARM = "magenta", "bold magenta", "bold red"  # cyan, green and yellow vanish on white, blue on black
NARROWEST = 40  # columns; what is laid out for fewer cannot be read


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
