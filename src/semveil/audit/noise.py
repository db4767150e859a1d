# SPDX-License-Identifier: Apache-2.0
"""Games for additive noise: its distribution, and the low bits of floating-point outputs."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from semveil.audit.bounds import Floats
from semveil.audit.faults import FLOATS, less_noise, noise_for_twice
from semveil.audit.game import Fault, Game, Law
from semveil.audit.statistics import contrasts, finest_bit
from semveil.privacy.guarantee import Guarantee

Sampler = Callable[[Tensor], Tensor]  # (B, n) records -> (B, n) outputs, every row with noise of its own


def law_game(
    target: str,
    pair: str,
    release: Sampler,
    inputs: Sequence[Floats],
    claim: Guarantee,
    *,
    widths: Floats | None = None,
    clipped: Sequence[Floats] | None = None,
    law: Law | None = None,
    step: float | None = None,
    gaussian: bool = False,
    share: float = 1.0,
) -> Game:
    """Does the noise keep its law? By the likelihood ratios of Laplace, K-norm and normal noise.

    Args:
        target: what is audited, by name.
        pair: what the two worlds are, in words.
        release: what is audited.
        inputs: two neighbouring records (n,).
        claim: what holds for them.
        widths: (n,) relative size of the noise in each coordinate, 0 where there is none (and the inputs
            agree).
        clipped: what the release makes of the inputs before noise, where it clips them first.
        law: of the outputs, where it is known.
        step: of the grid that outputs lie on.
        gaussian: the claim is one of normal noise.
        share: of the usual number of draws.
    """
    first, second = (np.asarray(x, np.float64) for x in (clipped or inputs))
    noisy = np.ones(len(first), bool) if widths is None else np.asarray(widths) > 0
    shapes = None if widths is None else np.asarray(widths, np.float64)[noisy]

    def measure(outputs: Floats) -> dict[str, Floats]:
        return contrasts(outputs[:, noisy], first[noisy], second[noisy], widths=shapes)

    return Game(
        target,
        pair,
        claim,
        draw_rows(release, inputs),
        measure,
        faults=(less_noise((first, second), noise_for_twice(claim, gaussian=gaussian), step=step),)
        if claim.epsilon
        else (),
        law=law,
        width=len(first),
        gaussian=gaussian,
        share=share,
    )


def bits_game(
    game: Game,
    release: Sampler,
    inputs: Sequence[Floats],
    *,
    dtype: torch.dtype,
    in_floats: Sampler | None = None,
    share: float = 1.0,
) -> Game:
    """Do the outputs' low bits show the input? One of the inputs should be 0, around which floats are finest.

    Args:
        game: on the same release, whose claim, faults and statistics this game takes over.
        release: rows of the given type -> outputs of that type.
        inputs: two neighbouring records (n,); those of `game`, if it has faults or a law.
        dtype: of the records and outputs.
        in_floats: the same law drawn in floating point; a planted fault that must be caught.
        share: of the usual number of draws.
    """
    precision = str(dtype).removeprefix("torch.")

    def measure(outputs: Floats) -> dict[str, Floats]:
        return {**game.measure(outputs), "finest bit": finest_bit(outputs[:, 0])}

    faults = game.faults
    if in_floats is not None:
        faults = (*faults, Fault(FLOATS, draw=draw_rows(in_floats, inputs, dtype=dtype)))
    return replace(
        game,
        pair=f"low bits of {precision} outputs",
        draw=draw_rows(release, inputs, dtype=dtype),
        measure=measure,
        faults=faults,
        share=share,
    )


def draw_rows(
    release: Sampler, inputs: Sequence[Floats], *, dtype: torch.dtype = torch.float64
) -> Callable[[int, int], Floats]:
    """A sampler that releases many copies of an input in a single call, for mechanisms that draw independent
    noise for each row.

    Args:
        release: maps records (count, n) to outputs of the same shape.
        inputs: the two records, (n,) each.
        dtype: in which the records are passed.

    Returns:
        (world, count) -> (count, n) float64.
    """
    records = [torch.as_tensor(np.asarray(x, np.float64)).to(dtype) for x in inputs]
    return lambda world, count: release(records[world].expand(count, -1).clone()).double().numpy()
