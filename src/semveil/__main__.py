# SPDX-License-Identifier: Apache-2.0
"""`python -m semveil` is the command line."""

from semveil.cli.start import run

if __name__ == "__main__":
    run()
