# SPDX-License-Identifier: Apache-2.0
"""`semveil web`: the web page."""

from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.console import note, show, when_interrupted

LOCAL = "127.0.0.1"


def web(
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; with the default only this machine reaches the page.",
            metavar="ADDRESS",
        ),
    ] = LOCAL,
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", metavar="N", min=0, max=65535)
    ] = 7860,
    model: options.Model = None,
    device: options.Device = "auto",
) -> None:
    """Try the link, the methods and the attacks in the browser.

    Needs the extra web. The page can be reached from this machine only, unless --host says otherwise. Ctrl-C
    ends it and deletes what was uploaded.

    Example: semveil web
    """
    models_there = options.on_device(device)

    from semveil.cli.parties import default_model
    from semveil.web.guard import LOCAL as NAMES
    from semveil.web.server import serve

    def ready(address: str) -> None:
        if host not in NAMES:
            note(
                "anybody who reaches this address can use the page; there is no password, and nothing is "
                "encrypted"
            )
        show({}, [f"The page is at {address} (Ctrl-C ends it)"], as_json=False)

    with models_there, when_interrupted("the page is closed, and what was uploaded is deleted"):
        serve(host, port, model=model or default_model(), ready=ready)
