# SPDX-License-Identifier: Apache-2.0
"""Inception v3 of the Frechet Inception distance: the 2015 TensorFlow network, with torchvision's keys.

Szegedy et al., CVPR 2016, as ported by pytorch-fid. Apart from the weights it differs from torchvision's
network in three ways: average pooling excludes the padding, the last block uses max pooling, and the
classifier has 1,008 classes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semveil.core.checkpoints import load_strictly, read_checkpoint
from semveil.nn.conv_norm import ConvNorm, same_padding

SIDE = 299  # px, side of the training images
CHANNELS = 2048
Kernel = int | tuple[int, int]


@dataclass(frozen=True)
class _Conv:
    """Channels, kernel and stride; "same" padding at stride 1, no padding at stride 2."""

    channels: int
    kernel: Kernel
    stride: int = 1


@dataclass(frozen=True)
class _Branch:
    """Optional pooling, a chain of convolutions, and an optional split at the end.

    The split applies a 1 x 3 and a 3 x 1 convolution in parallel and concatenates their outputs.
    """

    name: str
    convs: tuple[_Conv, ...] = ()
    pool: str = ""
    split: int = 0  # channels of each half


def _same_size(pool_channels: int, pool: str, *branches: _Branch) -> tuple[_Branch, ...]:
    return (*branches, _Branch("branch_pool", (_Conv(pool_channels, 1),), pool))


def _block_a(pool_channels: int) -> tuple[_Branch, ...]:
    return _same_size(
        pool_channels, "mean",
        _Branch("branch1x1", (_Conv(64, 1),)),
        _Branch("branch5x5", (_Conv(48, 1), _Conv(64, 5))),
        _Branch("branch3x3dbl", (_Conv(64, 1), _Conv(96, 3), _Conv(96, 3))),
    )  # fmt: skip


def _block_c(inner: int) -> tuple[_Branch, ...]:
    row, column = _Conv(inner, (1, 7)), _Conv(inner, (7, 1))
    return _same_size(
        192, "mean",
        _Branch("branch1x1", (_Conv(192, 1),)),
        _Branch("branch7x7", (_Conv(inner, 1), row, _Conv(192, (7, 1)))),
        _Branch("branch7x7dbl", (_Conv(inner, 1), column, row, column, _Conv(192, (1, 7)))),
    )  # fmt: skip


def _block_e(pool: str) -> tuple[_Branch, ...]:
    return _same_size(
        192, pool,
        _Branch("branch1x1", (_Conv(320, 1),)),
        _Branch("branch3x3", (_Conv(384, 1),), split=384),
        _Branch("branch3x3dbl", (_Conv(448, 1), _Conv(384, 3)), split=384),
    )  # fmt: skip


_HALVE = _Branch("", pool="halve")
_BLOCK_B = (
    _Branch("branch3x3", (_Conv(384, 3, 2),)),
    _Branch("branch3x3dbl", (_Conv(64, 1), _Conv(96, 3), _Conv(96, 3, 2))),
    _HALVE,
)
_BLOCK_D = (
    _Branch("branch3x3", (_Conv(192, 1), _Conv(320, 3, 2))),
    _Branch("branch7x7x3", (_Conv(192, 1), _Conv(192, (1, 7)), _Conv(192, (7, 1)), _Conv(192, 3, 2))),
    _HALVE,
)
_BLOCKS = {
    "Mixed_5b": _block_a(32),
    "Mixed_5c": _block_a(64),
    "Mixed_5d": _block_a(64),
    "Mixed_6a": _BLOCK_B,
    "Mixed_6b": _block_c(128),
    "Mixed_6c": _block_c(160),
    "Mixed_6d": _block_c(160),
    "Mixed_6e": _block_c(192),
    "Mixed_7a": _BLOCK_D,
    "Mixed_7b": _block_e("mean"),
    "Mixed_7c": _block_e("max"),
}
_POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False),
    "max": partial(F.max_pool2d, kernel_size=3, stride=1, padding=1),
    "halve": partial(F.max_pool2d, kernel_size=3, stride=2),
    "": lambda x: x,
}


class _Block(nn.Module):
    """Parallel branches with concatenated channels."""

    def __init__(self, width: int, branches: tuple[_Branch, ...]) -> None:
        super().__init__()
        self._paths: list[tuple[str, list[str], list[str]]] = []
        self.channels = 0
        for branch in branches:
            inner, chain = width, []
            for number, conv in enumerate(branch.convs, 1):
                single = len(branch.convs) == 1 and not branch.split
                chain.append(branch.name if single else f"{branch.name}_{number}")
                padding = same_padding(conv.kernel) if conv.stride == 1 else 0
                self.add_module(
                    chain[-1],
                    ConvNorm(inner, conv.channels, conv.kernel, stride=conv.stride, padding=padding),
                )
                inner = conv.channels
            ends: list[str] = []
            for letter, kernel in zip("ab", ((1, 3), (3, 1)), strict=True):
                if branch.split:
                    ends.append(f"{branch.name}_{len(chain) + 1}{letter}")
                    self.add_module(
                        ends[-1], ConvNorm(inner, branch.split, kernel, padding=same_padding(kernel))
                    )
            self._paths.append((branch.pool, chain, ends))
            self.channels += 2 * branch.split or inner

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for pool, chain, ends in self._paths:
            y = _POOLS[pool](x)
            for name in chain:
                y = self.get_submodule(name)(y)
            outputs += [self.get_submodule(name)(y) for name in ends] or [y]
        return torch.cat(outputs, 1)


class InceptionV3(nn.Module):
    """Inception v3 up to its last average pooling, in evaluation mode with frozen weights.

    Example:
        >>> network = InceptionV3.from_official("pt_inception-2015-12-05-6726825d.pth")  # doctest: +SKIP
        >>> network(torch.zeros(1, 3, 299, 299)).shape  # doctest: +SKIP
        torch.Size([1, 2048])
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3)
        width = 192
        for name, branches in _BLOCKS.items():
            block = _Block(width, branches)
            self.add_module(name, block)
            width = block.channels
        self.eval().requires_grad_(False)

    @classmethod
    def from_official(cls, source: str | Path | Mapping[str, Any]) -> "InceptionV3":
        """Load the weights used for the FID; the classifier `fc.*` is ignored.

        Args:
            source: pytorch-fid's weight file, or a state dict with its keys.

        Raises:
            BadCheckpoint: the file is missing, damaged, unsafe, or holds other weights.
        """
        state = source if isinstance(source, Mapping) else read_checkpoint(source)
        name = "the Inception file" if isinstance(source, Mapping) else Path(source).name
        network = cls()
        load_strictly(network, {k: v for k, v in state.items() if not k.startswith("fc.")}, name=name)
        return network

    def forward(self, images: Tensor) -> Tensor:
        """Compute pooled features.

        Args:
            images: (B, 3, 299, 299) in [-1, 1]; sides of at least 75 px work.

        Returns:
            (B, 2048).
        """
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(images)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(_POOLS["halve"](x)))
        x = _POOLS["halve"](x)
        for name in _BLOCKS:
            x = self.get_submodule(name)(x)
        return x.mean((2, 3))
