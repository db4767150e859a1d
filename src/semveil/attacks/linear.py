# SPDX-License-Identifier: Apache-2.0
"""Known-plaintext regression of the private codes on the received signal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import impute_from_common, require_pairs
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge
from semveil.attacks.ridge import Ridge


@dataclass(frozen=True)
class Linear:
    """Ridge regressions from the private block, the common codes and all codes, combined per coordinate.

    The second one also learns from public faces. Regressions are weighted by their leave-one-out predictions,
    so an uninformative private block gets no weight and imputation remains: keyed protection is attacked
    about as well as by `impute`. Breaks any fixed affine protection, including the paper's (`docs/errata.md`,
    dp-semcom 8).
    """

    name: ClassVar[str] = "linear"
    knowledge: ClassVar[str] = "the generator, public faces, N transmissions of photos that she knows"
    needs: ClassVar[tuple[str, ...]] = ("pairs",)

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        return public.box.clip(
            linear_estimate(observation, public, require_pairs(pairs, self.name), rng=rng).codes
        )


@dataclass(frozen=True, eq=False)
class LinearEstimate:
    """Estimates of the linear attack.

    Attributes:
        codes: (B, K, D) estimates for the photos under attack.
        known: (N, m, D) leave-one-out estimates of the pairs' private block.
    """

    codes: Tensor
    known: Tensor


def linear_estimate(
    observation: Observation,
    public: PublicKnowledge,
    pairs: KnownPairs,
    *,
    rng: torch.Generator | None = None,
) -> LinearEstimate:
    """Unclipped estimate of the linear attack, and leave-one-out estimates of the known pairs.

    The pairs were received over the same channel.

    Args:
        observation: the received signal of the photos under attack.
        public: public knowledge: the model, and latents of public faces.
        pairs: training data.
        rng: source of the channel noise added to public faces.
    """
    received, private, common = observation.received, public.private, public.common
    everything = list(range(received.shape[1]))
    targets = pairs.codes[:, private].flatten(1)
    fits = [(Ridge.fit(pairs.received[:, part].flatten(1), targets), part) for part in (private, everything)]
    if common:
        fits.append((_imputer(public, pairs, observation.code_variance.mean(0), rng), common))
    known = [fit.left_out[: len(pairs)] for fit, _ in fits]
    weights = _weights(known, targets)
    codes = impute_from_common(received, observation.code_variance, public)
    estimates = [fit(received[:, part].flatten(1)) for fit, part in fits]
    codes[:, private] = _mix(estimates, weights).unflatten(1, (len(private), -1))
    return LinearEstimate(codes, _mix(known, weights).unflatten(1, (len(private), -1)))


def _imputer(
    public: PublicKnowledge, pairs: KnownPairs, variance: Tensor, rng: torch.Generator | None
) -> Ridge:
    """Regression from common to private codes.

    Learnt from the pairs (the first rows) and from all other public faces, with channel noise added.
    """
    others = public.latents[~torch.isin(public.latents[:, 0, 0], pairs.codes[:, 0, 0])]
    noise = torch.randn(others.shape, generator=rng).to(others) * variance.sqrt()[:, None]
    received = torch.cat([pairs.received, others + noise])[:, public.common]
    return Ridge.fit(received.flatten(1), torch.cat([pairs.codes, others])[:, public.private].flatten(1))


def _weights(predictions: Sequence[Tensor], targets: Tensor) -> Tensor:
    """Per-coordinate least-squares weights of k predictions (N, q) and a constant, (q, k + 1).

    They are slightly shrunken.
    """
    # (q, N, k + 1)
    columns = torch.stack([*predictions, torch.ones_like(targets)], 2).transpose(0, 1).double()
    moments = columns.transpose(1, 2) @ columns
    level = 1e-2 * moments.diagonal(dim1=1, dim2=2).mean()
    inner = moments + level * torch.eye(moments.shape[1], dtype=torch.float64, device=moments.device)
    return (
        torch.linalg.solve(inner, columns.transpose(1, 2) @ targets.T.double().unsqueeze(2))
        .squeeze(2)
        .to(targets)
    )


def _mix(predictions: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Weighted sum of predictions (N, q) and the constant."""
    return torch.stack([*predictions, torch.ones_like(predictions[0])], 2).mul(weights).sum(2)
