# SPDX-License-Identifier: Apache-2.0
"""Features that compare images: maps inside VGG16 (Simonyan and Zisserman, 2015), or inside AlexNet where VGG16 is absent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from semveil.core.checkpoints import read_checkpoint
from semveil.core.registry import suggest
from semveil.core.weights import find, require
from semveil.nn.trunks import FeatureTrunk

Net = Literal["vgg16", "alexnet"]  # names of the weights catalogue
_TRUNKS = {"vgg16": "vgg", "alexnet": "alex"}


class ImageFeatures(nn.Module):
    """Feature maps of images after some ReLUs of a network trained on ImageNet; frozen, differentiable in the images.

    Args:
        net: `vgg16` or `alexnet`.
        weights: torchvision's file or state dict; the classifier in it is left out.
        taps: convolutions after which a map is read, counted from 1. Where None the last of each of VGG16's
            blocks (`conv1_2`, `conv2_2`, `conv3_3`, `conv4_3`, `conv5_3`: 2, 4, 7, 10, 13), all five of
            AlexNet. What lies after the last tap is not computed.

    Raises:
        BadCheckpoint: the weights are absent, damaged or do not fit.
        ValueError: there is no such network or tap.

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
        """Feature extractor with ImageNet weights from the catalogue.

        Args:
            net: the network, `vgg16` or `alexnet`.
            taps: indices of the layers whose outputs are returned; the network's default where None.

        Raises:
            ValueError: there is no such network or tap.
            WeightsMissing: the weights are not on this machine; the message names the command that downloads
                them.
        """
        _check(net)
        return cls(net, require(net), taps=taps)

    @classmethod
    def best_available(cls) -> "ImageFeatures | None":
        """VGG16's where its weights are on this machine, else AlexNet's, else None; `.net` says which."""
        nets: tuple[Net, ...] = ("vgg16", "alexnet")
        return next((cls.from_catalogue(net) for net in nets if find(net) is not None), None)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Feature maps (B, C, h, w), one per tap.

        Args:
            images: (B, 3, H, W) in [-1, 1]; H and W at least 16 (VGG16) or 31 (AlexNet).
        """
        return self.trunk(((images + 1) / 2 - self.mean) / self.std)


def _check(net: str) -> None:
    if net not in _TRUNKS:
        raise ValueError(
            f"no image features named {net!r}{suggest(net, _TRUNKS)}; available: {', '.join(_TRUNKS)}"
        )
