# SPDX-License-Identifier: Apache-2.0
"""Exact largest pairwise distance of the rows of a large array, in little memory and resumable."""

import hashlib
import json
import math
import mmap
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.mechanisms.bounds.pair_bounds import Block, l1_bounds, squared_bounds
from semveil.mechanisms.bounds.pair_sketch import Sketch
from semveil.privacy.guarantee import Basis, Norm, Sensitivity

_SUBTILE = 256
_SMALL = 2048  # up to this number of rows one matrix product costs less than sketches
_FEW = 1 / 256  # below this fraction of pairs checking each costs less than a matrix product
_FORMAT = 1
_TINY = 1e-35  # avoids division by zero if all rows are equal


def observed_pairwise_sensitivity(
    latents: str | os.PathLike[str] | NDArray[Any],
    norm: Norm | str,
    *,
    tile: int = 2048,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Sensitivity:
    """Largest pairwise distance max_{i < j} ||x_i - x_j|| of the rows of an (N, n) array, exact in float64.

    After [DPI] Section 4.2.1. Rows are sorted by their distance from the mean and compared tile by tile, each
    pair once. A tile is skipped if by the triangle inequality through the mean it cannot contain the maximum.
    Otherwise its distances are bounded, first from short sketches of the rows, then by one float32 matrix
    product: in L2 up to rounding, in L1 by Cauchy-Schwarz, ||x||_1 <= sqrt(sum w) ||x / sqrt(w)||_2, with w
    the mean deviation per coordinate. For pairs whose bound exceeds the best distance so far, a float32 L1
    bound and then the exact distance are computed. All bounds include their rounding, so the result is the
    true maximum over the rows.

    A maximum over seen photos is no bound for unseen ones: the basis is `observed-sensitivity`.

    Args:
        latents: a `.npy` file (read through a memory map, released after each tile) or an array (N, n) of
            finite real numbers.
        norm: `"l1"` or `"l2"`.
        tile: rows per block; memory is about 16 x tile x n bytes plus 8 x tile^2.
        checkpoint: file from which a later call with the same input resumes; written atomically after every
            row of tiles and at the end, bound to the input's content.
        progress: callback with the number of tiles done and their total.

    Raises:
        ValueError: not an (N >= 2, n) array, NaN or infinite entries, or a checkpoint of another input.

    Example:
        >>> observed_pairwise_sensitivity(np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]]), "l2").value
        5.0
    """
    norm = Norm(norm)
    array = (
        latents if isinstance(latents, np.ndarray) else np.load(latents, mmap_mode="r", allow_pickle=False)
    )
    if array.ndim != 2 or len(array) < 2 or array.shape[1] < 1 or array.dtype.kind not in "fiu" or tile < 1:
        raise ValueError(
            f"needs an (N >= 2, n >= 1) array of real numbers and tile >= 1, got {array.dtype} "
            f"{array.shape}, {tile}"
        )
    rows = _Rows(array, norm)
    blocks = -(-len(array) // tile)
    total = blocks * (blocks + 1) // 2
    state = _State.load(checkpoint, rows.fingerprint(tile)) or _State(0, *rows.first_guess())
    done = state.blocks_done * blocks - state.blocks_done * (state.blocks_done - 1) // 2
    progress(done, total)
    for i in range(state.blocks_done, blocks):
        first = slice(i * tile, (i + 1) * tile)
        for j in range(i, blocks):
            state = rows.search(first, slice(j * tile, (j + 1) * tile), state)
            done += 1
            progress(done, total)
        state = _State(i + 1, state.best, state.pair)
        state.save(checkpoint, rows.fingerprint(tile))
    source = (
        f"largest pairwise {norm.value} distance of {len(array)} seen records (rows {state.pair[0]} and "
        f"{state.pair[1]})"
    )
    return Sensitivity(state.best, norm, array.shape[1], source, Basis.OBSERVED_SENSITIVITY)


@dataclass(frozen=True)
class _State:
    blocks_done: int
    best: float
    pair: tuple[int, int]

    def save(self, path: str | os.PathLike[str] | None, fingerprint: str) -> None:
        if path is None:
            return
        partial = Path(f"{os.fspath(path)}.{os.getpid()}.part")
        record = {
            "format": _FORMAT,
            "input": fingerprint,
            "blocks_done": self.blocks_done,
            "best": self.best,
            "pair": self.pair,
        }
        partial.write_text(json.dumps(record))
        os.replace(partial, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None, fingerprint: str) -> "_State | None":
        if path is None or not Path(path).exists():
            return None
        try:
            record = json.loads(Path(path).read_text())
            state = cls(
                int(record["blocks_done"]),
                float(record["best"]),
                (int(record["pair"][0]), int(record["pair"][1])),
            )
            same = record["format"] == _FORMAT and record["input"] == fingerprint
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(
                f"{path} is no checkpoint of a pairwise sensitivity ({error!r}); delete it or name another"
            ) from None
        if not same:
            raise ValueError(
                f"the checkpoint {path} belongs to another input, norm or tile size; delete it or name "
                "another"
            )
        return state


class _Rows:
    """Rows of the array in order of decreasing distance from their mean, with data for the bounds."""

    def __init__(self, array: NDArray[Any], norm: Norm) -> None:
        self.array = array
        self.norm = norm
        mean = sum(np.asarray(part).sum(0, dtype=np.float64) for part in self._parts()) / len(array)
        if not np.isfinite(mean).all():
            raise ValueError("the rows hold NaN or infinite entries; clean them first")
        # The centre in the dtype of the differences: float32 unless the rows have higher precision.
        self.centre = np.asarray(mean, np.result_type(array.dtype, np.float32))
        deviation = np.zeros(array.shape[1])
        radii = []
        for part in self._parts():
            for row in part:
                distance = np.abs(np.subtract(row, self.centre, dtype=np.float64))
                deviation += distance
                radii.append(distance.sum() if norm == Norm.L1 else math.sqrt(np.square(distance).sum()))
        radius = np.array(radii) * (1 + 1e-12)
        self.order = np.argsort(-radius, kind="stable")
        self.radius = radius[self.order]
        if radius.max() > 1e30 or 0 < radius.max() < 1e-25:
            raise ValueError(
                f"the rows lie {radius.max():.1e} from their mean, out of float32's reach; scale them first"
            )
        # Bounds use rows scaled to mean radius about 1; `factor` converts squared distances back.
        deviation /= len(array)
        share = np.full_like(deviation, max(radius.mean(), _TINY) ** 2)
        if norm == Norm.L1:
            share = np.maximum(deviation, 1e-6 * deviation.mean() + _TINY) * share.max() ** 0.5
        self.weight = (1 / np.sqrt(share)).astype(np.float32)
        exact = 1 / np.square(self.weight, dtype=np.float64)
        self.blocks: dict[int, Block] = {}  # by first row
        self.sketch: Sketch | None = None
        if len(array) > _SMALL:
            sample = self._scaled(array[self.order[Sketch.sample_of(len(array))]])
            self.sketch = Sketch.build(sample, lambda: map(self._scaled, self._parts(1 << 23))).reordered(
                self.order
            )
        self.factor = float(exact.sum() if norm == Norm.L1 else exact.max()) * (1 + 1e-9)

    def fingerprint(self, tile: int) -> str:
        """Hash of all that determines the result and the search order; the radii represent the content."""
        what = f"{self.array.shape} {self.array.dtype} {self.norm} {tile} ".encode()
        return hashlib.sha256(what + self.order.tobytes() + self.radius.tobytes()).hexdigest()

    def block(self, where: slice) -> Block:
        """Rows in sorted order, prepared for bounding; the last two are cached."""
        block = self.blocks.pop(where.start, None)
        if block is None:
            block = Block.prepare(np.asarray(self.array[self.order[where]]), self.centre, self.weight)
            self._release()
        self.blocks = dict([*self.blocks.items()][-1:]) | {where.start: block}
        return block

    def first_guess(self) -> tuple[float, tuple[int, int]]:
        """Initial large distance: from the outermost row to the row farthest from it, and so on."""
        best, pair = 0.0, (int(self.order[0]), int(self.order[1]))
        start = pair[0]
        for _ in range(4):
            end, distance = self._farthest(start)
            if distance <= best:
                break
            best, pair, start = distance, (start, end), end
        return best, pair

    def search(self, first: slice, second: slice, state: _State) -> _State:
        """State after all pairs of two ranges of sorted rows, which are equal or disjoint."""
        if self.radius[first.start] + self.radius[second.start] < state.best:  # the largest radii
            return state
        if self.sketch is None:
            bounds = squared_bounds(self.block(first), self.block(second))
        else:
            bounds = self.sketch.squared_bounds(first, second)
        if first == second:
            bounds[np.tril_indices(len(bounds))] = -np.inf
        wanted = ~(bounds <= state.best**2 / self.factor)  # NaN counts as wanted
        few = self.sketch is not None and np.count_nonzero(wanted) < _FEW * wanted.size
        if few and self.norm == Norm.L2:
            return self._recheck(bounds, wanted, first.start, second.start, state)
        if not wanted.any():
            return state
        a, b = self.block(first), self.block(second)
        if not few and self.sketch is not None:
            bounds = squared_bounds(a, b)
        for i in range(0, bounds.shape[0], _SUBTILE):
            for j in range(0, bounds.shape[1], _SUBTILE):
                where = np.s_[i : i + _SUBTILE, j : j + _SUBTILE]
                part = bounds[where]
                chosen = wanted[where] & ~(part <= state.best**2 / self.factor)
                if not chosen.any():
                    continue
                if self.norm == Norm.L1:
                    part = l1_bounds(_part(a, i), _part(b, j), chosen)
                    chosen = ~(part <= state.best)
                state = self._recheck(part, chosen, first.start + i, second.start + j, state)
        return state

    def _recheck(
        self, bounds: NDArray[Any], wanted: NDArray[np.bool_], i0: int, j0: int, state: _State
    ) -> _State:
        """Exact distances of wanted pairs, in decreasing order of bound, while they can exceed the best."""
        i, j = np.nonzero(wanted)
        # float32 may overflow
        bound = np.nan_to_num(bounds[i, j].astype(np.float64), nan=np.inf, posinf=np.inf)
        for k in np.argsort(-bound):
            limit = bound[k] if self.norm == Norm.L1 else math.sqrt(bound[k] * self.factor)
            if limit <= state.best:
                break
            pair = (int(self.order[i0 + i[k]]), int(self.order[j0 + j[k]]))
            distance = self._distance(self.array[pair[0]], self.array[pair[1]])
            if distance > state.best:
                state = _State(state.blocks_done, distance, pair)
        return state

    def _farthest(self, start: int) -> tuple[int, float]:
        origin = np.array(self.array[start])
        distances = [self._distance(row, origin) for part in self._parts() for row in part]
        end = int(np.argmax(distances))
        return end, distances[end]

    def _distance(self, a: NDArray[Any], b: NDArray[Any]) -> float:
        difference = np.abs(np.subtract(a, b, dtype=np.float64))
        return float(difference.sum() if self.norm == Norm.L1 else math.sqrt(np.square(difference).sum()))

    def _scaled(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        return np.subtract(rows, self.centre, dtype=np.float64) * self.weight

    def _parts(self, entries: int = 1 << 25) -> Iterator[NDArray[Any]]:
        step = max(1, entries // self.array.shape[1])
        for start in range(0, len(self.array), step):
            yield self.array[start : start + step]
            self._release()

    def _release(self) -> None:
        """Return the pages of a memory map to the system; otherwise they count as memory of this process."""
        if (
            isinstance(self.array, np.memmap)
            and self.array.mode in ("r", "r+")
            and hasattr(mmap, "MADV_DONTNEED")
        ):
            self.array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def _part(block: Block, start: int) -> Block:
    where = slice(start, start + _SUBTILE)
    return Block(
        block.rows[where], block.scaled[where], block.squares[where], block.sums[where], block.sizes[where]
    )
