# SPDX-License-Identifier: Apache-2.0
"""latent-dp's encoder: gradient descent to latent codes that reproduce a photo's deep features."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from semveil.encoders.inversion import Inversion, InversionSettings, Synthesizer, invert

Features = Callable[[Tensor], Sequence[Tensor]]

# Feature term only. A gradient through StyleGAN2 at 1024 px takes about 2 GB per photo of a batch.
FEATURE_SETTINGS = InversionSettings(mse=0.0, perceptual=1.0, prior=0.0, batch=4)


def optimise_features(
    images: Tensor,
    generator: Synthesizer,
    *,
    start: Tensor,
    features: Features | None,
    settings: InversionSettings = FEATURE_SETTINGS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Inversion:
    """Minimise the feature distance between G(c) and a photo over the codes c, [LDP] 3.1 and Fig. 3.

    Args:
        images: (B, 3, H, W) in [-1, 1], aligned, of the generator's size.
        generator: the generator; only the codes are optimised.
        start: (B, K, D) or (1, K, D) initial codes: mapped random z as in the paper, `mean_codes`, or the
            output of an encoder.
        features: (B, 3, h, w) in [-1, 1] -> feature maps, e.g. `recognition.vgg16.ImageFeatures`; None uses
            the squared pixel error instead.
        settings: steps, rate and schedule; the `mse` and `prior` terms can be added to the feature distance.
        progress: called with the number of finished photo-steps and the total.

    Returns:
        The optimised codes.

    Raises:
        ValueError: the images hold NaN or infinities, or the shape of `start` does not match.

    Departs from the paper: it specifies neither layers nor their weights, optimiser or schedule, and used the
    original StyleGAN. Here all maps have equal weight, relative to the photo's (`feature_distance`), and Adam
    follows `learning_rate_factor`.
    """
    if features is None:
        pixels = replace(settings, mse=settings.mse or 1.0, perceptual=0.0)
        return invert(images, generator, start=start, settings=pixels, progress=progress)
    return invert(
        images,
        generator,
        start=start,
        settings=settings,
        perceptual=_FeatureTerm(features),
        progress=progress,
    )


@dataclass(frozen=True)
class _FeatureTerm:
    """Feature distance as a perceptual term of the inversion."""

    features: Features
    name: str = "features"

    def distance_to(self, photos: Tensor) -> Callable[[Tensor], Tensor]:
        with torch.no_grad():  # computed once, not at every step
            target = self.features(photos)
        return lambda images: feature_distance(self.features(images), target)


def feature_distance(maps: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Mean over layers of |f - g|^2 / |g|^2, which gives all layers equal weight.

    Args:
        maps: feature maps f (B, C, h, w) of images, one for each layer.
        target: feature maps g of the photos, in the same shapes.

    Returns:
        (B,), 0 for equal maps.

    Example:
        >>> feature_distance([torch.ones(1, 2, 3, 3)], [torch.full((1, 2, 3, 3), 2.0)])
        tensor([0.2500])
    """
    errors = [
        (f - g).square().mean((1, 2, 3)) / (g.square().mean((1, 2, 3)) + 1e-8)
        for f, g in zip(maps, target, strict=True)
    ]
    return torch.stack(errors).mean(0)
