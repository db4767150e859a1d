"""The recogniser that a user names with `--verifier`."""

from typing import Annotated

import typer

Name = Annotated[
    str,
    typer.Option(
        "--verifier", help="Recogniser that decides whether two faces are one person.", metavar="dlib|arcface|bundled|PATH.onnx"
    ),
]
