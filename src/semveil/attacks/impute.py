# SPDX-License-Identifier: Apache-2.0
"""Imputation of private from common codes, the floor for any protection of the private block only."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import impute_from_common
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


@dataclass(frozen=True)
class Impute:
    """Posterior mean E[x_private | y_common] under the Gaussian prior; the private block is ignored."""

    name: ClassVar[str] = "impute"
    knowledge: ClassVar[str] = "the generator, public faces; of the signal only the common codes"
    needs: ClassVar[tuple[str, ...]] = ()

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        return public.box.clip(impute_from_common(observation.received, observation.code_variance, public))
