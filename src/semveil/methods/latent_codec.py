# SPDX-License-Identifier: Apache-2.0
"""Fixed-length codec of latents: uniform quantiser and entropy coding under the model's public prior."""

import math
from functools import lru_cache

import numpy as np
import torch
from flint import arb
from numpy.typing import NDArray
from torch import Tensor

from semveil.channels import MessageError
from semveil.channels.range_coder import TOTAL, UNIFORM, Decoder, Table, encode
from semveil.core.precision import working_precision
from semveil.models.face import FaceModel

OCTAVE = 8  # quantiser steps per factor of 2
COARSEST, FINEST = -5 * OCTAVE, 8 * OCTAVE  # log2 of 1 / step, in eighths; fits into one byte
LEAST_BYTES = 16
_REACH = 8.0  # deviations covered by a table; larger numbers are escaped
_NARROWEST = -3 * OCTAVE  # below an eighth of a step, only 0 has counts
_SPELT = 1 << 15  # offset of an escaped number, coded in 16 bits
_PRECISION = 96  # bits; floors of such numbers are the same on every machine


class LatentCodec:
    """Codec between latents (K, D) and bytes, as fine as the number of bytes allows.

    Every coordinate has the same step, so the error is spread evenly, like channel noise. Coordinate i is
    coded under a logistic law with the public prior's mean and standard deviation there, rounded to an eighth
    of an octave. The length is fixed, whatever the photo: the step is the finest that fits, and zeros fill
    the rest.

    Tables are computed from exactly rounded numbers, so that Alice's and Bob's are identical.

    Args:
        model: face model with a clip box and, optionally, a prior.

    Example:
        >>> from semveil.models.face import load_model
        >>> codec = LatentCodec(load_model())
        >>> codes = load_model().public_latents(1, rng=torch.Generator().manual_seed(0))[0]
        >>> data = codec.encode(codes, 700)
        >>> len(data), bool((codec.decode(data) - codes).abs().max() < 0.5)
        (700, True)
    """

    def __init__(self, model: FaceModel) -> None:
        self.box, self.shape = model.box, model.latent_shape
        lower, upper = (
            torch.as_tensor(bound, dtype=torch.float64) for bound in (model.box.lower, model.box.upper)
        )
        if model.prior is None:  # the box covers 99 % of all values
            self.mean = ((lower + upper) / 2).expand(self.shape)
            self.levels = _levels(
                ((upper - lower) / (2 * 2.5758)).square().expand(self.shape).flatten().numpy()[None]
            )
        else:
            self.mean = model.prior.mean.double()
            parts = torch.cat([model.prior.factors, model.prior.residual[None]]).double().square()
            self.levels = _levels(parts.flatten(1).numpy())

    def encode(self, codes: Tensor, size: int) -> bytes:
        """Encode latents with the finest step that fits into `size` bytes.

        Args:
            codes: (K, D), finite; clipped to the box.
            size: number of bytes, at least `LEAST_BYTES`.

        Raises:
            ValueError: the size is too small, or the codes have another shape.
        """
        if size < LEAST_BYTES or codes.shape != self.shape:
            raise ValueError(
                f"needs codes {self.shape} and {LEAST_BYTES} bytes or more, got {tuple(codes.shape)} and "
                f"{size}"
            )
        centred = (self.box.clip(codes.detach().cpu()).double() - self.mean).flatten().numpy()
        low, high, best = COARSEST, FINEST, b""
        while low <= high:  # finer steps take more bytes
            fineness = (low + high) // 2
            coded = self._code(centred, fineness)
            if len(coded) < size:
                best, low = bytes([fineness - COARSEST]) + coded, fineness + 1
            else:
                high = fineness - 1
        return best.ljust(size, b"\0")

    def decode(self, data: bytes) -> Tensor:
        """Decode latents (K, D) float32, within the box.

        Args:
            data: the bytes from `encode`.

        Raises:
            MessageError: no bytes, or a quantiser step that `encode` never uses.
        """
        fineness = data[0] + COARSEST if data else FINEST + 1
        if fineness > FINEST:
            raise MessageError("what was sealed are no latents")
        decoder, numbers = Decoder(data[1:]), []
        for table, reach in self._tables(fineness):
            symbol = decoder.next(table)
            numbers.append(symbol - reach if symbol <= 2 * reach else decoder.next(UNIFORM) - _SPELT)
        values = torch.tensor(numbers, dtype=torch.float64).view(self.shape) * _step(fineness) + self.mean
        return self.box.clip(values.float())

    def _code(self, centred: NDArray[np.float64], fineness: int) -> bytes:
        numbers = np.rint(centred / _step(fineness)).clip(-_SPELT, _SPELT - 1).astype(int).tolist()
        symbols = []
        for number, (table, reach) in zip(numbers, self._tables(fineness), strict=True):
            if abs(number) <= reach:
                symbols.append((number + reach, table))
            else:
                symbols += [(2 * reach + 1, table), (number + _SPELT, UNIFORM)]
        return encode(symbols)

    def _tables(self, fineness: int) -> list[tuple[Table, int]]:
        return [_table(max(int(level) + fineness, _NARROWEST)) for level in self.levels]


def _step(fineness: int) -> float:
    return 2.0 ** (-fineness / OCTAVE)


def _levels(variances: NDArray[np.float64]) -> NDArray[np.int64]:
    """log2 of standard deviations in eighths, (n,), at least 2^-8, from column sums of variances (R, n)."""
    with working_precision(_PRECISION):
        unit = arb(2).log() * 2 / OCTAVE
        sums = [max(math.fsum(column), 2.0**-16) for column in variances.T]
        return np.array([_floor(arb(s).log() / unit + 0.5) for s in sums])


def _floor(ball: arb) -> int:
    """Floor of a number that is precise enough to determine it."""
    whole = ball.floor().unique_fmpz()
    assert whole is not None
    return int(whole)


@lru_cache(maxsize=256)
def _table(level: int) -> tuple[Table, int]:
    """Counts of a logistic law of deviation 2^(level / 8) steps over -reach..reach and escape, and reach."""
    with working_precision(_PRECISION):
        deviation = arb(2) ** (arb(level) / OCTAVE)
        reach = min(max(1, math.ceil(_REACH * 2.0 ** (level / OCTAVE))), TOTAL // 8)
        rate = arb.pi() / (arb(3).sqrt() * deviation)
        free = TOTAL - (2 * reach + 2)  # every symbol has one count; the others follow the law
        ends = [free / (1 + (-(arb(2 * k + 1) / 2) * rate).exp()) for k in range(-reach - 1, reach + 1)]
        starts = [i + _floor(end - ends[0]) for i, end in enumerate(ends[1:], 1)]
    return Table((0, *starts, TOTAL)), reach
