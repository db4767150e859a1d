# SPDX-License-Identifier: Apache-2.0
"""Known-plaintext attack: an affine model of the protection, fitted and inverted under the prior.

Noise and fading of each transmission are taken into account.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import require_pairs
from semveil.attacks.forward_model import ForwardModel
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


@dataclass(frozen=True)
class KnownPlaintext:
    """Posterior mean of all codes under the Gaussian prior and an affine map learnt from known pairs.

    Unlike `linear`, which regresses once for all photos, it weights pairs and message by the noise of each
    received code. Residuals of the affine map count as noise, so under fresh noise or keys it reduces to
    imputation.
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
