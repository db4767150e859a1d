# SPDX-License-Identifier: Apache-2.0
"""Feature networks of Frechet distances: Inception v3 for the FID, AlexNet, SqueezeNet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.core.checkpoints import read_checkpoint
from semveil.core.weights import CATALOGUE, WeightsMissing, find, require, verify
from semveil.metrics.checks import check_images
from semveil.metrics.frechet import FeatureNetwork, frechet_distance, moments
from semveil.nn.inception import SIDE, InceptionV3
from semveil.nn.lpips import TRUNK_ENTRIES, Net
from semveil.nn.trunks import FeatureTrunk

INCEPTION = "inception-fid"  # entry of the weights catalogue
FID = "fid"
_OFFICIAL = CATALOGUE[INCEPTION].files[0].sha256
TRUNK_SIDE = 224
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # for images in [0, 1]


class InceptionFeatures:
    """The 2,048 features of the last average pooling of the FID's Inception v3.

    Computed as pytorch-fid does from files: 8-bit pixels, resized bilinearly to 299 px without antialiasing.
    About 0.2 s per image on one core.

    Args:
        source: pytorch-fid's file, or a state dict with its keys.

    Attributes:
        metric: `fid` if the file has the official SHA-256, else `frechet_inception`.

    Raises:
        BadCheckpoint: the file is missing, damaged, or holds other weights.
    """

    def __init__(self, source: str | Path | Mapping[str, Any]) -> None:
        self.network = InceptionV3.from_official(source)
        official = not isinstance(source, Mapping) and verify(source).sha256 == _OFFICIAL
        self.metric = FID if official else "frechet_inception"

    @classmethod
    def from_catalogue(cls) -> "InceptionFeatures":
        """Return a feature extractor with the official weights.

        Raises:
            WeightsMissing: the weights are not installed; the message names the command that fetches them.
        """
        return cls(require(INCEPTION))

    def __call__(self, images: Tensor) -> Tensor:
        """Features (B, 2048) of images (B, 3, H, W) in [-1, 1]; values outside are clamped."""
        return self.network(
            F.interpolate(_as_saved(images), size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        )


class TrunkFeatures:
    """The last feature map of an LPIPS trunk, averaged over positions.

    Images are rounded to 8 bits and resized bilinearly to 224 px with antialiasing. About 15 ms per image on
    one core.

    Args:
        net: `alex` (256 features: the last convolution after its ReLU) or `squeeze` (512: the last fire
            module).
        source: torchvision's weights, a file or a state dict.

    Attributes:
        metric: `frechet_alexnet` or `frechet_squeezenet`; not comparable with FID. The bundled generator was
            trained with AlexNet's LPIPS, so the former is biased in favour of its images.

    Raises:
        BadCheckpoint: the file is missing, damaged, or holds other weights.
    """

    def __init__(self, net: Net, source: str | Path | Mapping[str, Any]) -> None:
        self.metric = f"frechet_{TRUNK_ENTRIES[net].split('1')[0]}"
        self.trunk = FeatureTrunk(net, source if isinstance(source, Mapping) else read_checkpoint(source))

    @classmethod
    def from_catalogue(cls, net: Net) -> "TrunkFeatures":
        """Return a feature extractor with the weights of the catalogue.

        Args:
            net: `alex` or `squeeze`.

        Raises:
            WeightsMissing: the weights are not installed; the message names the command that fetches them.
        """
        return cls(net, require(TRUNK_ENTRIES[net]))

    def __call__(self, images: Tensor) -> Tensor:
        """Features (B, D) of images (B, 3, H, W) in [-1, 1]; values outside are clamped."""
        size = (TRUNK_SIDE, TRUNK_SIDE)
        resized = F.interpolate(
            _as_saved(images), size=size, mode="bilinear", antialias=True, align_corners=False
        )
        mean, std = (torch.tensor(v).view(1, 3, 1, 1).to(resized) for v in (_IMAGENET_MEAN, _IMAGENET_STD))
        return self.trunk(((resized + 1) / 2 - mean) / std)[-1].mean((2, 3))


def feature_network() -> FeatureNetwork:
    """Return Inception if its weights are installed, else AlexNet.

    Report the distance under the network's `metric`.

    Raises:
        WeightsMissing: neither network's weights are installed.
    """
    if find(INCEPTION):
        return InceptionFeatures.from_catalogue()
    try:
        return TrunkFeatures.from_catalogue("alex")
    except WeightsMissing as error:
        raise WeightsMissing(
            f"no features to compare sets by: {error}; for the FID: semveil models get {INCEPTION}"
        ) from error


def fid(source: Tensor, received: Tensor, *, network: InceptionFeatures | None = None) -> float:
    """Frechet Inception distance of two sets of images; lower is more similar ([DPI] 4.1.2, [LDP] Fig. 8).

    Args:
        source: (N, 3, H, W) in [-1, 1].
        received: (M, 3, H', W') in [-1, 1]; not paired with `source`.
        network: network with the official weights; None loads the catalogue's.

    Returns:
        The distance, >= 0. Published values use 10,000 images or more; small sets bias it upwards, even if
        the two distributions are equal.

    Raises:
        WeightsMissing: no network is given and the weights are not installed.
        ValueError: the network does not have the official weights, so the distance would not be FID.
    """
    network = network or InceptionFeatures.from_catalogue()
    if network.metric != FID:
        official = CATALOGUE[INCEPTION].files[0].name
        raise ValueError(f"these features give {network.metric}; the FID needs the weights of {official}")
    return frechet_distance(moments(source, network), moments(received, network))


def _as_saved(images: Tensor) -> Tensor:
    """Quantise images to 8 bits, still in [-1, 1]."""
    check_images(images)
    return ((images.float() + 1) * 127.5).clamp(0, 255).round() / 127.5 - 1
