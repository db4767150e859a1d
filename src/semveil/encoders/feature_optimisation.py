# SPDX-License-Identifier: Apache-2.0
"""latent-dp's encoder: latent codes whose image has a photo's deep features, by gradient descent through the generator."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from semveil.encoders.inversion import Inversion, InversionSettings, Synthesizer, invert

Features = Callable[[Tensor], Sequence[Tensor]]

# Features alone. A gradient through StyleGAN2 at 1024 px takes about 2 GB for each photo of a batch.
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
    """Minimise the features' distance between G(c) and a photo over the codes c, [LDP] 3.1 and Fig. 3.

    Args:
        images: (B, 3, H, W) in [-1, 1], aligned, of the generator's size.
        generator: fixed; only the codes change.
        start: (B, K, D) or (1, K, D) first codes: mapped random z as in the paper, `mean_codes`, or an
            encoder's.
        features: (B, 3, h, w) in [-1, 1] -> feature maps, e.g. `recognition.vgg16.ImageFeatures`; where None,
            the squared error of the pixels takes their place.
        settings: steps, rate and schedule; its `mse` and `prior` terms can be added to the features'
            distance.
        progress: called with photo-steps done and in all.

    Raises:
        ValueError: the images hold NaN or infinities, or start does not fit them.

    Departs from the paper: it names neither layers nor their weights, optimiser or schedule, and used the
    first StyleGAN. Here every map counts alike, relative to the photo's (`feature_distance`), and Adam
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
    """The features' distance as a term of the inversion."""

    features: Features
    name: str = "features"

    def distance_to(self, photos: Tensor) -> Callable[[Tensor], Tensor]:
        with torch.no_grad():  # once, not at every step
            target = self.features(photos)
        return lambda images: feature_distance(self.features(images), target)


def feature_distance(maps: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Mean over layers of |f - g|^2 / |g|^2: the squared error of each map relative to the photo's, so that layers count alike.

    Args:
        maps: feature maps (B, C, h, w) of images, one for each layer.
        target: those of the photos.

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
