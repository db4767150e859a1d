# SPDX-License-Identifier: Apache-2.0
"""Options that select a recogniser."""

from typing import Annotated

import typer

from semveil.cli import options

JUDGE = "Recogniser"

Name = Annotated[
    str,
    typer.Option(
        "--verifier",
        help=(
            "Recogniser that decides whether two faces show the same person: `dlib`, `arcface`, `bundled` "
            "or an ONNX file."
        ),
        metavar="NAME",
        autocompletion=options.one_of("dlib", "arcface", "bundled"),
        rich_help_panel=JUDGE,
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        help=(
            "Threshold on the recogniser's similarity, as `semveil calibrate` measures it; the package's own "
            "by default."
        ),
        metavar="T",
        rich_help_panel=JUDGE,
    ),
]
