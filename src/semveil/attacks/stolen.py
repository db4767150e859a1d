# SPDX-License-Identifier: Apache-2.0
"""Attack with a stolen deprotection network or a stolen key: Eve has Bob's secret."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import impute_from_common
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


@dataclass(frozen=True)
class Stolen:
    """Deprotect with Bob's own network or key, denoise the common codes, and clip all codes to the box.

    Args:
        deprotect: received private block (B, m, D) -> (B, m, D); a fixed map, so one theft suffices.
    """

    deprotect: Callable[[Tensor], Tensor]

    name: ClassVar[str] = "stolen"
    knowledge: ClassVar[str] = "the generator, public faces, Bob's deprotection network"
    needs: ClassVar[tuple[str, ...]] = ("deprotect",)

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        received, private = observation.received, public.private
        codes = impute_from_common(received, observation.code_variance, public)
        codes[:, private] = self.deprotect(received[:, private])
        return public.box.clip(codes)
