# SPDX-License-Identifier: Apache-2.0
"""MAP search for latent codes given the received signal."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import naive_decode
from semveil.attacks.map_search import most_probable
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


@dataclass(frozen=True)
class PriorSearch:
    """MAP estimate from one transmission: Gaussian prior, clip box and the likelihood of the noise.

    Against Laplace noise that is wider than the codes it uses twice the information available to a linear
    estimate: the Fisher information of the law is 1 / s^2, its inverse variance 1 / (2 s^2). Against narrower
    noise the posterior mode is further off than the posterior mean of `denoise`, which is then the stronger
    attack.
    """

    name: ClassVar[str] = "prior-search"
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
        return search(observation.received[None], observation, public)


def search(shots: Tensor, observation: Observation, public: PublicKnowledge) -> Tensor:
    """MAP estimate of the codes under the noise laws of an observation.

    Args:
        shots: (S, B, K, D) received codes of S transmissions of the same photos.
        observation: provides the noise variance and the scale of the Laplace noise.
        public: provides prior, clip box and private codes.

    Returns:
        (B, K, D).
    """
    scale = torch.zeros(shots.shape[2], device=shots.device)
    scale[public.private] = observation.noise_scale or 0.0
    read = torch.stack([naive_decode(shot, public) for shot in shots])
    return most_probable(public.prior, public.box, read, observation.code_variance, scale)
