# SPDX-License-Identifier: Apache-2.0
"""Wall seconds and memory of one photo: keyed rotations at the paper's 28 x 512 codes, `send` and `receive`.

    OMP_NUM_THREADS=1 python benchmarks/one_photo.py [--only WORD] [--repeats 3]

Each row runs in a process of its own, after its imports and models are loaded: the least time of several
runs, and the peak memory of the first one above what the process held before it. A rotation is protect plus
deprotect. `send` detects, aligns and inverts scikit-image's portrait of an astronaut for faces-128 and
writes a message under a new key; `receive` reads it and writes the picture. Needs Linux, for the peak.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from PIL import Image
from skimage import data

import semveil
from semveil.keys.keystream import KeyStream
from semveil.mechanisms import ClipBox
from semveil.methods.shared_key import SharedKey
from semveil.protection.code_rotation import CodeRotation
from semveil.protection.rotation import Rotation
from semveil.protection.rotation_space import RotationSpace

Work = Callable[[], object]
PAPER = (28, 512)


def rotation(kind: type[CodeRotation | Rotation], folder: Path) -> Work:
    box = ClipBox(-1.5, 3.5)
    protection = kind(RotationSpace.from_box(box, PAPER), box)
    block = torch.rand(1, *PAPER, generator=torch.Generator().manual_seed(0))

    def work() -> None:
        sent = protection.protect(block, [KeyStream(bytes(32))])
        protection.deprotect(sent.sent, sent.side, [KeyStream(bytes(32))])

    return work


def sending(folder: Path) -> Work:
    photo, model = folder / "photo.png", semveil.load_model("faces-128")
    Image.fromarray(data.astronaut()).save(photo)
    key = SharedKey.fresh()
    return lambda: semveil.send(photo, folder / "m.svl", model=model, key=key)


def receiving(folder: Path) -> Work:
    model, key = semveil.load_model("faces-128"), SharedKey.fresh()
    photo = folder / "photo.png"
    Image.fromarray(data.astronaut()).save(photo)
    message = semveil.send(photo, model=model, key=key).message
    return lambda: semveil.receive(message, folder / "bob.png", model=model, key=key, replay=True)


ROWS: dict[str, Callable[[Path], Work]] = {
    "rotation of each code, 28 x 512": partial(rotation, CodeRotation),
    "one rotation of all codes, 28 x 512": partial(rotation, Rotation),
    "send, faces-128": sending,
    "receive, faces-128": receiving,
}


def measured(name: str, repeats: int) -> tuple[float, float]:
    """Least wall seconds, and MB of the first run above what the process held before.

    Args:
        name: a key of `ROWS`.
        repeats: number of timed runs.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEMVEIL_HOME"] = folder  # nonces of a benchmark stay out of the user's log
        work = ROWS[name](Path(folder))
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, times = _megabytes("VmRSS"), []
        for repeat in range(repeats):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
            if not repeat:
                grown = _megabytes("VmHWM") - before
    return min(times), grown


def _megabytes(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="only what has this word in its name")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print("| work | s | MB |\n|---|---|---|")
    for name in (name for name in ROWS if given.only in name):
        with get_context("spawn").Pool(1) as pool:
            seconds, grown = pool.apply(measured, (name, given.repeats))
        print(f"| {name} | {seconds:.3f} | {grown:.0f} |", flush=True)
    print(f"\nload of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
