# SPDX-License-Identifier: Apache-2.0
"""Exact unit vectors on a grid: directional laws by ball arithmetic, with certified rounding.

Additive noise can be rounded to a grid that contains all its sums; a sphere has no such grid. The ideal
vector is therefore drawn first, as balls around real numbers defined by infinite strings of random bits, and
then each coordinate is rounded to a public grid of the space around the sphere: post-processing of the ideal
law. Every decision, such as whether to accept a proposal or which cap to use, compares balls too. Where balls
overlap, more bits are drawn and the same decisions are repeated with smaller balls, so the integers follow
the law of round(Y / step) exactly, Y the ideal vector for x / ||x||.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import torch
from flint import arb
from torch import Tensor

from semveil.core.precision import working_precision
from semveil.mechanisms.exact.sampler import GUARD, WORD, Normals, Uniforms
from semveil.mechanisms.sphere.base import unit_rows

STEP = 2.0**-24  # of the grid: float32 represents all its points in [-1, 1]

Result = TypeVar("Result")


class Undecided(Exception):
    """Two balls overlap, so that more bits are needed to decide a comparison."""


class RandomBits:
    """Replayable sequence of random numbers: `rewind` restarts it, `extend` adds bits to all numbers."""

    def __init__(self) -> None:
        self._blocks: list[Uniforms | Normals] = []
        self._next = 0

    def rewind(self) -> None:
        """Restart the sequence."""
        self._next = 0

    def extend(self) -> None:
        """Draw further bits of all numbers so far."""
        for block in self._blocks:
            block.extend_all()

    def uniform(self) -> arb:
        """Enclosure of a number in (0, 1)."""
        return self._block(Uniforms, 1).ball(0)

    def exponential(self) -> arb:
        """Enclosure of a standard exponential number."""
        return self._block(Uniforms, 1).exponential(0)

    def normals(self, count: int) -> list[arb]:
        """Enclosures of further independent standard normal numbers.

        Args:
            count: number of enclosures.
        """
        block = self._block(Normals, count)
        return [n for pair in range(-(-count // 2)) for n in block.pair(pair)][:count]

    def _block(self, kind: type, count: int):  # type: ignore[no-untyped-def]
        if self._next == len(self._blocks):
            self._blocks.append(kind(count))
        self._next += 1
        return self._blocks[self._next - 1]


def evaluate_until_decided(draw: Callable[[RandomBits], Result]) -> Result:
    """Value of `draw` on infinitely long random numbers.

    It is evaluated with more and more bits until all comparisons are decided.

    Args:
        draw: function that takes its random numbers only from its argument and raises `Undecided` where balls
            overlap.

    Example:
        >>> evaluate_until_decided(lambda draws: certified_less(draws.uniform(), arb(1)))
        True
    """
    draws = RandomBits()
    precision = WORD + GUARD
    while True:
        draws.rewind()
        with working_precision(precision):
            try:
                return draw(draws)
            except Undecided:
                draws.extend()
        precision += WORD


def check_releasable(x: Tensor, dimension: int) -> None:
    """Check that x is a batch of unit vectors in float32 or float64.

    Args:
        x: (B, dimension) unit vectors, float32 or float64.
        dimension: required.

    Raises:
        ValueError: another dtype, or as for `unit_rows`.
    """
    unit_rows(x, dimension)
    if x.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"a release takes float32 or float64 vectors, got {x.dtype}; convert them first")


def certified_less(a: arb, b: arb) -> bool:
    """Decide a < b for all numbers in two balls.

    Args:
        a: left ball.
        b: right ball.

    Raises:
        Undecided: the balls overlap, so that more bits are needed.

    Example:
        >>> certified_less(arb(1), arb(2)), certified_less(arb(2), arb(1))
        (True, False)
    """
    if a < b:
        return True
    if a >= b:
        return False
    raise Undecided


def exact_uniform_cosine(draws: RandomBits, dimension: int) -> arb:
    """Enclosure of the cosine between a fixed vector and a uniform one.

    Args:
        draws: random bits.
        dimension: d, of the vectors.
    """
    normals = draws.normals(dimension)
    return normals[0] / _length(normals)


def release_around(x: Tensor, dimension: int, cosine: Callable[[RandomBits], arb]) -> Tensor:
    """Vectors at random cosines from the rows of x, otherwise uniform, rounded to multiples of 2^-24.

    Args:
        x: (B, dimension), float32 or float64, norms of 1 up to rounding; the law is that for x / ||x|| in
            real numbers.
        dimension: d, of the vectors.
        cosine: draws a cosine, of any law that does not depend on x.

    Returns:
        (B, d) in the dtype of x, norms within sqrt(d) 2^-25 of 1.

    Example:
        >>> release_around(torch.eye(4), 4, lambda draws: arb(1)).tolist() == torch.eye(4).tolist()
        True
    """
    check_releasable(x, dimension)
    rows = [evaluate_until_decided(partial(_rounded, row, cosine)) for row in x.detach().double().tolist()]
    return (torch.tensor(rows, dtype=torch.float64) * STEP).to(x.device, x.dtype).view(x.shape)


def _rounded(x: Sequence[float], cosine: Callable[[RandomBits], arb], draws: RandomBits) -> list[int]:
    length = _length([arb(v) for v in x])
    towards = [v / length for v in x]
    t = cosine(draws)
    normals = draws.normals(len(x))
    along = sum((n * v for n, v in zip(normals, towards, strict=True)), start=arb(0))
    across = [n - along * v for n, v in zip(normals, towards, strict=True)]
    stretch = (1 - t * t).sqrt() / _length(across)
    integers = [
        ((t * v + stretch * a) / STEP + 0.5).floor().unique_fmpz()
        for v, a in zip(towards, across, strict=True)
    ]
    decided = [int(k) for k in integers if k is not None]
    if len(decided) < len(x):
        raise Undecided
    return decided


def _length(vector: Sequence[arb]) -> arb:
    return sum((v * v for v in vector), start=arb(0)).sqrt()
