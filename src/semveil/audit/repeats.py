# SPDX-License-Identifier: Apache-2.0
"""Games on two successive releases: the same photo again, or a different one."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from semveil.audit.bounds import Floats
from semveil.audit.faults import REUSED
from semveil.audit.game import Fault, Game, Law
from semveil.audit.statistics import coarse, contrasts

Once = Callable[[int], tuple[Floats, bytes]]


def repeat_game(
    game: Game,
    once: Once,
    inputs: Sequence[Floats],
    *,
    pair: str = "same record again or a different one",
    share: float = 0.02,
) -> Game:
    """Return a game on two releases, (x, x) against (x, x').

    Only the second release differs, so one release's claim must hold. Fresh randomness masks the difference
    of the two releases; repeated noise, keys or nonces expose it. Statistics: those of `game` for the second
    release, the contrasts of the difference, its length, the cosine of the two, and the number of equal
    sealed bytes. The planted faults are those of `game` (none where epsilon 0 is claimed) and a release whose
    randomness is a function of the record, so that the same record gives the same output again.

    Args:
        game: game on single releases, with the claim.
        once: function from input 0 or 1 to one release as a user makes it: an output as in `game`, and its
            sealed bytes.
        inputs: the two records (n,) as they appear in the first n columns of an output.
        pair: description of the two worlds.
        share: fraction of the usual number of draws.
    """
    n = len(inputs[0])
    shift = inputs[1] - inputs[0]
    length = float(np.linalg.norm(shift))

    def draw(world: int, count: int) -> Floats:
        return np.stack([_row(once(0), once(world)) for _ in range(count)])

    def measure(rows: Floats) -> dict[str, Floats]:
        before, after, sealed = _split(rows)
        second = {f"second: {name}": values for name, values in game.measure(after).items()}
        before, after = before[:, :n], after[:, :n]
        lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
        return {
            **second,
            **contrasts(after - before, np.zeros(n), shift),
            "gap": coarse(np.linalg.norm(after - before, axis=1) / length),
            "cosine": coarse((before * after).sum(1) / np.maximum(lengths, 1e-300)),
            "equal sealed bytes": sealed[:, 0],
        }

    def same_again(world: int, rows: Floats) -> Floats:
        if world == 1:
            return rows
        before, _, sealed = _split(rows)
        return np.column_stack([before, before, sealed[:, 1], sealed[:, 1]])

    inherited = tuple(_of_both(fault) for fault in game.faults) if game.claim.epsilon else ()
    return replace(
        game,
        pair=pair,
        draw=draw,
        measure=measure,
        faults=(*inherited, Fault(REUSED, change=same_again)),
        law=None if game.law is None else _of_the_second(game.law),
        width=2 * game.width + 2,
        gaussian=False,  # the difference of two releases has twice the variance
        share=share,
    )


def _row(first: tuple[Floats, bytes], second: tuple[Floats, bytes]) -> Floats:
    """Concatenate both outputs, the number of equal sealed bytes and their total number."""
    alike = sum(a == b for a, b in zip(first[1], second[1], strict=True))
    return np.concatenate([first[0], second[0], [alike, len(first[1])]])


def _split(rows: Floats) -> tuple[Floats, Floats, Floats]:
    middle = (rows.shape[1] - 2) // 2
    return rows[:, :middle], rows[:, middle:-2], rows[:, -2:]


def _of_both(fault: Fault) -> Fault:
    """Return a fault of single releases applied to both."""
    if fault.draw is not None:
        single = fault.draw
        return replace(
            fault,
            draw=lambda world, count: np.column_stack(
                [single(0, count), single(world, count), np.zeros((count, 2))]
            ),
        )
    assert fault.change is not None
    change = fault.change

    def changed(world: int, rows: Floats) -> Floats:
        before, after, sealed = _split(rows)
        return np.column_stack([change(0, before), change(world, after), sealed])

    return replace(fault, change=changed)


def _of_the_second(law: Law) -> Law:
    return replace(law, measure=lambda world, rows: law.measure(world, _split(rows)[1]))
