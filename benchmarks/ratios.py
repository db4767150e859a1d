# SPDX-License-Identifier: Apache-2.0
"""What semveil's inner loops cost against a peer that does the same and against a floor that nobody can go
below.

    OMP_NUM_THREADS=1 python benchmarks/ratios.py [--only WORD] [--repeats 5] [--json]

Prints one table in Markdown, which docs/speed.md holds, or JSON. Seconds are CPU time of the process, the
least of several runs that are interleaved with the peer's and the floor's; start-up is that of child
processes. A peer that is not installed is named.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec

import numpy as np
import torch
from scipy.spatial.distance import pdist
from ssim import scikit_image
from torch.utils.flop_counter import FlopCounterMode

from semveil.channels import awgn
from semveil.keys.keystream import KeyStream
from semveil.mechanisms import ClipBox, ExactRelease, Laplace, observed_pairwise_sensitivity
from semveil.metrics import ssim
from semveil.models.face import load_model
from semveil.protection.code_rotation import CodeRotation
from semveil.protection.haar import haar_normals
from semveil.protection.keyed import KeyedProtection
from semveil.protection.rotation import Rotation
from semveil.protection.rotation_space import RotationSpace

Work = Callable[[], object]
PAPER = (28, 512)  # codes of the paper's size


@dataclass(frozen=True)
class Case:
    """Attributes: ours; peer and floor with their names, None where there is none."""

    ours: Work
    peer: tuple[str, Work | None] | None = None
    floor: tuple[str, Work] | None = None


@dataclass(frozen=True)
class Row:
    """Seconds, and what peer and floor are."""

    what: str
    seconds: float
    peer: str
    peer_seconds: float | None
    floor: str
    floor_seconds: float | None

    def cells(self) -> list[str]:
        """As the table has them."""
        faster = "" if self.peer_seconds is None else f"{self.peer_seconds / self.seconds:.2f}"
        above = "" if self.floor_seconds is None else f"{self.seconds / self.floor_seconds:.2f}"
        return [self.what, f"{self.seconds:.4f}", self.peer, faster, self.floor, above]


def cases() -> Iterator[tuple[str, Callable[[], Case]]]:
    """Names and what makes them, so that only what is asked for is prepared."""
    yield "SSIM, 16 pictures of 64 px", _ssim
    yield "AWGN, 16 messages of 28 x 512", _awgn
    for shape in ((28, 64), PAPER):
        yield f"rotation {shape[0]} x {shape[1]}, protect and deprotect", lambda shape=shape: _rotation(shape)
    yield "exact Laplace noise, 14,336 numbers", _laplace
    for rows in (500, 2000):
        yield f"largest L1 distance of {rows} rows of 9,216", lambda rows=rows: _pairwise(rows)
    yield "faces-128, 8 pictures in a batch", _synthesis
    yield "start-up of receive", lambda: _startup("import semveil.link.receive")
    yield (
        "start-up of models list",
        lambda: _startup("from semveil.cli.main import main; main(['models', 'list'])"),
    )


def _ssim() -> Case:
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.rand(16, 3, 64, 64, generator=rng) * 2 - 1 for _ in range(2))
    return Case(lambda: ssim(a, b), ("scikit-image", lambda: scikit_image(a, b)))


def _awgn() -> Case:
    symbols = torch.ones(16, PAPER[0] * PAPER[1] // 2, dtype=torch.complex64)
    return Case(lambda: awgn(symbols, 20.0), floor=("drawing the noise", lambda: torch.randn_like(symbols)))


def _rotation(shape: tuple[int, int]) -> Case:
    box = ClipBox(-1.5, 3.5)
    space, block = (
        RotationSpace.from_box(box, shape),
        torch.rand(1, *shape, generator=torch.Generator().manual_seed(0)),
    )
    both, count = CodeRotation(space, box), shape[0] * haar_normals(shape[1])

    def there_and_back(protection: KeyedProtection) -> None:
        sent = protection.protect(block, [KeyStream(bytes(32))])
        protection.deprotect(sent.sent, sent.side, [KeyStream(bytes(32))])

    def normals() -> None:
        for _ in range(2):
            KeyStream(bytes(32)).normals(count)

    whole = Rotation(space, box)
    peer = ("one rotation of the whole block", lambda: there_and_back(whole))
    # at the paper's size the block takes over 10 s: see one_photo.py
    return Case(
        lambda: there_and_back(both), None if shape == PAPER else peer, ("drawing its normals", normals)
    )


def _laplace() -> Case:
    release, values = ExactRelease(Laplace(1.0)), torch.zeros(1, 14_336)
    peer: tuple[str, Work | None] = ("OpenDP, k = -40 (not installed)", None)
    if find_spec("opendp"):
        import opendp.prelude as dp

        dp.enable_features("contrib")
        space = dp.vector_domain(dp.atom_domain(T=float, nan=False)), dp.l1_distance(T=float)
        noise = dp.m.make_laplace(*space, scale=1.0, k=-40)
        plain = [0.0] * values.numel()
        peer = ("OpenDP, k = -40", lambda: noise(plain))
    return Case(lambda: release(values), peer)


def _pairwise(count: int) -> Case:
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((64, 9216), dtype=np.float32) / 8
    rows = rng.standard_normal((count, 64), dtype=np.float32) @ mixing
    rows += 0.1 * rng.standard_normal(rows.shape, dtype=np.float32)
    peer = ("scipy pdist", lambda: pdist(rows.astype(np.float64), "cityblock").max())
    return Case(lambda: observed_pairwise_sensitivity(rows, "l1"), peer)


def _synthesis() -> Case:
    model = load_model("faces-128")
    codes = model.public_latents(8, rng=torch.Generator().manual_seed(0))
    side = 512
    a, b = torch.rand(side, side), torch.rand(side, side)
    with FlopCounterMode(display=False) as counter:
        model.generator.synthesize(codes)
    products = counter.get_total_flops() / (2 * side**3)

    def matrix_products() -> None:  # no floor: convolutions may take fewer operations than their definition
        for _ in range(max(1, round(products))):
            a @ b

    def ours() -> None:
        with torch.inference_mode():
            model.generator.synthesize(codes)

    return Case(ours, ("as many operations in matrix products", matrix_products))


def _startup(code: str) -> Case:
    def run(text: str) -> Work:
        return lambda: subprocess.run(
            [sys.executable, "-c", text], env=dict(os.environ), capture_output=True, check=True
        )

    floor = ("import torch", run("import torch")) if "receive" in code else ("python alone", run("pass"))
    return Case(run(code), floor=floor)


def measured(what: str, case: Case, repeats: int) -> Row:
    """Least CPU seconds of each, run in turns.

    Args:
        what: name of the row.
        case: ours, and what it is held against.
        repeats: timed runs of each, after one to warm up.
    """
    parts: list[Work] = [case.ours, *(part[1] for part in (case.peer, case.floor) if part and part[1])]
    taken: list[list[float]] = [[] for _ in parts]
    for repeat in range(repeats + 1):  # the first one warms up
        for part, times in zip(parts, taken, strict=True):
            start = _cpu()
            part()
            if repeat:
                times.append(_cpu() - start)
    best = [min(times) for times in taken]
    peer_seconds = best[1] if case.peer and case.peer[1] else None
    floor_seconds = best[-1] if case.floor else None
    return Row(
        what,
        best[0],
        case.peer[0] if case.peer else "",
        peer_seconds,
        case.floor[0] if case.floor else "",
        floor_seconds,
    )


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="only what has this word in its name")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [measured(what, make(), given.repeats) for what, make in cases() if given.only in what]
    if given.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    head = ["work", "CPU s", "peer", "times faster", "floor", "times the floor"]
    for cells in (head, ["---"] * len(head), *(row.cells() for row in rows)):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
