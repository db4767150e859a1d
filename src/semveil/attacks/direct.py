# SPDX-License-Identifier: Apache-2.0
"""Naive decoding, the paper's passive eavesdropper ([DPSC] Eq. 15)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import naive_decode
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


@dataclass(frozen=True)
class Direct:
    """Naive decoding: the received codes are passed to the generator unchanged."""

    name: ClassVar[str] = "direct"
    knowledge: ClassVar[str] = "the generator"
    needs: ClassVar[tuple[str, ...]] = ()

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        return naive_decode(observation.received, public)
