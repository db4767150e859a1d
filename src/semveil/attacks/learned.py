# SPDX-License-Identifier: Apache-2.0
"""Networks trained on known pairs to invert the protection."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import require_pairs
from semveil.attacks.linear import linear_estimate
from semveil.attacks.networks import NetworkSettings, train_regressor
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge

SAME = NetworkSettings()
DEEP = NetworkSettings(hidden=(768, 768), steps=600)


@dataclass(frozen=True)
class LearnedSame:
    """Bob's architecture trained from scratch: one fully connected layer on the private block."""

    settings: NetworkSettings = SAME

    name: ClassVar[str] = "learned-same"
    knowledge: ClassVar[str] = "the generator, public faces, N known transmissions, Bob's architecture"
    needs: ClassVar[tuple[str, ...]] = ("pairs",)

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        pairs = require_pairs(pairs, self.name)
        centre = pairs.codes[:, public.private].mean(0)
        targets = (pairs.codes[:, public.private] - centre).flatten(1)
        fitted = train_regressor(
            pairs.received[:, public.private].flatten(1), targets, self.settings, rng=rng
        )
        codes = observation.received.clone()
        codes[:, public.private] = centre + fitted(codes[:, public.private].flatten(1)).unflatten(
            1, centre.shape
        )
        return public.box.clip(codes)


@dataclass(frozen=True)
class LearnedDeep:
    """Deeper network from all received codes to the residual of the linear attack on the private codes."""

    settings: NetworkSettings = DEEP

    name: ClassVar[str] = "learned-deep"
    knowledge: ClassVar[str] = "the generator, public faces, N known transmissions"
    needs: ClassVar[tuple[str, ...]] = ("pairs",)

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        pairs, private = require_pairs(pairs, self.name), public.private
        linear = linear_estimate(observation, public, pairs, rng=rng)
        known, codes = linear.known.flatten(1), linear.codes
        left_over = pairs.codes[:, private].flatten(1) - known
        network = train_regressor(
            torch.cat([pairs.received.flatten(1), known], 1), left_over, self.settings, rng=rng
        )
        attacked = torch.cat([observation.received.flatten(1), codes[:, private].flatten(1)], 1)
        codes[:, private] += network(attacked).unflatten(1, (len(private), -1))
        return public.box.clip(codes)
