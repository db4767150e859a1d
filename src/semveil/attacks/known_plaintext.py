# SPDX-License-Identifier: Apache-2.0
"""Known-plaintext attack through noise and fading: fit an affine model of the protection, then invert it under the prior."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import require_pairs
from semveil.attacks.forward_model import ForwardModel
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


@dataclass(frozen=True)
class KnownPlaintext:
    """Posterior mean of all codes under the Gaussian prior, the learnt affine map, and the message's own noise per code.

    Unlike `linear`, which regresses once for all photos, it weights pairs and the message by the noise of
    each received code. Residuals of the affine map count as noise, so under fresh noise or keys imputation
    remains.
    """

    name: ClassVar[str] = "known-plaintext"
    knowledge: ClassVar[str] = (
        "the generator, public faces, N transmissions of photos that she knows, how each was received"
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
        return public.box.clip(
            public.prior.behind(observation.received, model.matrix, model.offset, variance)
        )
