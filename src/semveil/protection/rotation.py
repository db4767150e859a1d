# SPDX-License-Identifier: Apache-2.0
"""Keyed rotation of the private block as a whole, for older messages.

New messages rotate each code separately (`code_rotation`), at a thirtieth of the cost.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semveil.keys.keystream import KeyStream
from semveil.mechanisms import ClipBox
from semveil.privacy.guarantee import Basis, Guarantee
from semveil.protection.haar import apply_haar, apply_haar_inverse, apply_haar_of, haar_normals
from semveil.protection.keyed import ASSUMPTIONS, KeyedBlock, check_side, check_streams
from semveil.protection.rotation_space import RotationSpace

FINE = 2.0**46  # integer steps per unit of sqrt(n) times a unit vector's coordinate
MASK_BITS = 43
MASK_TERMS = 4
# 0.072, against 1 for the signal: 0.02 dB of power
MASK_DEVIATION = math.sqrt(MASK_TERMS / 12) * 2.0**MASK_BITS / FINE
FISHER_INFORMATION = 3.12  # of a sum of four uniform variables on [0, 1]: 3.1157, rounded up
NORMALS_AT_ONCE = 1 << 22  # 32 MiB


class Rotation:
    """Keyed rotation of a whole block, with its norm as side information.

    A block x has coordinates u = W (x - mean). The transmitted block is t = sqrt(n) Q u / |u| + mask, times a
    public factor: Q is a Haar rotation and the mask a small integer noise (Irwin-Hall law on a fine grid),
    both drawn from the image's key stream. For ideal randomness sqrt(n) Q u / |u| is uniform on a sphere for
    every photo, so that the transmitted block is independent of the private one (epsilon 0). The mask extends
    this to floating-point arithmetic, up to `delta`: it hides errors much smaller than itself, and Bob
    subtracts it exactly. Proof: docs/guarantees.md.

    Args:
        space: public centre, map and norm law of these private codes.
        box: clip box, applied first; NaN and infinities are refused.

    Example:
        >>> from semveil.keys.keystream import KeyStream
        >>> rotation = Rotation(RotationSpace.from_box(ClipBox(-1.0, 1.0), (2, 8)), ClipBox(-1.0, 1.0))
        >>> block = torch.linspace(-1, 1, 16).view(1, 2, 8)
        >>> protected = rotation.protect(block, [KeyStream(bytes(32))])
        >>> bob = rotation.deprotect(protected.sent, protected.side, [KeyStream(bytes(32))])
        >>> torch.allclose(bob, block, atol=1e-3)
        True
    """

    name = "rotation"
    side_bytes = 4

    def __init__(self, space: RotationSpace, box: ClipBox) -> None:
        self.space, self.box = space, box
        # step of the fine grid, in the latent units of the transmitted block
        self._step = space.signal / math.hypot(1, MASK_DEVIATION) / FINE

    def parameters(self) -> dict[str, Any]:
        """Public settings, JSON-ready."""
        return {
            "protection": self.name,
            "space": self.space.digest,
            "bounds": [float(self.box.lower), float(self.box.upper)],
        }

    def protect(self, private: Tensor, streams: Sequence[KeyStream]) -> KeyedBlock:
        """Rotate the block; the side information is 4 bytes per image, for its norm.

        Args:
            private: (B, m, D) private block.
            streams: one key stream per image.

        Raises:
            KeyProblem: not exactly one stream per image.
            ValueError: an entry is NaN or infinite, or the shape is not that of the space.
        """
        self._check(private)
        check_streams(private, streams)
        directions, norms = self.space.to_sphere(self.box.clip(private))
        units = directions.numpy()
        sent = np.empty_like(units)
        for rows, mask, group in self._draws(streams):
            scaled = self._turn(group, units[rows]) * (math.sqrt(self.space.dimension) * FINE)
            sent[rows] = (np.rint(scaled).astype(np.int64) + mask) * self._step
        side = self.space.norm_level(norms).numpy().astype(">u4").tobytes()
        return KeyedBlock(torch.from_numpy(sent).view_as(private).to(private), side)

    def deprotect(self, received: Tensor, side: bytes, streams: Sequence[KeyStream]) -> Tensor:
        """Bob's recovery: subtract the mask, rotate back, scale to the known norm, and undo the map.

        Args:
            received: (B, m, D) received block, denormalised.
            side: side information of the B images.
            streams: one key stream per image, in the state in which Alice used them.

        Raises:
            KeyProblem: not exactly one stream per image, or side information of the wrong length.
            ValueError: the shape is not that of the space.
        """
        self._check(received)
        check_streams(received, streams)
        check_side(received, side, self.side_bytes)
        heard = received.detach().cpu().double().flatten(1).numpy()
        units = np.empty_like(heard)
        for rows, mask, group in self._draws(streams):
            units[rows] = self._turn(group, heard[rows] - mask * self._step, inverse=True)
        levels = torch.from_numpy(np.frombuffer(side, ">u4").astype(np.int64))
        return self.space.from_sphere(torch.from_numpy(units), self.space.norm_of_level(levels)).to(received)

    def interpret(self, received: Tensor) -> Tensor:
        """Interpretation without the key: the received direction, scaled to the root mean square norm.

        Args:
            received: (B, m, D) received block, denormalised.

        Raises:
            ValueError: the shape is not that of the space.
        """
        self._check(received)
        usual = torch.full((len(received),), self.space.usual_norm, dtype=torch.float64)
        return self.space.from_sphere(received.detach().cpu().double().flatten(1), usual).to(received)

    def guarantee(self, covers: str, *, not_covered: Sequence[str] = ()) -> Guarantee:
        """Computational guarantee for one image: epsilon 0, with the delta of the arithmetic.

        Args:
            covers: the protected part of the record, in words.
            not_covered: parts of the record that are transmitted unprotected, in words.
        """
        arithmetic = "IEEE double precision; its errors are in delta"
        return Guarantee(
            0.0, covers, Basis.COMPUTATIONAL, delta=self.delta, not_covered=tuple(not_covered),
            assumptions=(*ASSUMPTIONS, arithmetic),
        )  # fmt: skip

    @property
    def delta(self) -> float:
        """Upper bound on the total variation error of double precision.

        Step d of the rotation has an error of at most (6 d + 50) u |v|, in any order of summation, and of at
        most 950 u |v| on average from the errors of its normals (u = 2^-53); the sum E bounds the expected
        error of the unit vector. A shift of the mask by a vector h, in units of a term's range, changes its
        law by at most sqrt(I) |h| / 2 in total variation, I = 3.12 being the Fisher information of a sum of
        four uniforms. Two photos differ by at most twice that. The normals' polar method accepts points of a
        53-bit lattice instead of the disc, which costs at most 2^-51 for each of them.
        """
        n = self.space.dimension
        error = 2.0**-53 * (3 * n * (n + 1) + 1000 * n)
        shift = math.sqrt(n) * (error * FINE + 1) / 2.0**MASK_BITS
        return math.sqrt(FISHER_INFORMATION) * shift + haar_normals(n) * 2.0**-51

    def _draws(self, streams: Sequence[KeyStream]) -> Any:
        """Yield rows of images with masks (in fine steps) and streams, in groups of bounded memory."""
        n = self.space.dimension
        count = max(1, NORMALS_AT_ONCE // haar_normals(n))
        for first in range(0, len(streams), count):
            group = streams[first : first + count]
            masks = np.stack([draw_mask(stream, n) for stream in group])
            yield slice(first, first + len(group)), masks, group

    def _turn(
        self, streams: Sequence[KeyStream], vectors: NDArray[np.float64], *, inverse: bool = False
    ) -> Any:
        """Rotate vectors (B, n), each by the next normals of its stream; large ones one by one, in pieces."""
        count = haar_normals(vectors.shape[1])
        if count > NORMALS_AT_ONCE:
            turned = [
                apply_haar_of(s, vector, inverse=inverse) for s, vector in zip(streams, vectors, strict=True)
            ]
            return np.stack(turned)
        normals = np.stack([stream.normals(count) for stream in streams])
        return (apply_haar_inverse if inverse else apply_haar)(normals, vectors)

    def _check(self, block: Tensor) -> None:
        if block.shape[1:] != self.space.mean.shape:
            raise ValueError(
                f"this rotation is of blocks (B, {', '.join(map(str, self.space.mean.shape))}), got "
                f"{tuple(block.shape)}"
            )


def draw_mask(stream: KeyStream, n: int) -> NDArray[np.int64]:
    """Integer mask with Irwin-Hall law: centred sums of `MASK_TERMS` uniform integers of `MASK_BITS` bits.

    Args:
        stream: source of the mask; `MASK_TERMS` * n words are consumed.
        n: number of coordinates.

    Returns:
        (n,) int64.
    """
    terms = (
        (stream.integers(MASK_TERMS * n) >> np.uint64(64 - MASK_BITS)).astype(np.int64).reshape(MASK_TERMS, n)
    )
    return terms.sum(0) - MASK_TERMS * (1 << MASK_BITS) // 2
