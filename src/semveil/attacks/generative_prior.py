# SPDX-License-Identifier: Apache-2.0
"""Closed-box inversion with a generative prior, after the abstract of arXiv 2503.23103."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import require_pairs
from semveil.attacks.forward_model import ForwardModel
from semveil.attacks.mixture import MixturePrior
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


@dataclass(frozen=True)
class GenerativePrior:
    """Inversion with a forward model learnt from known pairs and a generative model of faces as prior.

    Starting from the Gaussian estimate, for decreasing noise sizes: denoise the codes by the model, then
    restore consistency with the signal, argmin |y - A x - b|^2_(V^-1) + |x - denoised|^2 / size^2. Only the
    abstract of the paper was available; here the generative model is the public generator with a Gaussian
    mixture as the distribution of its latents.

    Args:
        sizes: number of noise sizes.
    """

    sizes: int = 12

    name: ClassVar[str] = "generative-prior"
    knowledge: ClassVar[str] = (
        "the generator, public faces and a generative model of them, N known transmissions"
    )
    needs: ClassVar[tuple[str, ...]] = ("pairs",)

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        model = ForwardModel.fit(require_pairs(pairs, self.name), public)
        variance = model.variance(observation.code_variance)
        faces = MixturePrior.fit(public.latents, public.prior, rng=rng)
        estimate = public.prior.behind(observation.received, model.matrix, model.offset, variance).flatten(1)
        received = observation.received.flatten(1) - model.offset
        pull = (received / variance) @ model.matrix
        for size in (faces.spread * torch.logspace(0, -1.3, self.sizes)).tolist():
            weight, denoised = size**-2, faces.denoised(estimate, size)

            def normal(x: Tensor, weight: float = weight) -> Tensor:
                return ((x @ model.matrix.T) / variance) @ model.matrix + weight * x

            estimate = conjugate_gradients(normal, pull + weight * denoised, denoised)
        return public.box.clip(estimate.view_as(observation.received))


def conjugate_gradients(
    matrix: Callable[[Tensor], Tensor], target: Tensor, start: Tensor, *, steps: int = 15
) -> Tensor:
    """Solve A x = b for each row by conjugate gradients.

    Args:
        matrix: x -> A x on rows (B, n); A symmetric positive definite.
        target: b, (B, n).
        start: initial x, (B, n).
        steps: number of iterations.

    Returns:
        x, (B, n).

    Example:
        >>> conjugate_gradients(lambda x: 4 * x, torch.tensor([[8.0, 4.0]]), torch.zeros(1, 2))
        tensor([[2., 1.]])
    """
    x, residual = start, target - matrix(start)
    direction, power = residual, residual.square().sum(1, keepdim=True)
    for _ in range(steps):
        image = matrix(direction)
        step = power / (direction * image).sum(1, keepdim=True).clamp_min(1e-30)
        x, residual = x + step * direction, residual - step * image
        after = residual.square().sum(1, keepdim=True)
        direction, power = residual + after / power.clamp_min(1e-30) * direction, after
    return x
