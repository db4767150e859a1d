# SPDX-License-Identifier: Apache-2.0
"""What passes the guard, and what is refused before gradio sees it."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from semveil.web.guard import Guard

Header = tuple[str, str]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers with the body that it gets."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def ask(
    folder: Path,
    path: str = "/",
    *,
    headers: Sequence[Header] = (("host", "127.0.0.1:7860"),),
    parts: Sequence[bytes] = (b"",),
    kind: str = "http",
    **settings: Any,
) -> tuple[int, bytes, dict[bytes, bytes]]:
    """Status, body and headers of the answer to one request."""
    waiting = [
        {"type": "http.request", "body": part, "more_body": i + 1 < len(parts)}
        for i, part in enumerate(parts)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    asyncio.run(Guard(echo, uploads=folder, **settings)(scope, receive, send))
    return sent[0]["status"], sent[-1].get("body", b""), dict(sent[0]["headers"])


def test_the_page_itself_passes_and_may_fetch_from_nowhere_else(tmp_path: Path) -> None:
    status, body, headers = ask(tmp_path, parts=(b"ab", b"c"))
    assert (status, body) == (200, b"abc")
    policy = headers[b"content-security-policy"].decode()
    assert "default-src 'self'" in policy and "connect-src 'self'" in policy and "http" not in policy
    assert headers[b"referrer-policy"] == b"no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        f"/gradio_api/file={tempfile.gettempdir()}/semveil-web-1/ab/anna.jpg",
        "/gradio_api/file/anna.jpg",
        "/gradio_api/deep_link",
        "/gradio_api/proxy=http://example.org/",
        "/gradio_api/run/send",
        "/gradio_api/call/send",
        "/gradio_api/stream/1/1/1/playlist.m3u8",
        "/gradio_api/runs",
        "/gradio_api/component_server",
        "/monitoring",
        "/docs",
        "/assets/../../etc/passwd",
    ],
)
def test_routes_that_give_files_out_or_go_past_the_queue_are_closed(tmp_path: Path, path: str) -> None:
    assert ask(tmp_path, path)[0] == 404


@pytest.mark.parametrize(
    "path", ["/assets/index.js", "/theme.css", "/gradio_api/queue/join", "/gradio_api/upload"]
)
def test_routes_that_the_page_needs_are_open(tmp_path: Path, path: str) -> None:
    assert ask(tmp_path, path)[0] == 200


@pytest.mark.parametrize(
    ("host", "status"), [("localhost:1", 200), ("[::1]:1", 200), ("evil.example", 403), ("", 403)]
)
def test_a_foreign_name_for_this_machine_is_refused(tmp_path: Path, host: str, status: int) -> None:
    assert ask(tmp_path, headers=[("host", host)])[0] == status


def test_any_name_will_do_where_the_page_is_for_others(tmp_path: Path) -> None:
    assert ask(tmp_path, headers=[("host", "box.lan:7860")], hosts=None)[0] == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://box:1", 200), ("http://evil.example", 403), ("null", 403), ("http://box:2", 403)],
)
def test_other_sites_cannot_ask_through_the_users_browser(tmp_path: Path, origin: str, status: int) -> None:
    headers = [("host", "box:1"), ("origin", origin)]
    assert ask(tmp_path, "/gradio_api/upload", headers=headers, hosts=None)[0] == status


def test_bodies_are_bounded_whether_their_length_is_told_or_not(tmp_path: Path) -> None:
    told = [("host", "localhost"), ("content-length", "11")]
    assert ask(tmp_path, headers=told, parts=(bytes(11),), largest_body=10)[0] == 413
    assert ask(tmp_path, headers=told[:1], parts=(bytes(6), bytes(5)), largest_body=10)[0] == 413
    assert ask(tmp_path, headers=told[:1], parts=(bytes(6), bytes(4)), largest_body=10)[0] == 200
    assert ask(tmp_path, headers=[told[0], ("content-length", "-1")])[0] == 413


def test_a_full_folder_takes_no_more_and_the_page_goes_on(tmp_path: Path) -> None:
    (tmp_path / "waiting.jpg").write_bytes(bytes(20))
    assert ask(tmp_path, "/gradio_api/upload", largest_folder=10)[0] == 503
    assert ask(tmp_path, "/gradio_api/upload", largest_folder=30)[0] == 200
    assert ask(tmp_path, "/", largest_folder=10)[0] == 200


JOIN = "/gradio_api/queue/join"


def asking_for(path: str) -> bytes:
    """The page's request after an upload."""
    named = {"path": path, "meta": {"_type": "gradio.FileData"}}
    return json.dumps({"data": [named], "fn_index": 7, "session_hash": "a"}).encode()


def test_an_upload_is_passed_on_whole(tmp_path: Path) -> None:
    body = asking_for(str(tmp_path / "ab" / "anna.jpg"))
    assert ask(tmp_path, JOIN, parts=(body[:20], body[20:]))[:2] == (200, body)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "{folder}/../anna.jpg",
        "anna.jpg",
        "https://example.org/anna.jpg",
        "http://a/../..{folder}/anna.jpg",
    ],
)
def test_a_request_names_no_file_but_uploads(tmp_path: Path, path: str) -> None:
    """Gradio, when mounted, copies any file of the machine that a request names, and fetches addresses."""
    status, body, _ = ask(tmp_path, JOIN, parts=(asking_for(path.format(folder=tmp_path)),))
    assert (status, body) == (403, b"this is no file that was dropped here")


def test_neither_a_name_given_twice_nor_a_link_nor_what_is_no_json_goes_around_that(tmp_path: Path) -> None:
    upload = json.dumps(str(tmp_path / "anna.jpg"))
    (tmp_path / "link").symlink_to("/etc/passwd")
    twice = f'{{"data": [{{"path": "/etc/passwd", "path": {upload}}}]}}'
    for body in (twice.encode(), asking_for(str(tmp_path / "link")), b"{", b"[" * 100_000):
        assert ask(tmp_path, JOIN, parts=(body,))[0] == 403


def test_only_http_is_spoken(tmp_path: Path) -> None:
    assert ask(tmp_path, kind="websocket")[0] == 404
