# SPDX-License-Identifier: Apache-2.0
"""MAP estimate of codes from one or several noisy signals, under a Gaussian prior and the public box."""

import torch
from torch import Tensor

from semveil.attacks.gaussian import GaussianPrior
from semveil.mechanisms import ClipBox


def most_probable(
    prior: GaussianPrior, box: ClipBox, shots: Tensor, variance: Tensor, scale: Tensor, *, steps: int = 100
) -> Tensor:
    """MAP estimate: argmin over x in the box of |x - mean|^2_(C^-1) / 2 + sum of h(y - x).

    The sum is over shots and coordinates. h is the negative log-density of AWGN of variance v plus Laplace
    noise of scale s, maximised over the latter: n^2 / 2v up to |n| = v/s, then linear with slope 1/s
    (Huber's). It is solved by the alternating direction method of multipliers (ADMM): the step of the prior
    is a Wiener filter; the steps of signals and box are coordinate-wise.

    Args:
        prior: Gaussian prior of latents.
        box: public bounds.
        shots: (S, B, K, D) signals of the same photos, with independent noise.
        variance: (B, K) variance of the AWGN.
        scale: (K,) scale of the Laplace noise, latent units; 0 for none.
        steps: number of iterations.

    Returns:
        (B, K, D).
    """
    variance = variance.clamp_min(1e-8)[:, :, None]
    width = variance.mean(0) + scale[:, None] ** 2  # (K, 1), inverse penalty weight of a signal in ADMM
    slope = 1 / scale[:, None]  # infinite without Laplace noise, which leaves the signal step unbounded
    wiener = prior.filter(range(shots.shape[2]), (width.T / len(shots)).expand(shots.shape[1], -1))
    estimate = prior.mean.expand(shots.shape[1:])
    duals = torch.zeros_like(shots)
    for _ in range(steps):
        at = estimate + duals
        fitted = _clip(
            box, at + ((shots - at) * (width / (width + variance))).clamp(-width * slope, width * slope)
        )
        estimate = wiener((fitted - duals).mean(0))
        duals = duals + estimate - fitted
    return box.clip(estimate)


def _clip(box: ClipBox, shots: Tensor) -> Tensor:
    """Clip shots (S, B, K, D) to the box."""
    return box.clip(shots.flatten(0, 1)).view_as(shots)
