"""Games for additive noise: its law, and the bits of its floats."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from semveil.attacks.audit.bounds import Floats
from semveil.attacks.audit.game import Game
from semveil.attacks.audit.statistics import contrasts, finest_bit
from semveil.core.privacy import Guarantee

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
    gaussian: bool = False,
    share: float = 1.0,
) -> Game:
    """Does the noise keep its law? By the likelihood ratios of Laplace, K-norm and normal noise.

    Args:
        release: what is audited.
        inputs: two neighbouring records (n,).
        claim: what holds for them.
        widths: (n,) relative size of the noise in each coordinate, 0 where there is none (and the inputs agree).
        clipped: what the release makes of the inputs before noise, where it clips them first.
        gaussian: the claim is one of normal noise.
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
        width=len(first),
        noise_on=(first, second),
        gaussian=gaussian,
        share=share,
    )


def bits_game(
    target: str, release: Sampler, inputs: Sequence[Floats], claim: Guarantee, *, dtype: torch.dtype, share: float = 1.0
) -> Game:
    """Do the outputs' low bits show the input? One of the inputs should be 0, around which floats are finest."""
    precision = str(dtype).removeprefix("torch.")
    return Game(
        target,
        f"low bits of {precision} outputs",
        claim,
        draw_rows(release, inputs, dtype=dtype),
        lambda outputs: {"finest bit": finest_bit(outputs[:, 0])},
        width=len(inputs[0]),
        share=share,
    )


def draw_rows(
    release: Sampler, inputs: Sequence[Floats], *, dtype: torch.dtype = torch.float64
) -> Callable[[int, int], Floats]:
    """Releases of many copies of an input in one call, for what draws noise of its own for every row."""
    records = [torch.as_tensor(np.asarray(x, np.float64)).to(dtype) for x in inputs]
    return lambda world, count: release(records[world].expand(count, -1).clone()).double().numpy()
