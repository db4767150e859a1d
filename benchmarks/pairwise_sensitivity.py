# SPDX-License-Identifier: Apache-2.0
"""Time and memory of `observed_pairwise_sensitivity` at the size of [DPI]: 70,000 rows of 9,216 float32
values.

    python benchmarks/pairwise_sensitivity.py --norm l2 --seconds 60
    python benchmarks/pairwise_sensitivity.py --norm l1 --data gaussian --seconds 60
    python benchmarks/pairwise_sensitivity.py --norm l1 --file latents.npy --seconds 0

Makes the array on disk unless --file names one, runs for the given time (0: to the end), and prints JSON:
seconds, tiles done, peak memory, and hours for the whole array, next to scipy's and torch's cdist timed on
one block of the same rows. `latents` mixes 64 normal factors into all columns; `gaussian` has independent
entries, whose distances all lie within some percent: the worst case, in which nothing can be pruned and every
L1 distance is computed. Limit the threads with OMP_NUM_THREADS and OPENBLAS_NUM_THREADS.
"""

import argparse
import contextlib
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from scipy.spatial.distance import cdist

from semveil.mechanisms import observed_pairwise_sensitivity


class OutOfTime(Exception):
    """Ends the timed run; the checkpoint would let it go on."""


def make_rows(path: Path, rows: int, columns: int, data: str) -> None:
    """Write (rows, columns) float32 in pieces.

    Args:
        path: of the `.npy`, which is replaced.
        rows: number of them.
        columns: of each row.
        data: `latents` for rows near a subspace of 64 dimensions; else independent normal numbers.
    """
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((64, columns), dtype=np.float32) / 8
    out = open_memmap(path, "w+", np.float32, (rows, columns))
    for start in range(0, rows, 2048):
        count = min(2048, rows - start)
        block = rng.standard_normal((count, columns), dtype=np.float32)
        if data == "latents":
            block = rng.standard_normal((count, 64), dtype=np.float32) @ mixing + 0.1 * block
        out[start : start + count] = block
    out.flush()


def reference_hours(array: np.ndarray, norm: str) -> dict[str, float]:
    """Hours that the obvious tools would take for all pairs, from one block of them.

    Args:
        array: (N, d), N at least 192.
        norm: `l1`; any other is Euclidean.
    """
    block = np.array(array[:192], np.float32)
    pairs = len(array) * (len(array) - 1) / 2
    tensor = torch.from_numpy(block)
    doubles = block.astype(np.float64)
    tools = {
        "scipy cdist, float64": lambda: cdist(doubles, doubles, "cityblock" if norm == "l1" else "euclidean"),
        "torch cdist, float32": lambda: torch.cdist(tensor, tensor, p=1.0 if norm == "l1" else 2.0),
    }
    hours = {}
    for name, run in tools.items():
        run()
        start = time.perf_counter()
        run()
        hours[name] = round((time.perf_counter() - start) * pairs / len(block) ** 2 / 3600, 2)
    return hours


def measure(path: Path, norm: str, seconds: float, tile: int) -> dict:
    """Time, and memory, of the sensitivity over all pairs; the whole time is extrapolated where it is stopped
    early.

    Args:
        path: of the `.npy` with the rows.
        norm: as `observed_pairwise_sensitivity` takes it.
        seconds: after which it is stopped; 0 for never.
        tile: rows that are compared at a time.
    """
    start = time.perf_counter()
    seen: dict[str, float] = {}

    def progress(done: int, total: int) -> None:
        elapsed = time.perf_counter() - start
        seen.setdefault("preparation_s", elapsed)
        seen.update(done=done, total=total, elapsed_s=elapsed)
        if seconds and elapsed > seconds and done < total:
            raise OutOfTime

    result = None
    with contextlib.suppress(OutOfTime):
        result = observed_pairwise_sensitivity(path, norm, tile=tile, progress=progress).value
    rate = (seen["elapsed_s"] - seen["preparation_s"]) / max(seen["done"], 1)
    return {
        "norm": norm,
        **{name: round(value, 2) for name, value in seen.items()},
        "hours": round((seen["preparation_s"] + rate * seen["total"]) / 3600, 3),
        "finished": result is not None,
        "sensitivity": result,
        "peak_rss_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=70_000)
    parser.add_argument("--columns", type=int, default=9_216)
    parser.add_argument("--norm", choices=["l1", "l2"], default="l1")
    parser.add_argument("--data", choices=["latents", "gaussian"], default="latents")
    parser.add_argument("--file", type=Path, help="measure on this .npy instead")
    parser.add_argument("--seconds", type=float, default=60, help="stop after this time; 0 runs to the end")
    parser.add_argument("--tile", type=int, default=2048)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.file or Path(folder) / "rows.npy"
        if not args.file:
            make_rows(path, args.rows, args.columns, args.data)
        report = measure(path, args.norm, args.seconds, args.tile)
        array = np.load(path, mmap_mode="r")
        report |= {
            "shape": array.shape,
            "data": str(args.file or args.data),
            "threads": torch.get_num_threads(),
        }
        report["reference_hours"] = reference_hours(array, args.norm)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
