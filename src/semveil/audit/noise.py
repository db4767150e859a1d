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

Sampler = Callable[[Tensor], Tensor]  # (B, n) records -> (B, n) outputs with independent noise in every row


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
    """Return a game on the distribution of additive noise, by the likelihood ratios of three kinds of noise.

    These are Laplace, K-norm and normal noise.

    Args:
        target: name of the audited target.
        pair: description of the two worlds.
        release: audited sampler.
        inputs: two neighbouring records (n,).
        claim: claim for these inputs.
        widths: (n,) relative size of the noise in each coordinate, 0 for coordinates without noise (where the
            inputs agree).
        clipped: the inputs after clipping, if the release clips them before noise.
        law: distribution of the outputs; None where it is not known.
        step: spacing of the output grid; None for no grid.
        gaussian: whether the claim is one of normal noise.
        share: fraction of the usual number of draws.
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
    """Return a game on the low bits of the outputs, which may reveal the input.

    One of the inputs should be 0, where floats are finest.

    Args:
        game: game on the same release; its claim, faults and statistics are used.
        release: audited sampler, from rows of the given dtype to outputs of that dtype.
        inputs: two neighbouring records (n,); those of `game`, if it has faults or a law.
        dtype: of the records and outputs.
        in_floats: the same law drawn in floating point; a planted fault that must be detected.
        share: fraction of the usual number of draws.
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
    """Return a sampler that releases many copies of an input in a single call.

    It suits mechanisms that draw independent noise for each row.

    Args:
        release: maps records (count, n) to outputs of the same shape.
        inputs: the two records, (n,) each.
        dtype: dtype of the records passed to `release`.

    Returns:
        Function from (world, count) to (count, n) float64.
    """
    records = [torch.as_tensor(np.asarray(x, np.float64)).to(dtype) for x in inputs]
    return lambda world, count: release(records[world].expand(count, -1).clone()).double().numpy()
