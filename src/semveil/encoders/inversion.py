# SPDX-License-Identifier: Apache-2.0
"""GAN inversion: latent codes that reproduce a given photo, by gradient descent through the generator."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from semveil.encoders.perceptual import PerceptualTerm

MEAN_SAMPLES = 10_000


class Synthesizer(Protocol):
    """Interface of a generator as needed for inversion."""

    def synthesize(self, codes: Tensor) -> Tensor:
        """Generate images from latents, differentiably.

        Args:
            codes: (B, K, D).

        Returns:
            (B, 3, H, W) in about [-1, 1].
        """
        ...


@dataclass(frozen=True)
class InversionSettings:
    """Settings of the optimisation of latents; the defaults are the official script's (`OFFICIAL`).

    Attributes:
        steps: number of Adam steps.
        learning_rate: rate at the plateau of the schedule, see `learning_rate_factor`.
        mse: weight of the mean squared error at full size.
        perceptual: weight of the perceptual term, if there is one.
        prior: weight of the mean squared distance to `centre`.
        perceptual_size: side in pixels to which larger images are pooled before the perceptual term.
        batch: number of photos that `invert` optimises together. Photos are independent, but rounding depends
            on the batch shape and a hundred steps amplify it; `FaceModel.invert` therefore ignores this
            setting and inverts each photo alone.
    """

    steps: int = 400
    learning_rate: float = 0.1
    mse: float = 0.1
    perceptual: float = 1.0
    prior: float = 1.0
    perceptual_size: int = 256
    batch: int = 16


OFFICIAL = InversionSettings()


@dataclass(frozen=True)
class Inversion:
    """Result of an inversion.

    Attributes:
        codes: (B, K, D).
        mse: (B,), mean squared error of the last step's images from the photos, in [-1, 1] units.
    """

    codes: Tensor
    mse: Tensor


def learning_rate_factor(step: int, steps: int, *, ramp_down: float = 0.25, ramp_up: float = 0.05) -> float:
    """Learning rate factor at a step: linear rise, plateau, cosine decay; 0 at step 0 (official `get_lr`).

    Args:
        step: 0-based step, below `steps`.
        steps: number of steps.
        ramp_down: share of the steps with decay, in (0, 1].
        ramp_up: share of the steps with rise, in (0, 1].

    Example:
        >>> learning_rate_factor(0, 400), learning_rate_factor(200, 400)
        (0.0, 1.0)
    """
    t = step / steps
    fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / ramp_down))
    return fall * min(1.0, t / ramp_up)


def mean_codes(
    map_latents: Callable[[Tensor], Tensor], style_dim: int, codes: int, *, rng: torch.Generator | None
) -> Tensor:
    """Mean of 10,000 mapped latents, the initial codes of the official inversion.

    Args:
        map_latents: mapping network, z (N, D) -> w (N, D).
        style_dim: D.
        codes: K, the number of repetitions of the mean.
        rng: source of the standard normal z; torch's default stream if None.

    Returns:
        (1, K, D).
    """
    with torch.no_grad():
        w = map_latents(torch.randn(MEAN_SAMPLES, style_dim, generator=rng))
    return w.mean(0).expand(1, codes, -1).clone()


def invert(
    images: Tensor,
    generator: Synthesizer,
    *,
    start: Tensor,
    centre: Tensor | None = None,
    settings: InversionSettings = OFFICIAL,
    perceptual: PerceptualTerm | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Inversion:
    """Minimise mse |G(c) - x|^2 + perceptual d(G(c), x) + prior |c - centre|^2 over each photo's codes c.

    [DPSC] 3.2.1 describes the squared error only; in the official script d = LPIPS(VGG) dominates. For a face
    model use `FaceModel.invert`, which sets the initial codes, settings and perceptual term.

    Args:
        images: (B, 3, H, W) in [-1, 1], of the generator's size.
        generator: the generator; only the codes are optimised.
        start: (B, K, D) or (1, K, D) initial codes: an encoder's output, or `mean_codes`.
        centre: (B, K, D) or (1, K, D) centre of the prior term; `start` by default.
        settings: weights and schedule.
        perceptual: the distance d, e.g. `LPIPS.from_catalogue("vgg")`; None omits the term.
        progress: called with the number of finished photo-steps and the total.

    Raises:
        ValueError: there are no images, they hold NaN or infinities, or the shape of `start` does not match.
    """
    if not torch.isfinite(images).all():
        raise ValueError("the photos to invert hold NaN or infinite pixels")
    if len(start) not in (1, len(images)):
        raise ValueError(
            f"start holds {len(start)} latents for {len(images)} photos; give one for each, or one for all"
        )
    if not len(images):
        raise ValueError("there is no photo to invert; give one or more")
    start = start.to(images).expand(len(images), -1, -1)
    centre = start if centre is None else centre.to(images).expand_as(start)
    parts = []
    for first in range(0, len(images), settings.batch):
        rows = slice(first, first + settings.batch)
        count = len(images[rows])
        tick = lambda step, done=first, count=count: progress(  # noqa: E731
            done * settings.steps + step * count, len(images) * settings.steps
        )
        parts.append(
            _invert_batch(images[rows], generator, start[rows], centre[rows], settings, perceptual, tick)
        )
    return Inversion(torch.cat([p.codes for p in parts]), torch.cat([p.mse for p in parts]))


@torch.inference_mode(False)
@torch.enable_grad()  # also where the caller needs no gradients
def _invert_batch(
    images: Tensor,
    generator: Synthesizer,
    start: Tensor,
    centre: Tensor,
    settings: InversionSettings,
    perceptual: PerceptualTerm | None,
    tick: Callable[[int], None],
) -> Inversion:
    images, centre = images.clone(), centre.clone()  # tensors of inference mode take no part in autograd
    codes = start.detach().clone().requires_grad_(True)
    optimiser = torch.optim.Adam([codes], lr=settings.learning_rate)
    distance = (
        None if perceptual is None else perceptual.distance_to(pooled(images, settings.perceptual_size))
    )
    for step in range(settings.steps):
        optimiser.param_groups[0]["lr"] = settings.learning_rate * learning_rate_factor(step, settings.steps)
        out = generator.synthesize(codes)
        # Summed over photos, so that each photo's gradient is the same as alone.
        loss = settings.mse * (out - images).square().mean((1, 2, 3)).sum()
        loss = loss + settings.prior * (codes - centre).square().mean((1, 2)).sum()
        if distance is not None:
            loss = loss + settings.perceptual * distance(pooled(out, settings.perceptual_size)).sum()
        (codes.grad,) = torch.autograd.grad(loss, codes)
        optimiser.step()
        tick(step + 1)
    with torch.no_grad():
        mse = (generator.synthesize(codes) - images).square().mean((1, 2, 3))
    return Inversion(codes.detach(), mse)


def pooled(images: Tensor, size: int) -> Tensor:
    """Average-pool images to size x size pixels; smaller ones are returned unchanged.

    Args:
        images: (B, 3, S, S).
        size: maximum side in pixels.
    """
    return torch.nn.functional.adaptive_avg_pool2d(images, size) if images.shape[-1] > size else images
