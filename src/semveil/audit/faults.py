# SPDX-License-Identifier: Apache-2.0
"""Planted faults, which a game must detect before a `pass` means anything."""

from collections.abc import Callable, Sequence

import numpy as np

from semveil.audit.bounds import Floats
from semveil.audit.game import Draw, Fault
from semveil.privacy.gaussian_curve import gaussian_ratio
from semveil.privacy.guarantee import Guarantee

DOUBLED, REUSED, MIXED, NORM, FLOATS = (
    "epsilon doubled",
    "nonce reused",
    "2 % of the photo mixed in",
    "norm in clear",
    "noise in floats",
)
PHOTO_SHARE = 0.02


def noise_for_twice(claim: Guarantee, *, gaussian: bool = False) -> float:
    """Divisor of a mechanism's additive noise that doubles its epsilon.

    Laplace and K-norm noise: 2. Normal noise: the ratio of the two standard deviations at the claim's delta.

    Args:
        claim: claim with a finite epsilon.
        gaussian: whether the noise is normal; the claim's delta must be positive then.

    Example:
        >>> from semveil.privacy.guarantee import Basis
        >>> claim = Guarantee(1.0, "all", Basis.PROVED, delta=1e-5)
        >>> noise_for_twice(claim), round(noise_for_twice(claim, gaussian=True), 2)
        (2.0, 1.87)
    """
    assert claim.epsilon is not None
    if not gaussian:
        return 2.0
    return gaussian_ratio(claim.epsilon, claim.delta) / gaussian_ratio(2 * claim.epsilon, claim.delta)


def less_noise(clean: Sequence[Floats], factor: float, *, step: float | None = None) -> Fault:
    """Fault: additive noise divided by `factor`, which doubles epsilon, on the same grid as before.

    Args:
        clean: values before noise for either input, (n,) each; they occupy the first n columns of an output.
        factor: divisor of the noise, > 1.
        step: spacing of the grid; None for no grid.
    """

    def change(world: int, outputs: Floats) -> Floats:
        n = len(clean[world])
        changed = outputs.copy()
        changed[:, :n] = on_grid(clean[world] + (outputs[:, :n] - clean[world]) / factor, step)
        return changed

    return Fault(DOUBLED, change=change)


def on_grid(values: Floats, step: float | None) -> Floats:
    """Round values to multiples of a step, so that a fault is not detected by its grid alone.

    Args:
        values: of any shape.
        step: spacing of the grid; None leaves the values unchanged.

    Example:
        >>> on_grid(np.array([0.3, 0.7]), 0.5).tolist()
        [0.5, 0.5]
    """
    return values if step is None else np.round(values / step) * step


def photo_mixed_in(inputs: Sequence[Floats], share: float = PHOTO_SHARE) -> Fault:
    """Fault: part of the input leaks into the first columns of the output, which should not depend on it.

    Args:
        inputs: the two inputs, (n,) each.
        share: weight of the input in [0, 1]; the output has the remaining weight.
    """

    def change(world: int, outputs: Floats) -> Floats:
        n = len(inputs[world])
        changed = outputs.copy()
        changed[:, :n] = (1 - share) * outputs[:, :n] + share * inputs[world]
        return changed

    return Fault(MIXED, change=change)


def norm_in_clear(norms: Sequence[float], columns: int) -> Fault:
    """Fault: the first columns are multiplied by the norm of the input, which should be encrypted.

    Args:
        norms: norms of the two inputs.
        columns: number of columns.
    """

    def change(world: int, outputs: Floats) -> Floats:
        changed = outputs.copy()
        changed[:, :columns] *= norms[world]
        return changed

    return Fault(NORM, change=change)


def nonce_reused(draw: Draw) -> Fault:
    """Fault: every draw for an input repeats the first one, as with a key stream that is reused.

    Args:
        draw: sampler of the sound protection, (world, count) -> (count, n).
    """
    first: dict[int, Floats] = {}

    def again(world: int, count: int) -> Floats:
        if world not in first:
            first[world] = np.asarray(draw(world, 1), np.float64)
        return np.repeat(first[world], count, axis=0)

    return Fault(REUSED, draw=again)


def at_twice_the_budget(draw: Callable[[int, int], Floats]) -> Fault:
    """Fault: the protection is calibrated to twice the claimed epsilon.

    Args:
        draw: sampler of that protection, (world, count) -> (count, n).
    """
    return Fault(DOUBLED, draw=draw)
