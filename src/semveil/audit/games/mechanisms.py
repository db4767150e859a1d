# SPDX-License-Identifier: Apache-2.0
"""Games for the registered noise distributions, as sampled in simulations and in releases."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.audit import Floats, Game, bits_game, law_game, repeat_game
from semveil.audit.laws import is_stated, noise_law, stated_scale
from semveil.audit.target import Target, register_targets
from semveil.mechanisms import (
    MECHANISMS,
    CoordinateSensitivity,
    ExactMechanism,
    ExactRelease,
    Gaussian,
    Mechanism,
)
from semveil.privacy.guarantee import Guarantee, Norm, Sensitivity

# exact noise costs microseconds per number
VECTOR_SHARE, EXACT_VECTOR_SHARE, EXACT_BITS_SHARE = 0.25, 0.05, 0.1
REPEAT_SHARE, REAL_SHARE = 0.02, 0.0002
REAL_SIZES = (448, 1792)  # numbers of the paper's seven codes, and of all codes, in faces-128

Sensitivities = Sensitivity | CoordinateSensitivity


@dataclass(frozen=True, eq=False)
class _Case:
    """Mechanism with its claim for one sensitivity.

    `release` is the audited sampler, `simulate` the same law in floating point.
    """

    mechanism: Mechanism
    claim: Guarantee
    sensitivity: Sensitivities
    release: Callable[[Tensor], Tensor]
    simulate: Callable[[Tensor], Tensor]
    step: float | None = None


@register_targets(position=1)
def mechanism_targets(model: str) -> dict[str, Target]:
    """Return the targets for every registered noise law, and for its exact release if it has one.

    Args:
        model: not used.
    """
    found = {}
    for name, law in MECHANISMS.items():
        found[name] = Target(partial(simulated_games, name))
        if isinstance(law.example()[0], ExactMechanism):
            found[f"release/{name}"] = Target(partial(release_games, name))
    return found


def simulated_games(name: str, epsilon: float, *, rng: torch.Generator | None = None) -> list[Game]:
    """Return the games for a registered mechanism calibrated to epsilon, sampled as in simulations.

    Args:
        name: in `MECHANISMS`.
        epsilon: claimed epsilon.
        rng: source of the noise in the games for law and bits; the game on repeated records passes none, as a
            user would by default.
    """

    def case(sensitivity: Sensitivities) -> _Case:
        mechanism = MECHANISMS[name].calibrate(sensitivity, epsilon)
        drawn = lambda x: mechanism(x, rng=rng)  # noqa: E731
        return _Case(mechanism, mechanism.guarantee(sensitivity), sensitivity, drawn, drawn)

    one, many = map(case, _sensitivities(name))
    return _games(name, one, many, repeated=one.mechanism, shares=(VECTOR_SHARE, 1.0))


def release_games(name: str, epsilon: float) -> list[Game]:
    """Return the games for a noise law sampled as in releases, including inputs as large as a photo's.

    Releases are exact and take their bits from the operating system.

    Args:
        name: of a registered mechanism with an exact sampler.
        epsilon: positive budget to calibrate for.
    """

    def case(sensitivity: Sensitivities) -> _Case:
        mechanism = MECHANISMS[name].calibrate(sensitivity, epsilon)
        release = ExactRelease(mechanism)
        return _Case(mechanism, release.guarantee(sensitivity), sensitivity, release, mechanism, release.step)

    one, many = map(case, _sensitivities(name))
    target = f"release/{name}"
    games = _games(target, one, many, repeated=one.release, shares=(EXACT_VECTOR_SHARE, EXACT_BITS_SHARE))
    real = [case(_of_size(name, numbers)) for numbers in REAL_SIZES]
    return [*games, *(_law_game(target, each, REAL_SHARE) for each in real)]


def _games(
    target: str, one: _Case, many: _Case, *, repeated: Callable[[Tensor], Tensor], shares: tuple[float, float]
) -> list[Game]:
    scalar = _law_game(target, one, 1.0)
    inputs = corners(one.sensitivity)
    bits = [
        bits_game(scalar, one.release, inputs, dtype=dtype, in_floats=one.simulate, share=shares[1])
        for dtype in (torch.float32, torch.float64)
    ]
    records = [torch.from_numpy(x)[None] for x in inputs]

    def once(world: int) -> tuple[Floats, bytes]:
        return repeated(records[world])[0].numpy(), b""

    return [
        scalar,
        _law_game(target, many, shares[0]),
        *bits,
        repeat_game(scalar, once, inputs, share=REPEAT_SHARE),
    ]


def _law_game(target: str, case: _Case, share: float) -> Game:
    inputs = corners(case.sensitivity)
    n = len(inputs[0])
    return law_game(
        target,
        "one number" if n == 1 else f"opposite corners of {n} numbers",
        case.release,
        inputs,
        case.claim,
        widths=np.broadcast_to(np.asarray(case.mechanism.coordinate_std(n), np.float64), (n,)),
        law=noise_law(case.mechanism.name, inputs, _stated(case), step=case.step)
        if is_stated(case.mechanism.name)
        else None,
        step=case.step,
        gaussian=isinstance(case.mechanism, Gaussian),
        share=share,
    )


def _stated(case: _Case) -> Floats | float:
    """Scales that the claim requires, from the sensitivity and the claim, not from the mechanism."""
    claim, sensitivity = case.claim, case.sensitivity
    assert claim.epsilon is not None
    if isinstance(sensitivity, CoordinateSensitivity):  # uniform weights: every coordinate spends the same
        values = sensitivity.values.flatten().numpy()
        return values * (values > 0).sum() / claim.epsilon
    return stated_scale(case.mechanism.name, sensitivity.value, claim.epsilon, claim.delta)


def corners(sensitivity: Sensitivities) -> tuple[Floats, Floats]:
    """Return two records at the distance of the sensitivity, of which the first is 0.

    They differ equally in every coordinate, or by its own bound for coordinate sensitivities.

    Args:
        sensitivity: of the record; its norm must be L1 or L2, or it must be given by coordinate.

    Returns:
        Two arrays (n,).

    Example:
        >>> corners(Sensitivity(6.0, "l1", 3, source="an example"))[1].tolist()
        [2.0, 2.0, 2.0]
    """
    if isinstance(sensitivity, CoordinateSensitivity):
        far = sensitivity.values.flatten().numpy()
    else:
        n = sensitivity.dimension
        far = np.full(n, sensitivity.value / (n if sensitivity.norm == Norm.L1 else np.sqrt(n)))
    return np.zeros(len(far)), far


def _sensitivities(name: str) -> tuple[Any, Any]:
    """Sensitivities of one number, and of the mechanism's own example."""
    _, vector = MECHANISMS[name].example()
    return _of_size(name, 1), vector


def _of_size(name: str, numbers: int) -> Any:
    """Sensitivity of a mechanism's example, for the given number of coordinates."""
    _, vector = MECHANISMS[name].example()
    if isinstance(vector, CoordinateSensitivity):
        widths = vector.values.flatten()
        return CoordinateSensitivity(widths[torch.arange(numbers) % len(widths)], source=vector.source)
    return replace(vector, dimension=numbers)
