# SPDX-License-Identifier: Apache-2.0
"""Public space in which private blocks are rotated: centre, linear map and law of the norm."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from semveil.mechanisms import ClipBox

# least noise for Bob, for models whose card names none; faces-128 has 1 (benchmarks/keyed.py)
DEFAULT_WHITENING = 0.5
# logistic scale of the log norm; the levels then span a factor of 6 either way
NORM_SCALE = 0.08
LEVELS = 1 << 32


@dataclass(frozen=True, eq=False)
class RotationSpace:
    """Coordinates u = C^(-a/2) (x - mean) of a private block x, with a public covariance C.

    C = s^2 I + U' diag(l) U. With a = 0 blocks are rotated in latent units, with a = 1 in whitened
    coordinates, where a random direction is a typical sample of the public law. The space does not depend on
    the protected photo.

    Attributes:
        mean: (m, D) public centre.
        directions: (R, m * D) orthonormal U.
        along: (R,) standard deviation sqrt(s^2 + l) along each direction.
        across: s, standard deviation in every other direction.
        whitening: a, 0 to 1.
        signal: root mean square per coordinate of the transmitted block, in latent units.
        digest: SHA-256 over the inputs of the space (64 hex digits).
    """

    mean: Tensor
    directions: Tensor
    along: Tensor
    across: float
    whitening: float
    signal: float
    digest: str

    @classmethod
    def from_prior(
        cls,
        mean: Tensor,
        factors: Tensor,
        residual: Tensor,
        codes: Sequence[int],
        *,
        whitening: float = DEFAULT_WHITENING,
    ) -> "RotationSpace":
        """Space of the private codes under a Gaussian prior of all latents.

        The residual variances are replaced by their mean, so that powers of the covariance take O(R n) and no
        n x n matrix. The root mean square of the transmitted block is that of the prior's latents, so that
        the common codes get the same share of power as without protection.

        Args:
            mean: (K, D) mean of the prior.
            factors: (R, K, D) principal directions times their standard deviation.
            residual: (K, D) standard deviation beyond the factors.
            codes: private code indices.
            whitening: a, 0 to 1.

        Raises:
            ValueError: whitening out of range.

        Example:
            >>> prior = torch.zeros(3, 2), torch.tensor([[[3.0, 0], [0, 0], [0, 0]]]), torch.ones(3, 2)
            >>> space = RotationSpace.from_prior(*prior, codes=[0, 1], whitening=1.0)
            >>> space.to_coordinates(torch.ones(1, 2, 2))
            tensor([[0.3162, 1.0000, 1.0000, 1.0000]], dtype=torch.float64)
        """
        if not 0 <= whitening <= 1:
            raise ValueError(f"whitening must lie in 0..1, got {whitening}")
        chosen = list(codes)
        mean, factors, residual = (
            t.detach().cpu().double().contiguous()
            for t in (mean[chosen], factors[:, chosen], residual[chosen])
        )
        _, values, directions = torch.linalg.svd(factors.flatten(1), full_matrices=False)
        across = float(residual.square().mean().sqrt())
        variance = factors.square().sum(0).mean() + across**2
        digest = _digest("prior", chosen, whitening, mean, factors, residual)
        signal = float((mean.square().mean() + variance).sqrt())
        return cls(
            mean, directions, (values.square() + across**2).sqrt(), across, float(whitening), signal, digest
        )

    @classmethod
    def from_box(cls, box: ClipBox, shape: tuple[int, int]) -> "RotationSpace":
        """Space in latent units around the centre of a clip box of 0.5 % and 99.5 % quantiles.

        For models of which only the box is public.

        Args:
            box: one pair of bounds for all coordinates.
            shape: (m, D) of the private block.
        """
        lower, upper = float(box.lower), float(box.upper)
        centre, deviation = (lower + upper) / 2, (upper - lower) / (2 * 2.5758)
        mean = torch.full(shape, centre, dtype=torch.float64)
        empty = torch.empty(0, mean.numel(), dtype=torch.float64)
        digest = _digest("box", shape, 0.0, torch.tensor([lower, upper], dtype=torch.float64))
        return cls(
            mean,
            empty,
            torch.empty(0, dtype=torch.float64),
            deviation,
            0.0,
            math.hypot(centre, deviation),
            digest,
        )

    @property
    def dimension(self) -> int:
        return self.mean.numel()

    @property
    def usual_norm(self) -> float:
        """Root mean square of |u| under the public law."""
        rest = self.dimension - len(self.along)
        power = 2 * (1 - self.whitening)
        return math.sqrt(float((self.along**power).sum()) + rest * self.across**power)

    def to_coordinates(self, private: Tensor) -> Tensor:
        """u = C^(-a/2) (x - mean).

        Args:
            private: x, (B, m, D) blocks in latent units.

        Returns:
            u, (B, m * D), double precision.
        """
        return self.rescale((private.double().cpu() - self.mean).flatten(1), -self.whitening)

    def from_coordinates(self, u: Tensor) -> Tensor:
        """x = C^(a/2) u + mean, the inverse of `to_coordinates`.

        Args:
            u: (B, m * D).

        Returns:
            x, (B, m, D), double precision.
        """
        return self.rescale(u.double(), self.whitening).unflatten(1, self.mean.shape) + self.mean

    def to_sphere(self, private: Tensor) -> tuple[Tensor, Tensor]:
        """Direction and norm of u; the direction of u = 0 is the first unit vector.

        Args:
            private: (B, m, D) blocks in latent units.

        Returns:
            Unit vectors (B, m * D) and norms (B,), double precision.
        """
        u = self.to_coordinates(private)
        norms = u.norm(dim=1)
        return torch.where(
            norms[:, None] > 0, u / norms[:, None], torch.eye(1, self.dimension, dtype=u.dtype)
        ), norms

    def from_sphere(self, heard: Tensor, norms: Tensor) -> Tensor:
        """Blocks with given directions and norms, the inverse of `to_sphere`.

        Args:
            heard: (B, m * D) vectors; only their direction is used.
            norms: (B,) norms of u.

        Returns:
            (B, m, D), double precision.
        """
        lengths = heard.norm(dim=1).clamp_min(torch.finfo(torch.float64).tiny)
        return self.from_coordinates(heard * (norms / lengths)[:, None])

    def norm_level(self, norms: Tensor) -> Tensor:
        """Quantise norms to 2^32 public levels that are equally likely under a log-logistic law.

        Args:
            norms: (B,), >= 0.

        Returns:
            (B,) int64 in 0..2^32 - 1.
        """
        share = ((norms.double() / self.usual_norm).log() / NORM_SCALE).sigmoid()
        return (share * LEVELS).floor().clamp(0, LEVELS - 1).long()

    def norm_of_level(self, levels: Tensor) -> Tensor:
        """Dequantise levels; a uniformly random level gives a norm with the public law.

        Args:
            levels: (B,) integers in 0..2^32 - 1.

        Returns:
            (B,) norms, double precision.
        """
        return self.usual_norm * (NORM_SCALE * ((levels.double() + 0.5) / LEVELS).logit()).exp()

    def rescale(self, vectors: Tensor, power: float) -> Tensor:
        """Multiply each row by C^(power/2), C being the public covariance.

        Args:
            vectors: (B, m * D).
            power: exponent, of either sign.
        """
        floor = self.across**power
        inside = vectors @ self.directions.T
        return floor * vectors + (inside * (self.along**power - floor)) @ self.directions


def _digest(kind: str, what: Sequence[int], whitening: float, *tensors: Tensor) -> str:
    digest = hashlib.sha256(repr((kind, list(what), float(whitening), NORM_SCALE)).encode())
    for tensor in tensors:
        digest.update(repr(tuple(tensor.shape)).encode() + tensor.numpy().astype("<f8").tobytes())
    return digest.hexdigest()
