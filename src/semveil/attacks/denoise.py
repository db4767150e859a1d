# SPDX-License-Identifier: Apache-2.0
"""Clip and denoise: the best linear estimate under what is known of faces and of the noise."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import read_plainly
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


@dataclass(frozen=True)
class Denoise:
    """Wiener estimate E[x | y] under the Gaussian prior, noise as stated, then clipped to the public box.

    The mean square error is the least of all linear estimates; Laplace noise counts with its variance 2 s^2. A protection
    that is not noise is taken for codes.
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
        heard = read_plainly(observation.received, public)
        variance = observation.code_variance.clone()
        variance[:, public.private] += 2 * (observation.noise_scale or 0.0) ** 2
        return public.box.clip(public.prior.posterior_mean(heard, range(heard.shape[1]), variance))
