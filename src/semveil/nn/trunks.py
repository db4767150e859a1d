# SPDX-License-Identifier: Apache-2.0
"""Trunks of AlexNet, VGG16 and SqueezeNet 1.1 as feature extractors, with torchvision's keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semveil.core.checkpoints import load_strictly

MEANS, DEVIATIONS = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet's RGB in [-1, 1]


def normalised(images: Tensor) -> Tensor:
    """Normalise images as in the trunks' training: mean 0 and standard deviation 1 per channel.

    Args:
        images: (B, 3, H, W) RGB in [-1, 1].
    """
    means, deviations = (images.new_tensor(values).view(1, 3, 1, 1) for values in (MEANS, DEVIATIONS))
    return (images - means) / deviations


@dataclass(frozen=True)
class Convolution:
    """Convolution with ReLU; occupies two indices in torchvision's numbering."""

    kernel: int
    stride: int
    padding: int
    channels: int
    places = 2

    def build(self, width: int) -> nn.Module:
        """Create the convolution without its ReLU.

        Args:
            width: input channels.
        """
        return nn.Conv2d(width, self.channels, self.kernel, self.stride, self.padding)


@dataclass(frozen=True)
class Fire:
    """SqueezeNet's fire module: a 1x1 convolution, then 1x1 and 3x3 ones in parallel, each with ReLU."""

    squeezed: int
    expanded: int
    places = 1

    @property
    def channels(self) -> int:
        return 2 * self.expanded

    def build(self, width: int) -> nn.Module:
        """Create the module without its last ReLU.

        Args:
            width: input channels.
        """
        return _FireModule(width, self.squeezed, self.expanded)


@dataclass(frozen=True)
class Trunk:
    """Architecture of a trunk, `features` in torchvision.

    Attributes:
        layers: layers in order; None for max pooling, which occupies one index.
        taps: 1-based numbers of the weighted layers after whose ReLU a feature map is returned.
        pool: side and stride of the max pooling.
        smallest: smallest image side in pixels for which every map is non-empty.
        ceil: pooling in ceil mode, which covers incomplete windows at the edges.
    """

    layers: tuple[Convolution | Fire | None, ...]
    taps: tuple[int, ...]
    pool: tuple[int, int]
    smallest: int
    ceil: bool = False

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the returned feature maps."""
        weighted = [layer for layer in self.layers if layer]
        return tuple(weighted[tap - 1].channels for tap in self.taps)


_A, _B, _C, _D = (Convolution(3, 1, 1, channels) for channels in (64, 128, 256, 512))
TRUNKS = {
    "alex": Trunk(
        layers=(
            Convolution(11, 4, 2, 64), None, Convolution(5, 1, 2, 192), None,
            Convolution(3, 1, 1, 384), _C, _C,
        ),
        taps=(1, 2, 3, 4, 5),
        pool=(3, 2),
        smallest=31,
    ),
    "vgg": Trunk(
        layers=(_A, _A, None, _B, _B, None, _C, _C, _C, None, _D, _D, _D, None, _D, _D, _D),
        taps=(2, 4, 7, 10, 13),
        pool=(2, 2),
        smallest=16,
    ),
    "squeeze": Trunk(
        layers=(
            Convolution(3, 2, 0, 64), None, Fire(16, 64), Fire(16, 64), None,
            Fire(32, 128), Fire(32, 128), None,
            Fire(48, 192), Fire(48, 192), Fire(64, 256), Fire(64, 256),
        ),
        taps=(1, 3, 5, 6, 7, 8, 9),
        pool=(3, 2),
        smallest=17,
        ceil=True,
    ),
}  # fmt: skip


class FeatureTrunk(nn.Module):
    """The `features` of torchvision's `alexnet()`, `vgg16()` or `squeezenet1_1()`, frozen.

    Args:
        net: `alex`, `vgg` or `squeeze`.
        state: torchvision's state dict; keys other than `features.*` (the classifier) are ignored.
        taps: 1-based numbers of the weighted layers after whose ReLU a map is returned; None for those of
            `TRUNKS[net]`.

    Raises:
        BadCheckpoint: the state does not fit.
        ValueError: the trunk has no such tap.
    """

    def __init__(self, net: str, state: Mapping[str, Any], *, taps: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self._trunk = TRUNKS[net]
        self._taps = self._trunk.taps if taps is None else taps
        depth = sum(layer is not None for layer in self._trunk.layers)
        if not self._taps or not set(self._taps) <= set(range(1, depth + 1)):
            raise ValueError(f"taps of {net} must be one or more of 1..{depth}, got {self._taps}")
        self.features = nn.ModuleDict()
        index, width = 0, 3
        for layer in self._trunk.layers:
            if layer:
                self.features[str(index)] = layer.build(width)
                width = layer.channels
            index += layer.places if layer else 1
        load_strictly(
            self, {k: v for k, v in state.items() if k.startswith("features.")}, name=f"the {net} trunk"
        )
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the feature maps at the taps, from first to last.

        Args:
            images: (B, 3, H, W), see `normalised`.

        Returns:
            One map (B, C_l, H_l, W_l) per tap.

        Raises:
            ValueError: the images are smaller than the trunk's minimum.
        """
        if min(images.shape[-2:]) < self._trunk.smallest:
            raise ValueError(
                f"images of {tuple(images.shape[-2:])} px are too small, at least {self._trunk.smallest} px "
                "needed"
            )
        weighted = iter(self.features.values())
        maps: list[Tensor] = []
        x, done = images, 0
        for layer in self._trunk.layers:
            if layer is None:
                x = F.max_pool2d(x, *self._trunk.pool, ceil_mode=self._trunk.ceil)
                continue
            x = F.relu(next(weighted)(x))
            done += 1
            if done in self._taps:
                maps.append(x)
            if len(maps) == len(set(self._taps)):  # layers after the last tap are not needed
                break
        return maps


class _FireModule(nn.Module):
    """Fire module without its last ReLU."""

    def __init__(self, width: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(width, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        narrow = F.relu(self.squeeze(x))
        return torch.cat([self.expand1x1(narrow), self.expand3x3(narrow)], 1)
