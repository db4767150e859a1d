# SPDX-License-Identifier: Apache-2.0
"""ASGI guard in front of gradio.

It admits only the page's own requests of limited size, and its headers keep the browser from loading anything
from elsewhere.
"""

import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from semveil.web.limits import LARGEST_BODY, LARGEST_FOLDER
from semveil.web.uploads import size_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# The routes of gradio that the page uses. Excluded are those that serve files or store what a session shows
# (`file`, `deep_link`), fetch for the browser (`proxy`), or bypass the queue (`run`, `call`).
PAGES = ("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt")
FOLDERS = ("/assets/", "/static/", "/svelte/")
SERVICES = (
    "upload",
    "upload_progress",
    "queue",
    "heartbeat",
    "startup-events",
    "info",
    "app_id",
    "reset",
    "cancel",
)
_API = "/gradio_api/"
_UPLOAD = f"{_API}upload"
LOCAL = ("127.0.0.1", "localhost", "::1")

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "frame-ancestors 'none'; form-action 'none'; base-uri 'self'; object-src 'none'"
)
HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Guard:
    """ASGI application around another one.

    Args:
        app: the guarded application.
        uploads: folder of uploads; when it is full, uploads are refused.
        hosts: host names under which the page may be requested, against DNS rebinding; None: any.
        largest_body: largest size of a request in bytes.
        largest_folder: largest size of all uploads in bytes.
    """

    def __init__(
        self,
        app: App,
        *,
        uploads: Path,
        hosts: Collection[str] | None = LOCAL,
        largest_body: int = LARGEST_BODY,
        largest_folder: int = LARGEST_FOLDER,
    ) -> None:
        self.app = app
        self.uploads = uploads
        self.hosts = hosts
        self.largest_body = largest_body
        self.largest_folder = largest_folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        refused = (404, "not found") if scope["type"] != "http" else self._refused(scope)
        if refused is not None:
            return await _answer(send, *refused)
        started, left = False, self.largest_body

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise _TooLarge
            return message

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        try:
            incoming: Receive = bounded
            if scope["path"].startswith(_API) and not scope["path"].startswith(_UPLOAD):
                body = await _whole(bounded)
                if not names_uploads_only(body, self.uploads):
                    return await _answer(send, 403, "this is no file that was dropped here")
                incoming = _replayed(body, bounded)
            await self.app(scope, incoming, with_headers)
        except _TooLarge:
            if not started:
                await _answer(send, 413, "too large")

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.hosts is not None and urlsplit(f"//{host}").hostname not in self.hosts:
            return 403, "this page is called by another name"
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, "another site asks"
        if not allowed(scope["path"]):
            return 404, "not found"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.largest_body:
            return 413, "too large"
        if scope["path"].startswith(_UPLOAD) and size_of(self.uploads) > self.largest_folder:
            return 503, "too many uploads wait; try again in a minute"
        return None


def allowed(path: str) -> bool:
    """Whether the page uses a path of the server; all others are refused.

    Args:
        path: path of the request, decoded, beginning with a slash.

    Example:
        >>> allowed("/gradio_api/queue/join"), allowed("/gradio_api/file=/etc/passwd")
        (True, False)
        >>> allowed("/gradio_api/deep_link")
        False
    """
    if path.startswith(_API):
        return path.removeprefix(_API).split("/")[0] in SERVICES
    return path in PAGES or (path.startswith(FOLDERS) and ".." not in path)


def names_uploads_only(body: bytes, uploads: Path) -> bool:
    """Whether all files named by a request's JSON are uploads.

    Under another server than its own, gradio checks nothing: it would copy any file of this machine that a
    request names, and fetch any address.

    Args:
        body: body of the request.
        uploads: folder of uploads.

    Returns:
        False also where a body is not JSON.

    Example:
        >>> names_uploads_only(b'{"data": [{"path": "/etc/passwd"}]}', Path("/tmp/uploads"))
        False
    """

    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # sees the first of two equal names, too
        for name, value in pairs:
            if name == "path" and not _is_upload(value, uploads):
                raise ValueError("not an upload")
        return dict(pairs)

    try:
        json.loads(body or b"null", object_pairs_hook=check)
    except (ValueError, RecursionError):
        return False
    return True


def _is_upload(path: object, uploads: Path) -> bool:
    if not isinstance(path, str) or not Path(path).is_absolute():  # an address is not absolute
        return False
    return Path(path).resolve().is_relative_to(uploads.resolve())


async def _whole(receive: Receive) -> bytes:
    """Body of a request; empty if the client left before its end."""
    parts: list[bytes] = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
    return b""


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Hand out the body that was read, then whatever follows it."""
    left: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def once() -> MutableMapping[str, Any]:
        return left.pop() if left else await receive()

    return once


class _TooLarge(Exception):
    """A request body exceeds the limit."""


async def _answer(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
