# SPDX-License-Identifier: Apache-2.0
"""Wiener estimation: the best linear estimate under a Gaussian prior of faces and the stated noise law."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import naive_decode
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


@dataclass(frozen=True)
class Denoise:
    """Wiener estimate E[x | y] under the Gaussian prior and stated noise, clipped to the public box.

    It minimises the mean squared error among linear estimates; Laplace noise enters with its variance 2 s^2.
    The output of a protection that adds no noise is treated as codes.
    """

    name: ClassVar[str] = "denoise"
    knowledge: ClassVar[str] = "the generator, public faces, the noise laws"
    needs: ClassVar[tuple[str, ...]] = ()

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        received = naive_decode(observation.received, public)
        variance = observation.code_variance.clone()
        variance[:, public.private] += 2 * (observation.noise_scale or 0.0) ** 2
        return public.box.clip(public.prior.posterior_mean(received, range(received.shape[1]), variance))
