# SPDX-License-Identifier: Apache-2.0
"""How the page is served; what needs gradio is skipped without it."""

import datetime
import os
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

from semveil.cli.main import main
from semveil.web import server
from semveil.web.server import AddressTaken, forget_sessions, listening

SRC = Path(__file__).resolve().parents[2] / "src"


def test_only_this_machine_reaches_it_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(server, "serve", lambda host, port, **rest: asked.append(host))
    assert main(["web"]) == 0 and main(["web", "--host", "0.0.0.0"]) == 0
    assert asked == ["127.0.0.1", "0.0.0.0"]


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with listening("127.0.0.1", 0) as (listener, address):
        port = listener.getsockname()[1]
        assert address == f"http://127.0.0.1:{port}"
        assert main(["web", "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"port {port}" in error and "choose --port" in error


def test_an_address_of_another_machine_is_one_line() -> None:
    with pytest.raises(AddressTaken, match=r"192\.0\.2\.1"), listening("192.0.2.1", 0):
        pass


def test_without_the_extra_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    assert main(["web", "--port", "0"]) == 1
    assert (
        capsys.readouterr().err
        == "semveil: error: the page needs gradio, which is not installed: pip install 'semveil[web]'\n"
    )


class Holder:
    """As gradio's, as far as it is used."""

    def __init__(self, ages: dict[str, float]) -> None:
        now = datetime.datetime.now()
        self.lock = threading.Lock()
        self.session_data = dict.fromkeys(ages, "photo")
        self.time_last_used = {name: now - datetime.timedelta(seconds=age) for name, age in ages.items()}


def test_sessions_that_ask_nothing_are_forgotten() -> None:
    holder = Holder({"old": 50, "new": 10})
    forget_sessions(holder, 40)
    assert list(holder.session_data) == list(holder.time_last_used) == ["new"]


BUILT = """
import sys
from pathlib import Path
from semveil.models.face import load_model
from semveil.web import server
from semveil.web.limits import SESSIONS, WAITING
from semveil.web.page import build

folder = Path(sys.argv[1])
page = build(load_model(), folder)
assert not page.analytics_enabled and page.state_session_capacity == SESSIONS
assert page._queue.max_size == WAITING
computing = [fn for fn in page.fns.values() if fn.concurrency_id == "photo"]
assert len(computing) == 3 and {fn.concurrency_limit for fn in computing} == {1}
assert {fn.api_visibility for fn in page.fns.values()} == {"private"}
application, forget = server.application(load_model(), folder, "127.0.0.1")
assert application.hosts == server.LOCAL
holder = page.state_holder
holder["one"]
forget()
assert "one" in holder, "it was used just now"
server.forget_sessions(holder, -1)
assert "one" not in holder
application, _ = server.application(load_model(), folder, "0.0.0.0")
assert application.hosts is None
print("built")
"""


def test_gradio_is_built_without_what_calls_home_or_keeps(tmp_path: Path) -> None:
    """In a process of its own: gradio leaves event loops behind."""
    if not os.environ.get("SEMVEIL_TEST_ALL"):
        pytest.skip("runs under `make test-all`")
    if find_spec("gradio") is None:
        pytest.skip("needs gradio: pip install 'semveil[web]'")
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path), "PYTHONPATH": str(SRC)}
    command = [sys.executable, "-c", BUILT, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout == "built\n", done.stderr


def test_the_socket_is_closed_afterwards() -> None:
    with listening("127.0.0.1", 0) as (listener, _):
        port = listener.getsockname()[1]
    with socket.create_server(("127.0.0.1", port)):
        pass
