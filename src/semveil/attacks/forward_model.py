# SPDX-License-Identifier: Apache-2.0
"""Eve's model of a protection: an affine map learnt from known pairs, with its residual variance."""

from dataclasses import dataclass

import torch
from torch import Tensor

from semveil.attacks.observation import KnownPairs, PublicKnowledge
from semveil.attacks.ridge import Ridge

HELD_SHARE = 0.2  # fraction of pairs held out to estimate the residual variance
SMALLEST = 1e-8


@dataclass(frozen=True, eq=False)
class ForwardModel:
    """Affine forward model y = matrix x + offset + noise of all K * D coordinates.

    It is the identity on the common codes and learnt on the private ones.

    Attributes:
        matrix: (K*D, K*D).
        offset: (K*D,).
        unexplained: (K*D,) residual variance of the received codes beyond the channel noise.
    """

    matrix: Tensor
    offset: Tensor
    unexplained: Tensor

    @classmethod
    def fit(cls, pairs: KnownPairs, public: PublicKnowledge) -> "ForwardModel":
        """Regress received on clean codes, weighting each pair and code by its inverse noise variance.

        The noise is in the received codes, so its variance is known in this direction. The opposite
        regression, as in `linear`, gives faded pairs the same weight as clear ones.

        Args:
            pairs: known pairs.
            public: public knowledge, for the private codes.
        """
        codes, size = pairs.codes.shape[1:]
        columns = torch.arange(codes * size).view(codes, size)
        private = columns[public.private].flatten()
        held = max(1, round(HELD_SHARE * len(pairs)))
        x, y = pairs.codes[:, public.private].flatten(1), pairs.received[:, public.private].flatten(1)
        variance = pairs.code_variance[:, public.private].repeat_interleave(size, 1)
        plain = Ridge.fit(x[held:], y[held:])
        # Weights are inverse variances: channel noise plus the unexplained variance.
        floor = (y[:held] - plain(x[:held])).square().median(0).values
        weight, offset = _weighted(x[held:], y[held:], variance[held:] + floor, size, plain)
        left = (y[:held] - x[:held] @ weight - offset).square()
        trust = 1 / (variance[:held] + floor).clamp_min(SMALLEST)
        unexplained = ((left - variance[:held]) * trust).sum(0) / trust.sum(0)
        matrix = torch.eye(codes * size).to(x)
        matrix[private[:, None], private] = weight.T
        whole = torch.zeros(2, codes * size).to(x)
        whole[0, private], whole[1, private] = offset, unexplained.clamp_min(0)
        return cls(matrix, whole[0], whole[1])

    def variance(self, code_variance: Tensor) -> Tensor:
        """Total variance of the received codes about matrix x + offset: channel noise plus residual variance.

        Args:
            code_variance: (B, K) channel noise variance per code.

        Returns:
            (B, K*D), > 0.
        """
        size = len(self.offset) // code_variance.shape[1]
        return (code_variance.repeat_interleave(size, 1) + self.unexplained).clamp_min(SMALLEST)


def _weighted(x: Tensor, y: Tensor, variance: Tensor, size: int, plain: Ridge) -> tuple[Tensor, Tensor]:
    """Weighted ridge regression of y (N, q) on x (N, p), with separate weights for each code.

    Returns weight (p, q) and offset (q,); a code has `size` coordinates.
    """
    weights = 1 / variance.unflatten(1, (-1, size)).mean(2).clamp_min(SMALLEST)  # (N, m)
    weights = weights / weights.mean(0)
    if float(weights.std(0).max()) < 0.05:  # equal noise
        return plain.weight, plain.offset
    columns, offsets = [], []
    for code in range(weights.shape[1]):
        w, own = weights[:, code : code + 1], y[:, code * size : (code + 1) * size]
        x_mean, y_mean = (w * x).sum(0) / w.sum(), (w * own).sum(0) / w.sum()
        centred = x - x_mean
        inner = (w * centred).T @ centred
        inner.diagonal().add_(max(plain.penalty, 1e-6 * float(inner.diagonal().mean())))
        column = torch.cholesky_solve((w * centred).T @ (own - y_mean), torch.linalg.cholesky(inner))
        columns.append(column)
        offsets.append(y_mean - x_mean @ column)
    return torch.cat(columns, 1), torch.cat(offsets)
