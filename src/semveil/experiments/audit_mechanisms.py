"""Games for the registered noise laws, as simulations draw them and as releases do."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.attacks.audit import Floats, Game, bits_game, law_game, repeat_game
from semveil.core.privacy import Guarantee, Norm, Sensitivity
from semveil.mechanisms import MECHANISMS, CoordinateSensitivity, Gaussian, Mechanism, Release

VECTOR_SHARE, EXACT_VECTOR_SHARE, EXACT_BITS_SHARE = 0.25, 0.05, 0.1  # exact noise costs microseconds a number


def simulated_games(name: str, epsilon: float, *, rng: torch.Generator | None = None) -> list[Game]:
    """Games for a registered mechanism calibrated to epsilon, drawn as in simulations.

    Args:
        name: in `MECHANISMS`.
        epsilon: to claim.
        rng: of the noise in the games for its law and bits; repetition is tried without, as a user would who gives none.
    """
    scalar, vector = _sensitivities(name)
    one, many = (MECHANISMS[name].calibrate(s, epsilon) for s in (scalar, vector))
    return _games(
        name,
        (one, one.guarantee(scalar), scalar, lambda x: one(x, rng=rng)),
        (many, many.guarantee(vector), vector, lambda x: many(x, rng=rng)),
        repeated=one,
        shares=(VECTOR_SHARE, 1.0),
    )


def release_games(name: str, epsilon: float) -> list[Game]:
    """Games for the same noise law as a release draws it, from the operating system's entropy."""
    scalar, vector = _sensitivities(name)
    one, many = (Release(MECHANISMS[name].calibrate(s, epsilon)) for s in (scalar, vector))
    return _games(
        f"release/{name}",
        (one.mechanism, one.guarantee(scalar), scalar, one),
        (many.mechanism, many.guarantee(vector), vector, many),
        repeated=one,
        shares=(EXACT_VECTOR_SHARE, EXACT_BITS_SHARE),
    )


_Case = tuple[Mechanism, Guarantee, Any, Callable[[Tensor], Tensor]]


def _games(
    target: str, scalar: _Case, vector: _Case, *, repeated: Callable[[Tensor], Tensor], shares: tuple[float, float]
) -> list[Game]:
    found = []
    for (mechanism, claim, sensitivity, release), share in ((scalar, 1.0), (vector, shares[0])):
        inputs = corners(sensitivity)
        n = len(inputs[0])
        found.append(
            law_game(
                target,
                "one number" if n == 1 else f"opposite corners of {n} numbers",
                release,
                inputs,
                claim,
                widths=np.broadcast_to(np.asarray(mechanism.coordinate_std(n), np.float64), (n,)),
                gaussian=isinstance(mechanism, Gaussian),
                share=share,
            )
        )
    _, claim, sensitivity, release = scalar
    inputs = corners(sensitivity)
    for dtype in (torch.float32, torch.float64):
        found.append(bits_game(target, release, inputs, claim, dtype=dtype, share=shares[1]))
    records = [torch.from_numpy(x)[None] for x in inputs]

    def once(world: int) -> tuple[Floats, bytes]:
        return repeated(records[world])[0].numpy(), b""

    return [*found, repeat_game(target, once, inputs[1] - inputs[0], claim)]


def corners(sensitivity: Sensitivity | CoordinateSensitivity) -> tuple[Floats, Floats]:
    """Two records (n,) as far apart as the sensitivity allows, in equal steps of every coordinate; the first is 0.

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
    """Of one number, and of the mechanism's own example."""
    _, vector = MECHANISMS[name].example()
    if isinstance(vector, CoordinateSensitivity):
        return CoordinateSensitivity(vector.values.flatten()[:1], source=vector.source), vector
    return replace(vector, dimension=1), vector
