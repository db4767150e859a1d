# SPDX-License-Identifier: Apache-2.0
"""Games for keyed protection: the transmitted signal should have the same distribution for all inputs."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from semveil.audit.bounds import Floats
from semveil.audit.faults import (
    MIXED,
    PHOTO_SHARE,
    at_twice_the_budget,
    nonce_reused,
    norm_in_clear,
    photo_mixed_in,
)
from semveil.audit.game import Draw, Fault, Game, Law
from semveil.audit.statistics import coarse, contrasts, table_ratio
from semveil.privacy.guarantee import Guarantee


def comparison_statistics(outputs: Floats, first: Floats, second: Floats) -> dict[str, Floats]:
    """Contrasts, norm, correlation and first coordinate of outputs that are not the input plus known noise.

    Args:
        outputs: (N, n).
        first: (n,), input 0.
        second: (n,), input 1; it must differ from the first.

    Returns:
        (N,) values by the name of the statistic.
    """
    apart = first - second
    return {
        **contrasts(outputs, first, second),
        "norm": coarse(np.linalg.norm(outputs, axis=1)),
        "correlation": coarse(np.abs(outputs @ apart) / np.linalg.norm(apart)),
        "first coordinate": coarse(outputs[:, 0]),
    }


def hidden_game(
    target: str,
    pair: str,
    draw: Draw,
    inputs: Sequence[Floats],
    claim: Guarantee,
    *,
    measure: Callable[[Floats], Mapping[str, Floats]] | None = None,
    norms: Sequence[float] | None = None,
    doubled: Draw | None = None,
    law: Law | None = None,
    width: int | None = None,
    share: float = 1.0,
) -> Game:
    """Return a game on two inputs under keys that are new for every row.

    Where epsilon 0 is claimed, the planted faults are one key stream for all photos, 2 % of the photo mixed
    in, and the sealed norm in clear; otherwise the protection at twice the budget.

    Args:
        target: name of the audited target.
        pair: description of the two worlds.
        draw: function from input 0 or 1 and count to transmitted rows, whose first n columns are in the units
            of the inputs.
        inputs: two records (n,).
        claim: claim to test.
        measure: function from outputs to statistics; by default those of the first n columns.
        norms: norms of the inputs as sealed by the protection; None if it seals none.
        doubled: `draw` at twice the claimed epsilon; required if that is not 0.
        law: distribution of the outputs; None where it is not known.
        width: number of values that a draw holds in memory; n by default.
        share: fraction of the usual number of draws.
    """
    first, second = (np.asarray(x, np.float64) for x in inputs)
    n = len(first)
    faults: tuple[Fault, ...] = () if doubled is None else (at_twice_the_budget(doubled),)
    if claim.epsilon == 0:
        faults = (nonce_reused(draw), photo_mixed_in((first, second)))
        faults += () if norms is None else (norm_in_clear(norms, n),)
    return Game(
        target,
        pair,
        claim,
        draw,
        measure or (lambda outputs: comparison_statistics(outputs[:, :n], first, second)),
        faults=faults,
        law=law,
        width=width or n,
        share=share,
    )


def circle_game(
    target: str,
    draw: Callable[[int], np.ndarray],
    log_table: Floats,
    claim: Guarantee,
    *,
    doubled: Callable[[int], np.ndarray] | None = None,
    share: float = 1.0,
) -> Game:
    """Return a game on noise modulo L added to 0 or to L/2, with its exact log-likelihood ratio.

    Args:
        target: name of the audited target.
        draw: function from count to noise (count,) in 0..L-1.
        log_table: (L,) log-probability of each value.
        claim: claim for one number on the circle.
        doubled: noise at twice the claimed epsilon; required if that is not 0.
        share: fraction of the usual number of draws.
    """
    size = len(log_table)
    values = np.array([0]), np.array([size // 2])

    def ratio(outputs: Floats) -> dict[str, Floats]:
        points = outputs.astype(np.int64)
        likely = (
            {"likelihood ratio": coarse(table_ratio(points, *values, log_table))} if claim.epsilon else {}
        )
        return {
            **likely,
            "value": outputs[:, 0],
            "distance": np.abs((outputs[:, 0] + size // 2) % size - size // 2),
        }

    def at(noise: Callable[[int], np.ndarray]) -> Draw:
        return lambda world, count: (noise(count)[:, None] + values[world]) % size

    def mixed(world: int, outputs: Floats) -> Floats:
        """On the circle 2 % of the photo means 2 % of the draws that reveal it."""
        shown = np.arange(len(outputs)) % round(1 / PHOTO_SHARE) == 0
        return np.where(shown[:, None], values[world], outputs)

    faults: tuple[Fault, ...] = () if doubled is None else (at_twice_the_budget(at(doubled)),)
    if claim.epsilon == 0:
        faults = (nonce_reused(at(draw)), Fault(MIXED, change=mixed))
    return Game(target, "antipodal points of the circle", claim, at(draw), ratio, faults=faults, share=share)
