# SPDX-License-Identifier: Apache-2.0
"""Glass-box inversion, after the abstract of arXiv 2503.23103: Eve has Alice's networks and inverts them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import impute_from_common
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


@dataclass(frozen=True)
class GlassBox:
    """MAP inversion of Alice's protection network by L-BFGS in whitened coordinates.

    Minimises |x - mean|^2_(C^-1) / 2 + sum of (y - protect(x))^2 / 2v over x. Only Alice's network is needed,
    not Bob's. The Gaussian prior of public faces is an addition to the paper's inversion of the transmitted
    signal; only the abstract of the paper was available.

    Args:
        protect: private block (B, m, D) -> transmitted block, differentiable and deterministic.
        steps: maximum number of L-BFGS iterations.
    """

    protect: Callable[[Tensor], Tensor]
    steps: int = 60

    name: ClassVar[str] = "glass-box"
    knowledge: ClassVar[str] = "the generator, public faces, Alice's protection network"
    needs: ClassVar[tuple[str, ...]] = ("protect",)

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        received, variance = observation.received, observation.code_variance.clamp_min(1e-6)[:, :, None]
        prior, private = public.prior, public.private
        root = prior.root
        start = impute_from_common(received, observation.code_variance, public)
        whitened = torch.linalg.solve_triangular(root, (start - prior.mean).flatten(1).T, upper=False).T
        whitened = whitened.detach().clone().requires_grad_()
        optimiser = torch.optim.LBFGS(
            [whitened], max_iter=self.steps, history_size=20, line_search_fn="strong_wolfe"
        )

        def codes() -> Tensor:
            return prior.mean + (whitened @ root.T).unflatten(1, prior.mean.shape)

        def loss() -> Tensor:
            optimiser.zero_grad()
            expected = codes()
            sent = expected.clone()
            sent[:, private] = self.protect(expected[:, private])
            value = ((received - sent).square() / variance).sum() / 2 + whitened.square().sum() / 2
            value.backward()
            return value

        with torch.enable_grad():
            optimiser.step(loss)
        return public.box.clip(codes().detach())
