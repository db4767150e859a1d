# SPDX-License-Identifier: Apache-2.0
"""Entry point, which loads the commands and also handles Ctrl-C while they load."""

import sys

from semveil.cli.streams import ENDED, INTERRUPTED


def run() -> None:
    """Entry point of the program `semveil`."""
    try:
        from semveil.cli.main import run as commands
    except KeyboardInterrupt:
        print(f"semveil: interrupted; {ENDED}", file=sys.stderr)
        sys.exit(INTERRUPTED)
    commands()
