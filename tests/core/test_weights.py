# SPDX-License-Identifier: Apache-2.0
"""The weights catalogue: found by official name, downloaded only when asked, resumed, verified, never half
written.
"""

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from semveil.core import weights
from semveil.core.registry import Registry
from semveil.core.weights import (
    CATALOGUE,
    DownloadFailed,
    WeightsFile,
    WeightsMissing,
    find,
    get,
    require,
    verify,
)

CONTENT = bytes(range(256)) * 20_000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    return tmp_path


class Server(ThreadingHTTPServer):
    breaks_after: int | None = None
    ranges = True
    requests: list[str | None]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        start = int(re.findall(r"\d+", asked)[0]) if asked and self.server.ranges else 0
        if start >= len(CONTENT):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:][: self.server.breaks_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        catalogue = Registry[weights.WeightsEntry]("third-party weights")
        address = f"http://127.0.0.1:{server.server_port}/x.pt"
        digest = hashlib.sha256(CONTENT).hexdigest()
        demo = replace(
            CATALOGUE["alexnet"], name="demo", files=(WeightsFile("x.pt", digest[:12]),), url=address
        )
        catalogue.add("demo", demo)
        catalogue.add("wrong", replace(demo, name="wrong", files=(WeightsFile("y.pt", "0" * 64),)))
        catalogue.add("heads", replace(demo, name="heads", files=(WeightsFile("z.pt"),), needs=("demo",)))
        monkeypatch.setattr(weights, "CATALOGUE", catalogue)
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_entry_is_complete(name: str) -> None:
    entry = CATALOGUE[name]
    assert entry.purpose and entry.licence and entry.source.startswith("https://")
    assert not entry.url or entry.url.startswith("https://")
    for file in entry.files:
        assert re.fullmatch(r"[0-9a-f]{8,64}|", file.sha256)
        # torchvision's convention: the name states the hash
        stated = re.search(r"-([0-9a-f]{8})\.pth$", file.name)
        assert stated is None or file.sha256.startswith(stated[1])
    assert all(part in list(CATALOGUE) for part in entry.needs)


def test_files_are_found_under_each_name(home: Path) -> None:
    assert find("alexnet") is None
    (home / "alexnet_features.safetensors").touch()
    assert find("alexnet") == home / "alexnet_features.safetensors"
    (home / "weights").mkdir()
    (home / "weights" / "alexnet-owt-7be5be79.pth").touch()  # the official file wins
    assert find("alexnet") == home / "weights" / "alexnet-owt-7be5be79.pth"


def test_unknown_name_is_corrected() -> None:
    with pytest.raises(ValueError, match="did you mean 'lpips-alex'"):
        find("lpips-alexx")


def test_missing_weights_name_the_files_and_the_command() -> None:
    with pytest.raises(
        WeightsMissing, match=r"alexnet-owt.*lpips_v0\.1_alex\.pth.*semveil models get lpips-alex"
    ):
        require("lpips-alex")
    with pytest.raises(WeightsMissing, match=r"model_ir_se50\.pth.*TreB1eN"):
        get("arcface")


def test_download(server: Server, home: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    path = get("demo", progress=lambda *state: seen.append(state))
    assert path == home / "weights" / "x.pt" and path.read_bytes() == CONTENT
    assert seen[-1] == ("x.pt", len(CONTENT), len(CONTENT))
    assert get("demo") == path
    assert len(server.requests) == 1, "what is there is not fetched again"
    assert verify(path).matches is True


def test_what_an_entry_needs_comes_along(server: Server) -> None:
    get("heads")
    assert find("demo") is not None and find("heads") is not None
    assert require("heads") == find("heads")


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_is_resumed(server: Server, home: Path, ranges: bool) -> None:
    server.breaks_after = 1_000_000
    with pytest.raises(DownloadFailed, match=r"broke off after 1000000 of 5120000 bytes.*resume"):
        get("demo")
    assert find("demo") is None
    server.breaks_after, server.ranges = None, ranges
    assert get("demo").read_bytes() == CONTENT
    assert server.requests == [None, "bytes=1000000-"]
    assert [path.name for path in (home / "weights").iterdir()] == ["x.pt"]


def test_a_complete_but_unnamed_download_is_kept(server: Server, home: Path) -> None:
    (home / "weights").mkdir()
    (home / "weights" / "x.pt.part").write_bytes(CONTENT)
    assert get("demo").read_bytes() == CONTENT


def test_a_wrong_hash_leaves_nothing(server: Server, home: Path) -> None:
    with pytest.raises(DownloadFailed, match="expected 000"):
        get("wrong")
    assert list((home / "weights").iterdir()) == []


def test_an_unreachable_address(server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = replace(weights.CATALOGUE["demo"], url="http://127.0.0.1:9/x.pt", name="gone")
    weights.CATALOGUE.add("gone", gone)
    with pytest.raises(DownloadFailed, match="cannot download"):
        get("gone")


def test_verify_tells_wrong_from_unknown(home: Path) -> None:
    for name in ("alexnet-owt-7be5be79.pth", "model_ir_se50.pth", "holiday.jpg"):
        (home / name).write_bytes(b"?")
    wrong, unknown, foreign = (
        verify(home / n) for n in ("alexnet-owt-7be5be79.pth", "model_ir_se50.pth", "holiday.jpg")
    )
    assert wrong.matches is False and wrong.entry is CATALOGUE["alexnet"]
    assert unknown.matches is None and unknown.entry is CATALOGUE["arcface"]
    assert foreign.matches is None and foreign.entry is None
    assert wrong.sha256 == hashlib.sha256(b"?").hexdigest()


def test_real_files_match_the_catalogue(shared: Path) -> None:
    for name in ("lpips_v0.1_alex.pth", "lpips_v0.1_vgg.pth"):
        assert verify(shared / "weights" / name).matches is True
