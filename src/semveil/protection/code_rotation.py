# SPDX-License-Identifier: Apache-2.0
"""Keyed rotation, code by code: each private code is rotated to a uniformly random direction of its own."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from torch import Tensor

from semveil.keys.keystream import KeyStream
from semveil.mechanisms import ClipBox
from semveil.privacy.guarantee import Basis, Guarantee
from semveil.protection.haar import apply_haar, apply_haar_inverse, haar_normals
from semveil.protection.keyed import ASSUMPTIONS, KeyedBlock, check_side, check_streams
from semveil.protection.linear_pass import linear_pass
from semveil.protection.rotation import FINE, FISHER_INFORMATION, MASK_BITS, MASK_DEVIATION, draw_mask
from semveil.protection.rotation_space import LEVELS, NORM_SCALE, RotationSpace

NORMALS_AT_ONCE = 1 << 22  # 32 MiB; one image of 28 codes of 512 numbers takes 3.7 million

# Bounds on the arithmetic, in units of 2^-53 (docs/guarantees.md, "Floating-point arithmetic").
STEP_ERROR = 151.0  # root mean square per step from step 5 on, due to its normals
FIRST_STEPS_ERROR = 2300.0  # mean, of steps 1 to 4 together


@dataclass(frozen=True, eq=False)
class CodeNorms:
    """Public law of the norms |u_k| of m codes: log-logistic, quantised to 2^32 equally likely levels.

    A norm below the lowest level is quantised to level 0 and dequantised to 0. The variance of the log is
    that of a gamma law with the mean and variance of |u_k|^2 under the space's covariance; real photos vary
    more, so the scale is at least `NORM_SCALE`.

    Attributes:
        usual: (m,) root mean square of the norms, median of the law.
        scale: (m,) logistic scale of the log.
    """

    usual: Tensor
    scale: Tensor

    @classmethod
    def of(cls, space: RotationSpace) -> "CodeNorms":
        """Norm law of the codes of a space, from public parameters only.

        Args:
            space: public centre and covariance.
        """
        codes, width = space.mean.shape
        power = 2 * (1 - space.whitening)
        floor = space.across**power
        along = space.along**power - floor
        parts = (
            space.directions.unflatten(1, (codes, width))
            if len(along)
            else space.directions.new_zeros(0, codes, width)
        )
        gram = torch.einsum("rkd,skd->krs", parts, parts)  # covariance of u_k: floor I + U_k' diag(along) U_k
        within = gram.diagonal(dim1=1, dim2=2) @ along
        mean = width * floor + within
        squares = width * floor**2 + 2 * floor * within + (gram.square() * along[:, None] * along).sum((1, 2))
        shape = mean.square() / (2 * squares)
        deviation = torch.from_numpy(np.sqrt(scipy.special.polygamma(1, shape.numpy()))) / 2
        return cls(mean.sqrt(), (deviation * math.sqrt(3) / math.pi).clamp_min(NORM_SCALE))

    @property
    def floor(self) -> Tensor:
        """Norms (m,) below which a code is transmitted as 0."""
        return self.usual * (self.scale * math.log(1 / (LEVELS - 1))).exp()

    def level(self, norms: Tensor) -> Tensor:
        """Quantise norms.

        Args:
            norms: (B, m), >= 0.

        Returns:
            (B, m) int64 levels in 0..2^32 - 1; 0 below the floor.
        """
        share = ((norms.double() / self.usual).log() / self.scale).sigmoid()
        return (share * LEVELS).floor().clamp(1, LEVELS - 1).long() * (norms >= self.floor)

    def norm(self, levels: Tensor) -> Tensor:
        """Dequantise levels; a uniformly random level gives a norm with the public law.

        Args:
            levels: (B, m) integers in 0..2^32 - 1.

        Returns:
            (B, m) norms, double precision; 0 for level 0.
        """
        norms = self.usual * (self.scale * ((levels.double() + 0.5) / LEVELS).logit()).exp()
        return norms * (levels > 0)


class CodeRotation:
    """Keyed rotation code by code, with the norms of the codes as side information.

    A block x has coordinates u = W (x - mean), with codes u_1..u_m. The transmitted block is t_k = r_k
    (sqrt(D) Q_k u_k / |u_k| + mask_k) for each code, where Q_k is an independent Haar rotation in D
    dimensions and mask_k a small integer noise, all drawn from the image's key stream. The radius r_k is
    public: a constant times the root mean square of |u_k| under the public prior. Power, gain and order of
    the transmitted block are thus independent of the photo, and for ideal randomness (t_1, .., t_m) is
    uniform on a product of spheres for every photo (epsilon 0). For a norm below a public floor, a rotated
    fixed unit vector is transmitted. Rounding is covered as in `Rotation`. Proof: docs/guarantees.md.

    Args:
        space: public centre and map of these private codes.
        box: clip box, applied first; NaN and infinities are refused.

    Example:
        >>> from semveil.keys.keystream import KeyStream
        >>> rotation = CodeRotation(RotationSpace.from_box(ClipBox(-1.0, 1.0), (2, 8)), ClipBox(-1.0, 1.0))
        >>> block = torch.linspace(-1, 1, 16).view(1, 2, 8)
        >>> protected = rotation.protect(block, [KeyStream(bytes(32))])
        >>> bob = rotation.deprotect(protected.sent, protected.side, [KeyStream(bytes(32))])
        >>> torch.allclose(bob, block, atol=1e-3), len(protected.side)
        (True, 8)
    """

    name = "rotation"

    def __init__(self, space: RotationSpace, box: ClipBox) -> None:
        self.space, self.box = space, box
        self.codes, self.width = space.mean.shape
        self.side_bytes = 4 * self.codes
        self.norms = CodeNorms.of(space)
        radii = self.norms.usual / self.norms.usual.square().mean().sqrt()
        # step of the fine grid for each code, in the latent units of the transmitted block
        self._step = (space.signal * radii / math.hypot(1, MASK_DEVIATION) / FINE).numpy()[:, None]

    def parameters(self) -> dict[str, Any]:
        """Public settings, JSON-ready."""
        bounds = [float(self.box.lower), float(self.box.upper)]
        return {"protection": self.name, "rotations": "code", "space": self.space.digest, "bounds": bounds}

    def protect(self, private: Tensor, streams: Sequence[KeyStream]) -> KeyedBlock:
        """Rotate the codes; the side information is 4 bytes per code, for its norm.

        Differentiable; the gradient treats the photo's norms and the public radii as constants.

        Args:
            private: (B, m, D) private block.
            streams: one key stream per image.

        Raises:
            KeyProblem: not exactly one stream per image.
            ValueError: an entry is NaN or infinite, or the shape is not that of the space.
        """
        self._check(private)
        check_streams(private, streams)
        clipped = self.box.clip(private)
        u = self.space.to_coordinates(clipped.detach()).unflatten(1, self.space.mean.shape)
        norms = u.norm(dim=2)
        first = torch.eye(1, self.width, dtype=u.dtype)
        small = (norms < self.norms.floor)[:, :, None]
        units = torch.where(small, first, u / norms.clamp_min(torch.finfo(u.dtype).tiny)[:, :, None]).numpy()
        sent, scale, kept = np.empty_like(units), math.sqrt(self.width) * FINE, []
        for rows, mask, normals in self._draws(streams):
            turned = apply_haar(normals, units[rows].reshape(-1, self.width)).reshape(units[rows].shape)
            sent[rows] = (np.rint(turned * scale).astype(np.int64) + mask) * self._step
            kept += [normals] if clipped.requires_grad else []
        side = self.norms.level(norms).numpy().astype(">u4").tobytes()

        def transpose(gradient: Tensor) -> Tensor:
            back = _turn(apply_haar_inverse, kept, gradient) * torch.from_numpy(self._step * scale)
            back = back / norms.clamp_min(torch.finfo(u.dtype).tiny)[:, :, None] * ~small
            return self.space.rescale(back.flatten(1), -self.space.whitening).view_as(gradient)

        return KeyedBlock(linear_pass(clipped, torch.from_numpy(sent).to(private), transpose), side)

    def deprotect(self, received: Tensor, side: bytes, streams: Sequence[KeyStream]) -> Tensor:
        """Bob's recovery: subtract the masks, rotate back, scale to the known norms, and undo the map.

        Differentiable; the gradient treats the norms as constants.

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
        heard, kept = received.detach().cpu().double().numpy(), []
        units = np.empty_like(heard)
        for rows, mask, normals in self._draws(streams):
            plain = (heard[rows] - mask * self._step).reshape(-1, self.width)
            units[rows] = apply_haar_inverse(normals, plain).reshape(units[rows].shape)
            kept += [normals] if received.requires_grad else []
        levels = torch.from_numpy(np.frombuffer(side, ">u4").astype(np.int64)).view(-1, self.codes)
        length = torch.from_numpy(np.linalg.norm(units, axis=2)).clamp_min(torch.finfo(torch.float64).tiny)
        stretch = (self.norms.norm(levels) / length)[:, :, None]

        def transpose(gradient: Tensor) -> Tensor:
            mapped = self.space.rescale(gradient.flatten(1).double().cpu(), self.space.whitening).view_as(
                gradient
            )
            return _turn(apply_haar, kept, mapped * stretch)

        read = self.space.from_coordinates((torch.from_numpy(units) * stretch).flatten(1))
        return linear_pass(received, read.to(received), transpose)

    def interpret(self, received: Tensor) -> Tensor:
        """Interpretation without the key: the received directions, scaled to the root mean square norms.

        Args:
            received: (B, m, D) received block, denormalised.

        Raises:
            ValueError: the shape is not that of the space.
        """
        self._check(received)
        heard = received.double().cpu()
        length = heard.norm(dim=2, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
        return self.space.from_coordinates((heard * (self.norms.usual[:, None] / length)).flatten(1)).to(
            received
        )

    def guarantee(self, covers: str, *, not_covered: Sequence[str] = ()) -> Guarantee:
        """Guarantee for all codes jointly: computational epsilon 0, with the delta of the arithmetic.

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
        """Upper bound on the total variation error of double precision, over all codes of an image.

        For code k the error of the rotated unit vector is at most a_k + b_k: the root mean square of a_k is
        at most (3 D (D + 1) + 202 D + 10) u, and b_k, from the first four steps, is at most 2,300 u on
        average, u = 2^-53. The norm of all codes' errors together is at most sqrt(m) times the first plus m
        times the second on average; the mask hides it as in `Rotation.delta`.
        """
        width = self.width
        steady = 2.0**-53 * (3 * width * (width + 1) + (51 + STEP_ERROR) * width + 10)
        rare = 2.0**-53 * FIRST_STEPS_ERROR
        shift = (
            math.sqrt(self.codes * width) * (steady * FINE + 1) + self.codes * math.sqrt(width) * rare * FINE
        )
        lattice = self.codes * haar_normals(width) * 2.0**-51
        return math.sqrt(FISHER_INFORMATION) * shift / 2.0**MASK_BITS + lattice

    def _draws(
        self, streams: Sequence[KeyStream]
    ) -> Iterator[tuple[slice, NDArray[np.int64], NDArray[np.float64]]]:
        """Yield rows of images with masks (b, m, D) in fine steps and normals (b * m, D (D + 1) / 2).

        The number of rows is limited so that memory stays bounded.
        """
        count, size = (
            max(1, NORMALS_AT_ONCE // (self.codes * haar_normals(self.width))),
            self.codes * self.width,
        )
        for first in range(0, len(streams), count):
            group = streams[first : first + count]
            masks = np.stack([draw_mask(stream, size) for stream in group]).reshape(
                -1, self.codes, self.width
            )
            drawn = [stream.normals(self.codes * haar_normals(self.width)) for stream in group]
            normals = drawn[0] if len(drawn) == 1 else np.concatenate(drawn)
            yield slice(first, first + len(group)), masks, normals.reshape(-1, haar_normals(self.width))

    def _check(self, block: Tensor) -> None:
        if block.shape[1:] != self.space.mean.shape:
            raise ValueError(
                f"this rotation is of blocks (B, {self.codes}, {self.width}), got {tuple(block.shape)}"
            )


def _turn(rotate: Any, normals: Sequence[NDArray[np.float64]], vectors: Tensor) -> Tensor:
    """Rotate the codes of (B, m, D) by stored rotations, in double precision."""
    flat = vectors.detach().cpu().double().numpy().reshape(-1, vectors.shape[2])
    return torch.from_numpy(rotate(np.concatenate(normals), flat)).view(vectors.shape)
