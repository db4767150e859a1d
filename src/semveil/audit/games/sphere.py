# SPDX-License-Identifier: Apache-2.0
"""Games for the mechanisms on the unit sphere, with antipodal and with nearby vectors."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.audit import (
    Floats,
    Game,
    at_twice_the_budget,
    bits_game,
    coarse,
    contrasts,
    draw_rows,
    repeat_game,
)
from semveil.audit.faults import on_grid
from semveil.audit.game import Draw
from semveil.audit.laws import cosine_law
from semveil.audit.target import Target, register_targets
from semveil.mechanisms import SPHERE_MECHANISMS, SphereMechanism
from semveil.mechanisms.exact.sphere import STEP
from semveil.privacy.guarantee import Guarantee

DIMENSION = 8  # low dimensions keep more of a vector at the same epsilon, so faults are detected sooner
NEAR = 0.1  # radians between the near poles
SHARE, REPEAT_SHARE = 0.25, 0.01
EXACT_SHARE, EXACT_REPEAT_SHARE = 0.04, 0.01  # exact vectors cost a tenth of a millisecond each


@register_targets(position=2)
def sphere_targets(model: str) -> dict[str, Target]:
    """Return the targets for every registered law on the sphere, and its exact release.

    Args:
        model: not used.
    """
    found = {}
    for name in SPHERE_MECHANISMS:
        found[f"sphere/{name}"] = Target(partial(sphere_games, name))
        found[f"release/sphere/{name}"] = Target(partial(sphere_release_games, name))
    return found


def sphere_games(name: str, epsilon: float, *, rng: torch.Generator | None = None) -> list[Game]:
    """Return the games for a mechanism calibrated to epsilon, sampled as in simulations.

    Args:
        name: in `SPHERE_MECHANISMS`.
        epsilon: claimed epsilon.
        rng: source of the vectors; the game on repeated records passes none, as a user would by default.
    """
    mechanism = SPHERE_MECHANISMS[name].calibrate(DIMENSION, epsilon)
    return _games(
        f"sphere/{name}",
        lambda x: mechanism(x, rng=rng),
        mechanism,
        mechanism,
        mechanism.guarantee(),
        epsilon,
        shares=(SHARE, REPEAT_SHARE),
    )


def sphere_release_games(name: str, epsilon: float) -> list[Game]:
    """Return the games for a law on the unit sphere, sampled as in releases.

    Releases take their bits from the operating system.

    Args:
        name: of a registered sphere mechanism with an exact sampler.
        epsilon: positive budget to calibrate for.
    """
    mechanism = SPHERE_MECHANISMS[name].calibrate(DIMENSION, epsilon)
    return _games(
        f"release/sphere/{name}",
        mechanism.release,
        mechanism.release,
        mechanism,
        mechanism.guarantee(exact=True),
        epsilon,
        step=STEP,
        shares=(EXACT_SHARE, EXACT_REPEAT_SHARE),
    )


def _games(
    target: str,
    release: Callable[[Tensor], Tensor],
    repeated: Callable[[Tensor], Tensor],
    mechanism: SphereMechanism,
    claim: Guarantee,
    epsilon: float,
    *,
    step: float | None = None,
    shares: tuple[float, float],
) -> list[Game]:
    """Games on opposite poles, near poles, low bits, and repeated records.

    The faults are simulated vectors at twice the budget. For two near poles and small epsilons no
    distinguishing game of this size detects them; the distribution of the cosine to the input does.

    Args:
        target: name of the audited target.
        release: function from unit vectors (B, 8) to outputs, independent in every row.
        repeated: the same without a seed.
        mechanism: claimed mechanism.
        claim: claim to test.
        epsilon: of the calibration.
        step: spacing of the output grid; None for no grid.
        shares: fractions of the draws, for single outputs and for pairs.
    """
    north, south, near = poles()
    doubled = type(mechanism).calibrate(DIMENSION, 2 * epsilon)
    faulty = torch.Generator().manual_seed(0)

    def on_the_grid(simulated: Draw, world: int, count: int) -> Floats:
        return on_grid(simulated(world, count), step)

    def pair(words: str, inputs: tuple[Floats, Floats]) -> Game:
        return Game(
            target,
            words,
            claim,
            draw_rows(release, inputs),
            partial(measure_sphere, mechanism, *inputs),
            faults=(
                at_twice_the_budget(
                    partial(on_the_grid, draw_rows(lambda x: doubled(x, rng=faulty), inputs))
                ),
            ),
            law=cosine_law(mechanism.name, DIMENSION, epsilon, inputs, step=step),
            width=DIMENSION,
            share=shares[0],
        )

    found = [pair("opposite poles", (north, south)), pair("near poles", (north, near))]
    across = np.roll(north, 1)  # its first coordinate is 0, where floats are finest
    beside = pair("low bits", (across, north))
    for dtype in (torch.float32, torch.float64):
        floats = None if step is None else mechanism
        found.append(
            bits_game(beside, release, (across, north), dtype=dtype, in_floats=floats, share=shares[0])
        )
    records = [torch.from_numpy(x)[None] for x in (north, south)]

    def once(world: int) -> tuple[Floats, bytes]:
        return repeated(records[world])[0].numpy(), b""

    return [*found, repeat_game(found[0], once, (north, south), share=shares[1])]


def measure_sphere(mechanism: Any, first: Floats, second: Floats, outputs: Floats) -> dict[str, Floats]:
    """Contrasts of the outputs between two unit vectors, and the log-likelihood ratio if available.

    Args:
        mechanism: claimed mechanism; its `log_density` is used if it has one.
        first: (d,) unit vector, input 0.
        second: (d,) unit vector, input 1.
        outputs: (count, d).

    Returns:
        (count,) values by the name of the statistic.
    """
    found = contrasts(outputs, first, second)
    density = getattr(mechanism, "log_density", None)
    if density is not None:
        found["likelihood"] = coarse(density(outputs @ first) - density(outputs @ second))
    return found


def poles() -> tuple[Floats, Floats, Floats]:
    """Return a unit vector (8,), its opposite, and one 0.1 radians from it.

    Example:
        >>> north, south, near = poles()
        >>> float(north @ south), round(float(north @ near), 3)
        (-1.0, 0.995)
    """
    north, near = np.zeros(DIMENSION), np.zeros(DIMENSION)
    north[0] = 1.0
    near[:2] = math.cos(NEAR), math.sin(NEAR)
    return north, -north, near
