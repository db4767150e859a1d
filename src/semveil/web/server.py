# SPDX-License-Identifier: Apache-2.0
"""Server of the page."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semveil.core.errors import SemveilError
from semveil.models.face import DEFAULT_MODEL, FaceModel, face_model
from semveil.web.guard import LOCAL, Guard
from semveil.web.limits import KEPT_SECONDS, LARGEST_FILE, SWEEP_SECONDS
from semveil.web.uploads import every, upload_folder

if TYPE_CHECKING:
    import uvicorn

# gradio reads these when it is imported or a page is built: no telemetry, no version check, no run history.
_SETTINGS = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_RUN_HISTORY": "False", "HF_HUB_OFFLINE": "1"}


class WebMissing(SemveilError):
    """A package that the page needs is not installed; the message says how to install it."""


class AddressTaken(SemveilError):
    """The address cannot be bound."""

    exit_code = 2


def serve(
    host: str = LOCAL[0],
    port: int = 7860,
    *,
    model: FaceModel | str = DEFAULT_MODEL,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve the page until a signal ends the program.

    Args:
        host: address to listen on; by default reachable from this machine only.
        port: 0 takes a free one.
        model: face model for the link and the attacks, loaded or by name.
        ready: called with the address of the page.

    Raises:
        WebMissing: the extra is not installed.
        AddressTaken: the port is in use, or the address is not one of this machine.
    """
    with listening(host, port) as (listener, address), serving(model, host) as server:
        ready(address)
        server.run(sockets=[listener])


@contextmanager
def listening(host: str, port: int) -> Iterator[tuple[socket.socket, str]]:
    """Bind a listening socket for the block.

    Args:
        host: address or name to bind; an address with a colon is IPv6.
        port: 0 to 65535; 0 lets the system choose.

    Yields:
        The socket, and the URL to open in a browser.

    Raises:
        AddressTaken: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise AddressTaken(
            f"cannot serve at {host} port {port}: {error.strerror or error}; choose --port or --host"
        ) from None
    with listener:
        name = f"[{host}]" if family == socket.AF_INET6 else host
        yield listener, f"http://{name}:{listener.getsockname()[1]}"


@contextmanager
def serving(model: FaceModel | str = DEFAULT_MODEL, host: str = LOCAL[0]) -> Iterator["uvicorn.Server"]:
    """Set up the server, not yet running, with a folder for uploads that is deleted when the block ends.

    Args:
        model: face model, or its name or folder.
        host: address that the server will be bound to. For a local one, requests under another host name are
            refused.

    Yields:
        The server.

    Raises:
        WebMissing: gradio is not installed.
    """
    if find_spec("gradio") is None:
        raise WebMissing("the page needs gradio, which is not installed: pip install 'semveil[web]'")
    loaded = face_model(model)
    with upload_folder() as uploads, _environment({**_SETTINGS, "GRADIO_TEMP_DIR": str(uploads)}):
        import uvicorn

        app, forget = application(loaded, uploads, host)
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
        with every(SWEEP_SECONDS, forget):
            yield uvicorn.Server(config)


def application(model: FaceModel, uploads: Path, host: str) -> tuple[Guard, Callable[[], None]]:
    """Build the page behind its guard.

    Args:
        model: face model.
        uploads: folder for uploads.
        host: address that the server is bound to, see `serving`.

    Returns:
        The ASGI application, and a function that drops the values of idle sessions.
    """
    import gradio as gr
    from fastapi import FastAPI

    from semveil.web.page import CSS, build

    page = build(model, uploads)
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    app = gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        page,
        path="/",
        theme=theme,
        css_paths=CSS,
        max_file_size=LARGEST_FILE,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        pwa=False,
    )
    guarded = Guard(app, uploads=uploads, hosts=LOCAL if host in LOCAL else None)
    return guarded, lambda: forget_sessions(page.state_holder, KEPT_SECONDS)


def forget_sessions(holder: Any, seconds: float) -> None:
    """Drop gradio's copies of idle sessions' values, which include the photo and the results.

    Gradio keeps them for links to a page's state, which this page does not offer.

    Args:
        holder: gradio's `StateHolder`.
        seconds: idle time after which a session is dropped.
    """
    for session, used in list(holder.time_last_used.items()):
        if time.time() - used.timestamp() > seconds:
            with holder.lock:
                holder.session_data.pop(session, None)
                holder.time_last_used.pop(session, None)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
