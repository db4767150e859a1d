# SPDX-License-Identifier: Apache-2.0
"""The inputs of an attack: received signal, public knowledge, and known earlier transmissions.

An attack gets these values and nothing else; none of them contains the clean latents under attack.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from semveil.attacks.gaussian import GaussianPrior
from semveil.mechanisms import ClipBox


def _as_it_is(block: Tensor) -> Tensor:
    return block


@dataclass(frozen=True, eq=False)
class PublicKnowledge:
    """Public knowledge under the threat model (Kerckhoffs: everything except the key).

    Args:
        private_codes: 0-based indices of the m protected codes, ascending.
        box: public clip bounds of the latents.
        latents: (N, K, D) latents of public faces (never of the photos under attack), N > 1, K > 1; clipped
            here.
        synthesize: the generator, (B, K, D) -> images (B, 3, H, W).
        interpret: decodes a received private block (B, m, D) without a key, in latent units; the identity by
            default.

    Raises:
        ValueError: the latents are not a batch of K codes, or the private codes are not ascending indices.
    """

    private_codes: Sequence[int]
    box: ClipBox
    latents: Tensor
    synthesize: Callable[[Tensor], Tensor]
    interpret: Callable[[Tensor], Tensor] = _as_it_is

    def __post_init__(self) -> None:
        if self.latents.ndim != 3 or min(self.latents.shape[:2]) < 2:
            raise ValueError(f"public latents must be (N > 1, K > 1, D), got {tuple(self.latents.shape)}")
        codes = tuple(self.private_codes)
        if (
            not codes
            or list(codes) != sorted(set(codes))
            or not 0 <= codes[0] <= codes[-1] < self.latents.shape[1]
        ):
            raise ValueError(
                f"private codes must be ascending indices in 0..{self.latents.shape[1] - 1}, got {codes}"
            )
        object.__setattr__(self, "private_codes", codes)
        object.__setattr__(self, "latents", self.box.clip(self.latents))

    @property
    def private(self) -> list[int]:
        """Indices of the private codes."""
        return list(self.private_codes)

    @property
    def common(self) -> list[int]:
        """Indices of the common codes, which are transmitted in clear."""
        return [code for code in range(self.latents.shape[1]) if code not in self.private_codes]

    @cached_property
    def prior(self) -> GaussianPrior:
        """Gaussian model of the public latents, fitted once."""
        return GaussianPrior.fit(self.latents)


@dataclass(frozen=True, eq=False)
class Observation:
    """The signal that Eve receives for B photos.

    Args:
        received: (B, K, D) reals, unpacked and denormalised by the gains, which are transmitted in clear; no
            other step is undone.
        noise_variance: (B,), or (B, K) for gains that differ between codes: channel noise variance per real
            coordinate of `received`, sigma^2 / (2 g^2) for noise power sigma^2 per complex symbol and gain g.
        noise_scale: scale of genuine Laplace noise on the private codes; None if none was added.
        repeats: (S, B, K, D) further transmissions of the same photos, with noise of the same law; None for a
            single transmission.
        recordings: (N, K, D) transmissions of other photos, which Eve does not know; None for none.

    Raises:
        ValueError: inconsistent shapes, or a variance or scale that is negative or not finite.
    """

    received: Tensor
    noise_variance: Tensor
    noise_scale: float | None = None
    repeats: Tensor | None = None
    recordings: Tensor | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.received.shape)
        if len(shape) != 3:
            raise ValueError(f"received must be (B, K, D), got {shape}")
        if tuple(self.noise_variance.shape) not in (shape[:1], shape[:2]):
            raise ValueError(
                f"noise_variance must be {shape[:1]} or {shape[:2]}, got {tuple(self.noise_variance.shape)}"
            )
        if not bool((self.noise_variance.isfinite() & (self.noise_variance >= 0)).all()):
            raise ValueError("noise_variance must be finite and >= 0")
        if self.noise_scale is not None and not 0 < self.noise_scale < float("inf"):
            raise ValueError(
                f"noise_scale must be finite and > 0, or None for no Laplace noise; got {self.noise_scale}"
            )
        if self.repeats is not None and tuple(self.repeats.shape[1:]) != shape:
            raise ValueError(
                f"repeats must be (S, {', '.join(map(str, shape))}), got {tuple(self.repeats.shape)}"
            )
        if self.recordings is not None and tuple(self.recordings.shape[1:]) != shape[1:]:
            raise ValueError(
                f"recordings must be (N, {shape[1]}, {shape[2]}), got {tuple(self.recordings.shape)}"
            )

    @property
    def shots(self) -> Tensor:
        """All transmissions of the photos, (S + 1, B, K, D)."""
        first = self.received[None]
        return first if self.repeats is None else torch.cat([first, self.repeats])

    @property
    def code_variance(self) -> Tensor:
        """Channel noise variance per code, (B, K)."""
        variance = self.noise_variance if self.noise_variance.ndim == 2 else self.noise_variance[:, None]
        return variance.expand(self.received.shape[:2]).to(self.received)


@dataclass(frozen=True, eq=False)
class KnownPairs:
    """Earlier transmissions whose photos Eve knows (chosen or known plaintext).

    Args:
        received: (N, K, D), as in `Observation`.
        codes: (N, K, D), their clipped latents; the photos may be among the public ones.
        noise_variance: (N,) or (N, K) channel noise variance of each, as in `Observation`; None for equal
            noise.

    Raises:
        ValueError: fewer than two pairs, or different shapes.
    """

    received: Tensor
    codes: Tensor
    noise_variance: Tensor | None = None

    def __post_init__(self) -> None:
        if self.received.ndim != 3 or self.received.shape != self.codes.shape or len(self.codes) < 2:
            shapes = f"{tuple(self.received.shape)} and {tuple(self.codes.shape)}"
            raise ValueError(f"known pairs must be two tensors (N > 1, K, D) of one shape, got {shapes}")
        variance = self.noise_variance
        if variance is not None and tuple(variance.shape) not in (self.codes.shape[:1], self.codes.shape[:2]):
            raise ValueError(
                f"noise_variance must be of shape {tuple(self.codes.shape[:2])}, got {tuple(variance.shape)}"
            )

    @property
    def code_variance(self) -> Tensor:
        """Channel noise variance per code, (N, K); zeros if unknown."""
        if self.noise_variance is None:
            return self.received.new_zeros(self.received.shape[:2])
        variance = self.noise_variance if self.noise_variance.ndim == 2 else self.noise_variance[:, None]
        return variance.expand(self.received.shape[:2]).to(self.received)

    def __len__(self) -> int:
        return len(self.codes)

    def first(self, count: int) -> "KnownPairs":
        """Return the first `count` pairs.

        Args:
            count: number of pairs, >= 2.

        Raises:
            ValueError: fewer than two pairs remain.
        """
        variance = None if self.noise_variance is None else self.noise_variance[:count]
        return KnownPairs(self.received[:count], self.codes[:count], variance)
