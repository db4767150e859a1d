# SPDX-License-Identifier: Apache-2.0
"""VGG16 as a classifier: noise-image's explainer f' and service model f."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semveil.core.checkpoints import load_strictly, read_checkpoint
from semveil.recognition.vgg16_config import VGG16Config

__all__ = ["Record", "VGG16Classifier"]


@dataclass
class Record:
    """Activations of a forward pass that an explanation needs, in order.

    Attributes:
        convolutions: input of the ReLU after each convolution, (B, C, h, w).
        pools: for each pooling, the size of its input and the indices of the maxima.
        last_map: height and width of the map after the last block.
        hidden: input of the ReLU after each hidden fully connected layer, (B, units).
    """

    convolutions: list[Tensor] = field(default_factory=list)
    pools: list[tuple[torch.Size, Tensor]] = field(default_factory=list)
    last_map: tuple[int, int] = (0, 0)
    hidden: list[Tensor] = field(default_factory=list)


class VGG16Classifier(nn.Module):
    """VGG16 classifier (Simonyan and Zisserman, 2015; [NI] Table 2) for images of any sufficient size.

    Args:
        config: sizes; None for those of [NI] Table 2.
        rng: source of the initial weights (He et al., 2015: normal, variance 2 / fan-in; biases zero); None
            for torch's global stream.

    Example:
        >>> VGG16Classifier(VGG16Config.small(classes=10, width=4))(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(self, config: VGG16Config | None = None, *, rng: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config = config or VGG16Config.published()
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        before = 3
        for number, width in enumerate(config.widths, start=1):
            side = 1 if number in config.pointwise else 3
            self.convolutions.append(nn.utils.skip_init(nn.Conv2d, before, width, side, padding=side // 2))
            if config.batch_norm:
                self.norms.append(nn.BatchNorm2d(width))
            before = width
        units = (before * config.grid**2, *config.hidden, config.classes)
        self.linears = nn.ModuleList(nn.utils.skip_init(nn.Linear, a, b) for a, b in pairwise(units))
        for layer in (*self.convolutions, *self.linears):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
            nn.init.zeros_(layer.bias)

    @classmethod
    def from_torchvision(cls, source: str | Path | Mapping[str, Any]) -> "VGG16Classifier":
        """Load torchvision's `vgg16` or `vgg16_bn` with any number of classes, in evaluation mode.

        The weights expect ImageNet normalisation, which `forward` does not apply.

        Args:
            source: the file, or its state dict.

        Raises:
            BadCheckpoint: the file is missing, damaged, unsafe, or holds other weights.
        """
        state = source if isinstance(source, Mapping) else read_checkpoint(source)
        config = VGG16Config.standard(
            classes=_classes(state, "classifier.6.bias"), batch_norm="features.40.weight" in state
        )
        places, index = [], 0
        for block in config.blocks:
            for _ in block:
                places.append(index)
                index += 3 if config.batch_norm else 2  # the convolution, its batch norm, its ReLU
            index += 1
        convolutions = [f"features.{place}" for place in places]
        norms = [f"features.{place + 1}" for place in places]
        linears = ["classifier.0", "classifier.3", "classifier.6"]
        return cls(config, rng=torch.Generator())._filled(state, convolutions, norms, linears)

    @classmethod
    def from_released(cls, source: str | Path | Mapping[str, Any]) -> "VGG16Classifier":
        """Load a classifier of the public code of [NI] (keys `layers.*`), in evaluation mode.

        Args:
            source: the file, or its state dict; the image size follows from the shape of its first fully
                connected layer.

        Raises:
            BadCheckpoint: the file is missing, damaged, unsafe, or holds other weights.
        """
        state = source if isinstance(source, Mapping) else read_checkpoint(source)
        first = state.get("layers.18.linear.weight")
        inputs = first.shape[1] if isinstance(first, Tensor) and first.ndim == 2 else 512
        size = 32 * max(1, round((inputs / 512) ** 0.5))
        config = VGG16Config.released(classes=_classes(state, "layers.22.linear.bias"), size=size)
        places = [0, 1, 3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16]  # poolings at 2, 5, 9, 13 and 17
        convolutions, norms = ([f"layers.{place}.{part}" for place in places] for part in ("conv", "bn"))
        linears = [f"layers.{place}.linear" for place in (18, 20, 22)]
        return cls(config, rng=torch.Generator())._filled(state, convolutions, norms, linears)

    def _filled(
        self, state: Mapping[str, Any], convolutions: list[str], norms: list[str], linears: list[str]
    ) -> "VGG16Classifier":
        """Load a state dict whose layers have the given names."""
        names = {
            "convolutions": convolutions,
            "norms": norms if self.config.batch_norm else [],
            "linears": linears,
        }
        own = {theirs: f"{kind}.{i}" for kind, listed in names.items() for i, theirs in enumerate(listed)}
        renamed = {}
        for key, value in state.items():
            stem, _, last = key.rpartition(".")
            renamed[f"{own[stem]}.{last}" if stem in own else key] = value
        load_strictly(self, renamed, name="the classifier")
        return self.eval()

    def forward(self, images: Tensor, *, record: Record | None = None) -> Tensor:
        """Compute scores (B, classes) before the softmax.

        Args:
            images: (B, 3, H, W) in [-1, 1], H and W at least `config.smallest`.
            record: filled with the activations that an explanation needs; None records nothing.

        Raises:
            ValueError: the images are too small or do not have three channels.
        """
        if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[2:]) < self.config.smallest:
            side = self.config.smallest
            raise ValueError(
                f"images must be (B, 3, H, W) of at least {side} x {side} px, got {tuple(images.shape)}"
            )
        x, number = images, 0
        for block in self.config.blocks:
            for _ in block:
                x = self.convolutions[number](x)
                if self.config.batch_norm:
                    x = self.norms[number](x)
                if record is not None:
                    record.convolutions.append(x)
                x = F.relu(x)
                number += 1
            if record is None:
                x = F.max_pool2d(x, 2)
            else:
                size = x.shape
                x, places = F.max_pool2d(x, 2, return_indices=True)
                record.pools.append((size, places))
        if record is not None:
            record.last_map = (x.shape[2], x.shape[3])
        x = F.adaptive_avg_pool2d(x, self.config.grid).flatten(1)
        for linear in self.linears[:-1]:
            x = linear(x)
            if record is not None:
                record.hidden.append(x)
            x = F.dropout(F.relu(x), self.config.dropout, self.training)
        return self.linears[-1](x)

    def convolution(self, number: int) -> nn.Conv2d:
        """Return a convolution.

        Args:
            number: 0-based index.
        """
        layer = self.convolutions[number]
        assert isinstance(layer, nn.Conv2d)
        return layer

    def norm_scale(self, number: int) -> Tensor:
        """Per-channel factor of a batch norm in evaluation mode, weight / sqrt(running variance + eps), (C,).

        Args:
            number: 0-based index of the convolution that the batch norm follows.
        """
        norm = self.norms[number]
        assert isinstance(norm, nn.BatchNorm2d) and norm.running_var is not None
        return norm.weight * (norm.running_var + norm.eps).rsqrt()

    def linear(self, number: int) -> nn.Linear:
        """Return a fully connected layer; the last one computes the class scores.

        Args:
            number: 0-based index, or negative from the end.
        """
        layer = self.linears[number]
        assert isinstance(layer, nn.Linear)
        return layer


def _classes(state: Mapping[str, Any], key: str) -> int:
    """Number of classes from the last bias of a state dict.

    It is 1 if the bias is missing, which the strict loader then reports.
    """
    bias = state.get(key)
    return bias.shape[0] if isinstance(bias, Tensor) and bias.ndim == 1 else 1
