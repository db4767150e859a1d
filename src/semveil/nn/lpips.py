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

TRUNK_ENTRIES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}  # of the weights catalogue
EPSILON = 1e-10
Net = Literal["alex", "vgg", "squeeze"]


class LPIPS(nn.Module):
    """LPIPS with its weights: sum over layers of the mean over positions of w . (u(a) - u(b))^2.

    u are a trunk's feature maps, scaled to unit length over the channels; w are the published non-negative
    weights. Differentiable in both images; the weights are frozen.

    Args:
        net: `alex` (what the papers report), `vgg` (loss of the official inversion) or `squeeze`, which no
            loss here has seen: the bundled generator was trained on `alex`, and its photos are inverted with
            it where asked.
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
        """LPIPS with the weights of the catalogue.

        Args:
            net: `alex`, `vgg` or `squeeze`.

        Raises:
            ValueError: an unknown network.
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
        """Distances between pairs of images.

        Args:
            a: (B, 3, H, W) in [-1, 1].
            b: likewise.

        Returns:
            (B,), >= 0.

        Raises:
            ValueError: as for `per_layer`.
        """
        return self.per_layer(a, b).sum(0)

    def per_layer(self, a: Tensor, b: Tensor) -> Tensor:
        """Contributions of the layers to the distance; `forward` is their sum.

        Args:
            a: (B, 3, H, W) in [-1, 1].
            b: likewise.

        Returns:
            (L, B).

        Raises:
            ValueError: the two are not batches of RGB images of one shape, or too small for the trunk.
        """
        if a.shape != b.shape or a.ndim != 4 or a.shape[1] != 3:
            raise ValueError(
                f"images to compare must be (B, 3, H, W) of one shape, got {tuple(a.shape)} and "
                f"{tuple(b.shape)}"
            )
        return self._shares(self._maps(a), self._maps(b))

    def distance_to(self, photos: Tensor) -> Callable[[Tensor], Tensor]:
        """Distance to fixed photos as a function of images, for use in an optimisation; the photos' features are computed once.

        A single image is passed through the trunk twice, since torch selects a slow convolution for batches
        of one; value and gradient are unaffected.

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
        """Feature maps of unit length over the channels."""
        return [_unit(part) for part in self.trunk((images - self.shift) / self.scale)]

    def _shares(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        weights = self.heads.parameters()
        return torch.stack(
            [(w * (x - y) ** 2).sum(1).mean((1, 2)) for x, y, w in zip(a, b, weights, strict=True)]
        )


class _Heads(nn.Module):
    """One weight per channel of each feature map, under the official keys `lin0.model.1.weight`..."""

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
        weights: a loaded `LPIPS`, on the images' device; where None, the catalogue's, loaded once.

    Returns:
        (B,), differentiable; 0 for equal images, about 0.7 for unrelated ones.

    Raises:
        WeightsMissing: the catalogue's files are not on this machine.
    """
    return (weights or _from_catalogue(net, a.device, home()))(a, b)


@lru_cache(maxsize=3)
def _from_catalogue(net: Net, device: torch.device, folder: Path) -> LPIPS:
    """Kept for one folder of weights: where another holds none, none are used."""
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
