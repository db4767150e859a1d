"""`python -m semveil` is the command line."""

from semveil.cli.main import run

if __name__ == "__main__":
    run()
