"""AlexNet's and VGG16's convolutional trunks, torchvision's keys, as feature extractors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from semveil.core.checkpoints import load_strictly


@dataclass(frozen=True)
class Trunk:
    """Layers of `features`: (kernel, stride, padding, channels) of a convolution with ReLU, or None for max pooling.

    Attributes:
        layers: in order; each convolution takes two places in torchvision's numbering (itself and its ReLU).
        taps: how many convolutions lie before each feature map that is read, counted after the ReLU.
        pool: side and stride of the max pooling.
        smallest: side of the smallest image that leaves a pixel in every map.
    """

    layers: tuple[tuple[int, int, int, int] | None, ...]
    taps: tuple[int, ...]
    pool: tuple[int, int]
    smallest: int

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the feature maps that are read."""
        convolutions = [layer for layer in self.layers if layer]
        return tuple(convolutions[tap - 1][3] for tap in self.taps)


_A, _B, _C, _D = (3, 1, 1, 64), (3, 1, 1, 128), (3, 1, 1, 256), (3, 1, 1, 512)
TRUNKS = {
    "alex": Trunk(
        layers=((11, 4, 2, 64), None, (5, 1, 2, 192), None, (3, 1, 1, 384), (3, 1, 1, 256), (3, 1, 1, 256)),
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
}


class FeatureTrunk(nn.Module):
    """The layers of torchvision's `alexnet().features` or `vgg16().features` that feature distances read, frozen.

    Args:
        net: `alex` or `vgg`.
        state: torchvision's state dict; keys other than `features.*` (the classifier) are left out.
        taps: convolutions after whose ReLU a map is read, counted from 1; those of `TRUNKS[net]` where None.

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
                kernel, stride, padding, channels = layer
                self.features[str(index)] = nn.Conv2d(width, channels, kernel, stride, padding)
                width = channels
            index += 2 if layer else 1
        load_strictly(self, {k: v for k, v in state.items() if k.startswith("features.")}, name=f"the {net} trunk")
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Feature maps at the taps, from the first to the last, for images normalised as the trunk was trained.

        Raises:
            ValueError: the images are too small.
        """
        if min(images.shape[-2:]) < self._trunk.smallest:
            raise ValueError(
                f"images of {tuple(images.shape[-2:])} px are too small, at least {self._trunk.smallest} px needed"
            )
        convolutions = iter(self.features.values())
        maps: list[Tensor] = []
        x, done = images, 0
        for layer in self._trunk.layers:
            if layer is None:
                x = F.max_pool2d(x, *self._trunk.pool)
                continue
            x = F.relu(next(convolutions)(x))
            done += 1
            if done in self._taps:
                maps.append(x)
            if len(maps) == len(set(self._taps)):  # nobody needs the layers after the last tap
                break
        return maps
