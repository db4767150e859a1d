# SPDX-License-Identifier: Apache-2.0
"""LPIPS v0.1, the learned perceptual distance of Zhang et al., CVPR 2018: exact, without torchvision."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from semveil.core.checkpoints import load_strictly, read_checkpoint
from semveil.core.registry import suggest
from semveil.core.weights import home, require
from semveil.nn.trunks import DEVIATIONS, MEANS, TRUNKS, FeatureTrunk

TRUNK_ENTRIES = {
    "alex": "alexnet",
    "vgg": "vgg16",
    "squeeze": "squeezenet1_1",
}  # in the catalogue
EPSILON = 1e-10
Net = Literal["alex", "vgg", "squeeze"]


class LPIPS(nn.Module):
    """LPIPS with its weights: sum over layers of the spatial mean of w . (u(a) - u(b))^2.

    u are a trunk's feature maps, normalised to unit length over the channels; w are the published
    non-negative weights. Differentiable in both images; the weights are frozen.

    Args:
        net: `alex` (reported in the papers), `vgg` (loss of the official inversion) or `squeeze`. Only
            `squeeze` is independent of the losses here: the bundled generator was trained with `alex`, which
            can also be selected for inversion.
        trunk: torchvision's weights of AlexNet, VGG16 or SqueezeNet 1.1, a file or a state dict.
        heads: the official weights `lin0`, `lin1`..., a file or a state dict.

    Raises:
        BadCheckpoint: a file is damaged or does not fit.
    """

    def __init__(
        self, net: Net, *, trunk: str | Path | Mapping[str, Any], heads: str | Path | Mapping[str, Any]
    ) -> None:
        super().__init__()
        _check_net(net)
        self.net = net
        self.trunk = FeatureTrunk(net, _state(trunk))
        self.heads = _Heads(TRUNKS[net].channels)
        load_strictly(self.heads, _state(heads), name=f"the LPIPS {net} heads")
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.tensor(MEANS).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(DEVIATIONS).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    @classmethod
    def from_catalogue(cls, net: Net = "alex") -> "LPIPS":
        """Load LPIPS with the weights of the catalogue.

        Args:
            net: `alex`, `vgg` or `squeeze`.

        Raises:
            ValueError: the network is unknown.
            WeightsMissing: the weights are not installed; the message names the command that fetches them.
        """
        _check_net(net)
        heads = require(f"lpips-{net}")
        return cls(net, trunk=require(TRUNK_ENTRIES[net]), heads=heads)

    @property
    def name(self) -> str:
        """Name in certificates and results, such as `lpips-alex`."""
        return f"lpips-{self.net}"

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Compute the distances between pairs of images.

        Args:
            a: (B, 3, H, W) in [-1, 1].
            b: the same shape.

        Returns:
            (B,), >= 0.

        Raises:
            ValueError: as for `per_layer`.
        """
        return self.per_layer(a, b).sum(0)

    def per_layer(self, a: Tensor, b: Tensor) -> Tensor:
        """Compute the contributions of the layers to the distance; `forward` is their sum.

        Args:
            a: (B, 3, H, W) in [-1, 1].
            b: the same shape.

        Returns:
            (L, B).

        Raises:
            ValueError: the images are not RGB batches of floats of the same shape, or are too small for the
                trunk.
        """
        if a.shape != b.shape or a.ndim != 4 or a.shape[1] != 3:
            raise ValueError(
                f"images to compare must be (B, 3, H, W) of one shape, got {tuple(a.shape)} and "
                f"{tuple(b.shape)}"
            )
        if not (a.is_floating_point() and b.is_floating_point()):
            raise ValueError(
                f"images to compare must be floats in [-1, 1], got {a.dtype} and {b.dtype}; pixels become "
                "images by pixel / 127.5 - 1"
            )
        return self._shares(self._maps(a), self._maps(b))

    def distance_to(self, photos: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the distance to fixed photos as a function of images, for use in an optimisation.

        The photos' features are computed once. A single image is duplicated in the batch, since torch selects
        a slow convolution for batches of one; value and gradient are unaffected.

        Args:
            photos: (B, 3, H, W) in [-1, 1].

        Returns:
            Function (B, 3, H, W) -> (B,), differentiable in the images.
        """
        lone = len(photos) == 1

        def maps(images: Tensor) -> list[Tensor]:
            if not lone:
                return self._maps(images)
            return [part[:1] for part in self._maps(images.expand(2, -1, -1, -1))]

        with torch.no_grad():
            target = maps(photos)
        return lambda images: self._shares(maps(images), target).sum(0)

    def _maps(self, images: Tensor) -> list[Tensor]:
        """Feature maps normalised to unit length over the channels."""
        return [_unit(part) for part in self.trunk((images.to(self.shift.dtype) - self.shift) / self.scale)]

    def _shares(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        weights = self.heads.parameters()
        return torch.stack(
            [(w * (x - y) ** 2).sum(1).mean((1, 2)) for x, y, w in zip(a, b, weights, strict=True)]
        )


class _Heads(nn.Module):
    """One weight per channel of each feature map, with the official keys `lin0.model.1.weight`, ..."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        for i, width in enumerate(channels):
            convolution = nn.Conv2d(width, 1, 1, bias=False)
            self.add_module(f"lin{i}", nn.ModuleDict({"model": nn.ModuleDict({"1": convolution})}))


def lpips(a: Tensor, b: Tensor, *, net: Net = "alex", weights: LPIPS | None = None) -> Tensor:
    """LPIPS v0.1 of each pair of images.

    Args:
        a: (B, 3, H, W) in [-1, 1].
        b: the same shape.
        net: `alex`, `vgg` or `squeeze`, when `weights` is None.
        weights: a loaded `LPIPS`, on the images' device; None loads the catalogue's once.

    Returns:
        (B,), differentiable; 0 for equal images, about 0.7 for unrelated ones.

    Raises:
        WeightsMissing: the catalogue's files are not installed.
    """
    return (weights or _from_catalogue(net, a.device, home()))(a, b)


@lru_cache(maxsize=3)
def _from_catalogue(net: Net, device: torch.device, folder: Path) -> LPIPS:
    """Load LPIPS; the cache key includes the weights folder, so that a change of folder takes effect."""
    return LPIPS.from_catalogue(net).to(device)


def _check_net(net: str) -> None:
    if net not in TRUNKS:
        raise ValueError(
            f"no LPIPS network named {net!r}{suggest(net, TRUNKS)}; available: {', '.join(TRUNKS)}"
        )


def _state(source: str | Path | Mapping[str, Any]) -> Mapping[str, Any]:
    return source if isinstance(source, Mapping) else read_checkpoint(source)


def _unit(features: Tensor) -> Tensor:
    # vector_norm, unlike sqrt, has gradient 0 where all channels are 0.
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + EPSILON)
