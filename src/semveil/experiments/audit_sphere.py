"""Games for the mechanisms on the unit sphere: opposite poles, and poles that are near each other."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from semveil.attacks.audit import Floats, Game, bits_game, contrasts, draw_rows, repeat_game
from semveil.attacks.audit.statistics import coarse
from semveil.core.privacy import Guarantee
from semveil.mechanisms import SPHERE_MECHANISMS

DIMENSION = 8  # fewer coordinates keep more of a vector at the same epsilon, so faults show sooner
NEAR = 0.1  # radians between the near poles
SHARE, REPEAT_SHARE = 0.25, 0.01
EXACT_SHARE, EXACT_REPEAT_SHARE = 0.02, 0.002  # exact vectors cost a third of a millisecond each


def sphere_games(name: str, epsilon: float, *, rng: torch.Generator | None = None) -> list[Game]:
    """Games for a mechanism calibrated to epsilon, drawn as in simulations.

    Args:
        name: in `SPHERE_MECHANISMS`.
        epsilon: to claim.
        rng: of the vectors; repetition is tried without, as a user would who gives none.
    """
    mechanism = SPHERE_MECHANISMS[name].calibrate(DIMENSION, epsilon)
    return _games(
        f"sphere/{name}",
        lambda x: mechanism(x, rng=rng),
        mechanism,
        mechanism.guarantee(),
        density=getattr(mechanism, "log_density", None),
        shares=(SHARE, REPEAT_SHARE),
    )


def sphere_release_games(name: str, epsilon: float) -> list[Game]:
    """Games for the same law as a release draws it, from the operating system's entropy."""
    mechanism = SPHERE_MECHANISMS[name].calibrate(DIMENSION, epsilon)
    return _games(
        f"release/sphere/{name}",
        mechanism.release,
        mechanism.release,
        mechanism.guarantee(exact=True),
        density=getattr(mechanism, "log_density", None),
        shares=(EXACT_SHARE, EXACT_REPEAT_SHARE),
    )


def _games(
    target: str,
    release: Callable[[Tensor], Tensor],
    repeated: Callable[[Tensor], Tensor],
    claim: Guarantee,
    *,
    density: Callable[[Floats], Floats] | None,
    shares: tuple[float, float],
) -> list[Game]:
    """Opposite poles, near poles, low bits, and the same record again.

    Args:
        release: unit vectors (B, 8) -> outputs, every row on its own.
        repeated: the same without a seed.
        claim: what is said to hold.
        density: logarithm of the claimed density by cosine, where it is known: its ratio is the best statistic.
        shares: of the draws, for single outputs and for pairs.
    """
    north, south, near = poles()

    def measure(outputs: Floats, other: Floats) -> dict[str, Floats]:
        found = contrasts(outputs, north, other)
        if density is not None:
            found["likelihood"] = coarse(density(outputs @ north) - density(outputs @ other))
        return found

    found = [
        Game(
            target,
            pair,
            claim,
            draw_rows(release, (north, other)),
            partial(measure, other=other),
            width=DIMENSION,
            share=shares[0],
        )
        for pair, other in (("opposite poles", south), ("near poles", near))
    ]
    across = np.roll(north, 1)  # its first coordinate is 0, around which floats are finest
    for dtype in (torch.float32, torch.float64):
        found.append(bits_game(target, release, (across, north), claim, dtype=dtype, share=shares[0]))
    records = [torch.from_numpy(x)[None] for x in (north, south)]

    def once(world: int) -> tuple[Floats, bytes]:
        return repeated(records[world])[0].numpy(), b""

    return [*found, repeat_game(target, once, south - north, claim, share=shares[1])]


def poles() -> tuple[Floats, Floats, Floats]:
    """A unit vector (8,), its opposite, and one 0.1 radians from it.

    Example:
        >>> north, south, near = poles()
        >>> float(north @ south), round(float(north @ near), 3)
        (-1.0, 0.995)
    """
    north, near = np.zeros(DIMENSION), np.zeros(DIMENSION)
    north[0] = 1.0
    near[:2] = math.cos(NEAR), math.sin(NEAR)
    return north, -north, near
