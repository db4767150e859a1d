# SPDX-License-Identifier: Apache-2.0
"""FaceNet with Inception-ResNet v1, the recogniser of [IDP]'s identity distance.

Schroff et al., CVPR 2015; Szegedy et al., AAAI 2017; facenet-pytorch's state-dict keys.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semveil.core.checkpoints import load_strictly, read_checkpoint
from semveil.nn.conv_norm import EPSILON, ConvNorm, same_padding

CROP = 160
Kernel = int | tuple[int, int]


def _chain(width: int, *convs: tuple[int, Kernel]) -> nn.Sequential:
    """Convolutions (channels, kernel) that preserve the size."""
    layers = []
    for channels, kernel in convs:
        layers.append(ConvNorm(width, channels, kernel, padding=same_padding(kernel)))
        width = channels
    return nn.Sequential(*layers)


class _Residual(nn.Module):
    """x -> ReLU(x + scale * conv(concatenated branches of x)); the network's last block has no ReLU."""

    def __init__(
        self,
        width: int,
        first: int,
        others: Sequence[Sequence[tuple[int, Kernel]]],
        *,
        scale: float,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self._scale, self._relu, self._branches = scale, relu, 1 + len(others)
        self.branch0 = ConvNorm(width, first, 1)
        for number, convs in enumerate(others, 1):
            self.add_module(f"branch{number}", _chain(width, *convs))
        self.conv2d = nn.Conv2d(first + sum(convs[-1][0] for convs in others), width, 1)

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.get_submodule(f"branch{number}")(x) for number in range(self._branches)], 1)
        y = x + self._scale * self.conv2d(joined)
        return y.relu() if self._relu else y


def _block35() -> _Residual:
    return _Residual(256, 32, [[(32, 1), (32, 3)], [(32, 1), (32, 3), (32, 3)]], scale=0.17)


def _block17() -> _Residual:
    return _Residual(896, 128, [[(128, 1), (128, (1, 7)), (128, (7, 1))]], scale=0.10)


def _block8(*, scale: float = 0.20, relu: bool = True) -> _Residual:
    return _Residual(1792, 192, [[(192, 1), (192, (1, 3)), (192, (3, 1))]], scale=scale, relu=relu)


class _Halving(nn.Module):
    """Concatenation of max pooling and branches that halve the resolution."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self._branches = len(branches)
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)

    def forward(self, x: Tensor) -> Tensor:
        convolved = [self.get_submodule(f"branch{number}")(x) for number in range(self._branches)]
        return torch.cat([*convolved, F.max_pool2d(x, 3, 2)], 1)


class FaceNet(nn.Module):
    """FaceNet in evaluation mode with frozen weights.

    Example:
        >>> recogniser = FaceNet.from_official("20180402-114759-vggface2.pt")  # doctest: +SKIP
        >>> recogniser.embed(crops).shape  # doctest: +SKIP
        torch.Size([8, 512])
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a = ConvNorm(3, 32, 3, stride=2)
        self.conv2d_2a = ConvNorm(32, 32, 3)
        self.conv2d_2b = ConvNorm(32, 64, 3, padding=1)
        self.conv2d_3b = ConvNorm(64, 80, 1)
        self.conv2d_4a = ConvNorm(80, 192, 3)
        self.conv2d_4b = ConvNorm(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(_block35() for _ in range(5)))
        self.mixed_6a = _Halving(
            ConvNorm(256, 384, 3, stride=2),
            nn.Sequential(*_chain(256, (192, 1), (192, 3)), ConvNorm(192, 256, 3, stride=2)),
        )
        self.repeat_2 = nn.Sequential(*(_block17() for _ in range(10)))
        self.mixed_7a = _Halving(
            nn.Sequential(ConvNorm(896, 256, 1), ConvNorm(256, 384, 3, stride=2)),
            nn.Sequential(ConvNorm(896, 256, 1), ConvNorm(256, 256, 3, stride=2)),
            nn.Sequential(*_chain(896, (256, 1), (256, 3)), ConvNorm(256, 256, 3, stride=2)),
        )
        self.repeat_3 = nn.Sequential(*(_block8() for _ in range(5)))
        self.block8 = _block8(scale=1.0, relu=False)
        self.last_linear = nn.Linear(1792, 512, bias=False)
        self.last_bn = nn.BatchNorm1d(512, eps=EPSILON)
        self.eval().requires_grad_(False)

    @classmethod
    def from_official(cls, source: str | Path | Mapping[str, Any]) -> "FaceNet":
        """Load weights of facenet-pytorch (VGGFace2 or CASIA-WebFace), without the classifier head.

        Args:
            source: the file, or its state dict.

        Raises:
            BadCheckpoint: the file is missing, damaged, unsafe, or holds other weights.
        """
        state = source if isinstance(source, Mapping) else read_checkpoint(source)
        name = "the FaceNet file" if isinstance(source, Mapping) else Path(source).name
        network = cls()
        load_strictly(network, {k: v for k, v in state.items() if not k.startswith("logits.")}, name=name)
        return network

    def embed(self, crops: Tensor) -> Tensor:
        """Compute identity vectors of unit length.

        Args:
            crops: (B, 3, 160, 160) RGB, (pixel - 127.5) / 128: images in [-1, 1] times 127.5 / 128.

        Returns:
            (B, 512); the Euclidean distance of two is the paper's identity distance. Differentiable in the
            crops.
        """
        return F.normalize(self(crops))

    def forward(self, crops: Tensor) -> Tensor:
        """Compute identity vectors (B, 512), not normalised to unit length.

        Args:
            crops: (B, 3, 160, 160) RGB, standardised as (pixel - 127.5) / 128.

        Raises:
            ValueError: the crops have another shape.
        """
        if crops.shape[1:] != (3, CROP, CROP):
            raise ValueError(f"FaceNet wants crops (B, 3, {CROP}, {CROP}), got {tuple(crops.shape)}")
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(crops)))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(F.max_pool2d(x, 3, 2))))
        x = self.repeat_2(self.mixed_6a(self.repeat_1(x)))
        x = self.block8(self.repeat_3(self.mixed_7a(x)))
        return self.last_bn(self.last_linear(x.mean((2, 3))))
