# SPDX-License-Identifier: Apache-2.0
"""The paper's eavesdropper ([DPSC] Eq. 15)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import read_plainly
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


@dataclass(frozen=True)
class Direct:
    """What is heard goes into the generator as it is; she does not try anything."""

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
        return read_plainly(observation.received, public)
