# SPDX-License-Identifier: Apache-2.0
"""Twenty users press buttons of `semveil web` for five minutes: waiting, memory, and that one photo is
computed at a time.

    python benchmarks/web.py [--users 20] [--seconds 300]

Each user uploads the astronaut in another size and then presses Send and Protect in turn, as soon as the
answer to the last press is there; whoever waits at the end still gets an answer. Printed is JSON: presses
answered and refused, seconds from press to answer and of computing, the largest number of photos computed at
once, the server's memory before the first user, at most, and at the end, and what the folder of uploads held
at most. Needs the extra `web`, on Linux.
"""

import argparse
import io
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from skimage.data import astronaut

SRC = Path(__file__).resolve().parents[1] / "src"


class User(threading.Thread):
    """One browser: a session of its own, one press after the other."""

    def __init__(self, number: int, address: str, presses: dict[str, int], until: float) -> None:
        super().__init__()
        self.session = f"user{number:04d}"
        self.side = 320 + 32 * number
        self.address, self.presses, self.until = address, presses, until
        self.waited: list[float] = []
        self.computed: list[tuple[float, float]] = []
        self.refused = 0

    def run(self) -> None:
        with httpx.Client(base_url=self.address, timeout=600) as http:
            photo = self.upload(http)
            send = ("sv-link-button", [photo, "largest", "Bob has a key", "rotation", "nn", 10, 20, 20])
            protect = ("sv-protect-button", [photo, "largest", "each method's own"])
            turns = itertools.cycle((send, protect))
            while time.monotonic() < self.until:
                self.press(http, *next(turns))

    def upload(self, http: httpx.Client) -> str:
        """Upload the user's photo, of a size of its own, and give the server's name for it."""
        content = io.BytesIO()
        Image.fromarray(astronaut()).resize((self.side, self.side)).save(content, "PNG")
        (path,) = http.post("/gradio_api/upload", files={"files": ("photo.png", content.getvalue())}).json()
        answer = self.press(
            http, "sv-upload", [{"path": path, "meta": {"_type": "gradio.FileData"}}], counted=False
        )
        return str(answer["data"][1])

    def press(
        self, http: httpx.Client, button: str, data: list[Any], *, counted: bool = True
    ) -> dict[str, Any]:
        """Press a button and wait for its answer; empty where the server refuses, which is counted.

        Args:
            http: client of this user.
            button: by name.
            data: inputs of its function, in their order.
            counted: whether the waiting time is kept.
        """
        began, started = time.monotonic(), 0.0
        asked = {
            "data": data,
            "fn_index": self.presses[button],
            "session_hash": self.session,
            "event_data": None,
        }
        joined = http.post("/gradio_api/queue/join", json=asked)
        if joined.status_code != 200:
            self.refused += 1
            time.sleep(1)
            return {}
        with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as answers:
            for line in answers.iter_lines():
                said = json.loads(line.removeprefix("data: ")) if line else {}
                if said.get("msg") == "process_starts":
                    started = time.monotonic()
                if said.get("msg") == "process_completed":
                    assert said["success"], said
                    break
        if counted:
            self.waited.append(time.monotonic() - began)
            self.computed.append((started, time.monotonic()))
        return dict(said["output"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TMPDIR": folder, "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "semveil", "web", "--port", "0"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                (address,) = re.findall(r"http://\S+", server.stdout.readline())
                print(
                    json.dumps(
                        measured(server.pid, address, Path(folder), asked.users, asked.seconds), indent=1
                    )
                )
            finally:
                server.terminate()


def measured(server: int, address: str, folder: Path, users: int, seconds: float) -> dict[str, Any]:
    """Let the users press, and watch the server meanwhile.

    Args:
        server: id of its process.
        address: of the page.
        folder: in which uploads lie.
        users: number of them, all at once.
        seconds: for which they press.
    """
    presses = buttons(address)
    before, uploads, idle = memory(server, "VmRSS"), 0, threading.Event()
    everybody = [User(number, address, presses, time.monotonic() + seconds) for number in range(users)]
    for user in everybody:
        user.start()
    while any(user.is_alive() for user in everybody):
        uploads = max(uploads, sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()))
        idle.wait(0.2)
    waited = [value for user in everybody for value in user.waited]
    spans = [span for user in everybody for span in user.computed]
    return {
        "users": users,
        "seconds": seconds,
        "answered": len(waited),
        "answered of each user": sorted(len(user.waited) for user in everybody),
        "refused": sum(user.refused for user in everybody),
        "seconds from press to answer": {"median": statistics.median(waited), "largest": max(waited)},
        "seconds of computing": {"median": statistics.median(end - start for start, end in spans)},
        "computed at once, at most": at_once(spans),
        "memory in MB": {
            "before": before,
            "at most": memory(server, "VmHWM"),
            "at the end": memory(server, "VmRSS"),
        },
        "uploads in bytes, at most": uploads,
    }


def buttons(address: str) -> dict[str, int]:
    """Number of gradio's function behind each button, by the button's name."""
    config = httpx.get(f"{address}/config").json()
    names = {one["id"]: one["props"].get("elem_id") for one in config["components"]}
    return {
        names[target[0]]: one["id"]
        for one in config["dependencies"]
        for target in one["targets"]
        if target[0] in names
    }


def at_once(spans: list[tuple[float, float]]) -> int:
    """The largest number of spans that overlap by more than what a message takes to arrive.

    Args:
        spans: start and end of each, in seconds.
    """
    slack = 0.05
    events = sorted([(start + slack, 1) for start, _ in spans] + [(end - slack, -1) for _, end in spans])
    most = now = 0
    for _, step in events:
        now += step
        most = max(most, now)
    return most


def memory(process: int, kind: str) -> int:
    """Of a process, in MB.

    Args:
        process: its id.
        kind: line of `/proc/ID/status`, such as `VmRSS`.
    """
    (found,) = re.findall(rf"{kind}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found) // 1024


if __name__ == "__main__":
    main()
