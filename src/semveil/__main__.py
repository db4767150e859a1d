# SPDX-License-Identifier: Apache-2.0
"""Entry point of `python -m semveil`, the command line."""

from semveil.cli.start import run

if __name__ == "__main__":
    run()
