# SPDX-License-Identifier: Apache-2.0
"""Image features for comparison: feature maps of VGG16 (Simonyan and Zisserman, 2015) or AlexNet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from semveil.core.checkpoints import read_checkpoint
from semveil.core.registry import suggest
from semveil.core.weights import find, require
from semveil.nn.trunks import FeatureTrunk

Net = Literal["vgg16", "alexnet"]  # entries of the weights catalogue
_TRUNKS = {"vgg16": "vgg", "alexnet": "alex"}


class ImageFeatures(nn.Module):
    """Feature maps of a frozen ImageNet network after some of its ReLUs; differentiable in the images.

    Args:
        net: `vgg16` or `alexnet`.
        weights: torchvision's file or state dict; its classifier is ignored.
        taps: 1-based numbers of the convolutions after which a map is returned. None selects the last of each
            of VGG16's blocks (`conv1_2`, `conv2_2`, `conv3_3`, `conv4_3`, `conv5_3`: 2, 4, 7, 10, 13), or all
            five of AlexNet. Layers after the last tap are not computed.

    Raises:
        BadCheckpoint: the weights are missing, damaged or do not fit.
        ValueError: the network or a tap does not exist.

    Example:
        >>> features = ImageFeatures("vgg16", "vgg16-397923af.pth", taps=(7,))  # doctest: +SKIP
        >>> features(torch.zeros(1, 3, 64, 64))[0].shape  # doctest: +SKIP
        torch.Size([1, 256, 16, 16])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, net: Net, weights: str | Path | Mapping[str, Any], *, taps: tuple[int, ...] | None = None
    ) -> None:
        super().__init__()
        _check(net)
        self.net = net
        state = weights if isinstance(weights, Mapping) else read_checkpoint(weights)
        self.trunk = FeatureTrunk(_TRUNKS[net], state, taps=taps)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    @classmethod
    def from_catalogue(cls, net: Net = "vgg16", *, taps: tuple[int, ...] | None = None) -> "ImageFeatures":
        """Load a feature extractor with ImageNet weights from the catalogue.

        Args:
            net: the network, `vgg16` or `alexnet`.
            taps: as for the class.

        Raises:
            ValueError: the network or a tap does not exist.
            WeightsMissing: the weights are not installed; the message names the command that downloads them.
        """
        _check(net)
        return cls(net, require(net), taps=taps)

    @classmethod
    def best_available(cls) -> "ImageFeatures | None":
        """Load VGG16 if its weights are installed, else AlexNet, else return None; `.net` is the name."""
        nets: tuple[Net, ...] = ("vgg16", "alexnet")
        return next((cls.from_catalogue(net) for net in nets if find(net) is not None), None)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute feature maps (B, C, h, w), one per tap.

        Args:
            images: (B, 3, H, W) in [-1, 1]; H and W at least 16 (VGG16) or 31 (AlexNet).
        """
        return self.trunk(((images + 1) / 2 - self.mean) / self.std)


def _check(net: str) -> None:
    if net not in _TRUNKS:
        raise ValueError(
            f"no image features named {net!r}{suggest(net, _TRUNKS)}; available: {', '.join(_TRUNKS)}"
        )
