# SPDX-License-Identifier: Apache-2.0
"""Ridge regression with the penalty selected by leave-one-out error, in closed form."""

from dataclasses import dataclass

import torch
from torch import Tensor

# in units of the mean eigenvalue of the inputs' second moments
PENALTIES = tuple(10.0 ** (k / 2) for k in range(-8, 8))


@dataclass(frozen=True, eq=False)
class Ridge:
    """Ridge regression y = offset + x W, minimising ||y - x W||^2 + penalty ||W||^2 on centred data.

    Attributes:
        weight: (p, q) W.
        offset: (q,).
        penalty: the selected penalty.
        error: mean squared leave-one-out error at this penalty.
        left_out: (N, q) leave-one-out predictions.

    Example:
        >>> x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> fitted = Ridge.fit(x, 2 * x[:, :1] + 1)
        >>> fitted.offset.round(decimals=2), fitted.weight[0].round(decimals=2)
        (tensor([1.]), tensor([2.]))
    """

    weight: Tensor
    offset: Tensor
    penalty: float
    error: float
    left_out: Tensor

    @classmethod
    def fit(cls, x: Tensor, y: Tensor) -> "Ridge":
        """Fit by least squares, selecting the penalty by leave-one-out error.

        The left-out residual of row i is e_i / (1 - h_i), with h the diagonal of the hat matrix, so nothing
        is refitted.

        Args:
            x: (N, p) inputs, N > 1; N < p works.
            y: (N, q) targets.
        """
        x_mean, y_mean = x.mean(0), y.mean(0)
        x, y = x - x_mean, y - y_mean
        values, directions = _principal(x)
        scores = x @ directions  # (N, r)
        targets = scores.T @ y  # (r, q)
        level = float(values.mean().clamp_min(1e-30))
        least, penalty, residuals = float("inf"), 0.0, y
        for candidate in (level * factor for factor in PENALTIES):
            shrunk = 1 / (values + candidate)
            leverage = scores.square() @ shrunk + 1 / len(x)
            if leverage.max() > 1 - 1e-3:  # the fit interpolates, so the residuals are rounding errors
                continue
            left_out = (y - scores @ (shrunk[:, None] * targets)) / (1 - leverage)[:, None]
            error = float(left_out.square().mean())
            if error < least:
                least, penalty, residuals = error, candidate, left_out
        weight = directions @ (targets / (values + penalty)[:, None])
        return cls(weight, y_mean - x_mean @ weight, penalty, least, y_mean + y - residuals)

    def __call__(self, x: Tensor) -> Tensor:
        """Predict targets, (N, p) -> (N, q)."""
        return x @ self.weight + self.offset


def _principal(x: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (r,) and eigenvectors (p, r) of X'X, computed from the smaller of X'X and XX'."""
    count, size = x.shape
    if count >= size:
        values, vectors = torch.linalg.eigh((x.T @ x).double())
        return values.clamp_min(0).to(x), vectors.to(x)
    values, vectors = torch.linalg.eigh((x @ x.T).double())
    kept = values > 1e-10 * values[-1].clamp_min(1e-30)
    values, vectors = values[kept].to(x), vectors[:, kept].to(x)
    return values, x.T @ vectors / values.sqrt()
