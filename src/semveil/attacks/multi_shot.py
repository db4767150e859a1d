# SPDX-License-Identifier: Apache-2.0
"""Joint attack on several transmissions of the same photos."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge
from semveil.attacks.prior_search import search


@dataclass(frozen=True)
class MultiShot:
    """Joint MAP estimate from all transmissions of a photo.

    Independent noise averages out, as composition of epsilons predicts. Under Gaussian noise it is the
    estimate from the average; under Laplace noise it uses each signal's own likelihood, which is more
    informative than the average. A keystream that is never reused leaves nothing to average.
    """

    name: ClassVar[str] = "multi-shot"
    knowledge: ClassVar[str] = (
        "the generator, public faces, the noise laws, further transmissions of the same photos"
    )
    needs: ClassVar[tuple[str, ...]] = ("repeats",)

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        if observation.repeats is None:
            raise ValueError(
                "attack 'multi-shot' needs further transmissions of the photos; give Observation(..., "
                "repeats=...)"
            )
        return search(observation.shots, observation, public)
