# SPDX-License-Identifier: Apache-2.0
"""dlib's recogniser as a differentiable, batched torch network, read from dlib's own weight file.

King, *dlib_face_recognition_resnet_model_v1* (CC0): a residual network of 29 convolutions on chips of 150 px.
dlib itself provides no gradients, which a loss needs and an adversary would use.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.checkpoints import BadCheckpoint
from semveil.recognition.crop import DLIB_CHIP, crop_faces
from semveil.recognition.dlib_faces import checked_recogniser_file

DIMENSIONS = 128
_MEAN = (122.782, 117.001, 104.298)  # of R, G, B, subtracted by dlib's `input_rgb_image_sized`
_BLOCKS = (  # input and output channels, and whether the side is halved
    *[(32, 32, False)] * 3, (32, 64, True), *[(64, 64, False)] * 3, (64, 128, True), *[(128, 128, False)] * 2,
    (128, 256, True), *[(256, 256, False)] * 2, (256, 256, True),
)  # fmt: skip
_LAYER = re.compile(rb"\x01.(con_4|affine_|fc_2)", re.DOTALL)  # preceded by the length of its name


class _Convolution(nn.Module):
    """Convolution and dlib's `affine`, a frozen batch norm; strided convolutions are not padded."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=0 if stride > 1 else kernel // 2)
        self.scale = nn.Parameter(torch.ones(outputs))
        self.shift = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.scale.view(1, -1, 1, 1) + self.shift.view(1, -1, 1, 1)


class _Residual(nn.Module):
    """ReLU(block(x) + x), where x is averaged over 2 x 2 if the block halves the side."""

    def __init__(self, inputs: int, outputs: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.first = _Convolution(inputs, outputs, 3, 2 if halves else 1)
        self.second = _Convolution(outputs, outputs, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(self.first(x).relu())
        return _added(y, F.avg_pool2d(x, 2) if self.halves else x).relu()


def _added(a: Tensor, b: Tensor) -> Tensor:
    """Sum of two tensors, each zero-padded to the larger number of channels, rows and columns.

    This is dlib's `add_prev`.
    """
    shape = [max(pair) for pair in zip(a.shape[1:], b.shape[1:], strict=True)]
    a, b = (
        F.pad(x, (0, shape[2] - x.shape[3], 0, shape[1] - x.shape[2], 0, shape[0] - x.shape[1]))
        for x in (a, b)
    )
    return a + b


class DlibNetwork(nn.Module):
    """dlib's recogniser, in evaluation mode with frozen weights.

    Example:
        >>> network = load_dlib_network()  # doctest: +SKIP
        >>> network(torch.zeros(2, 3, 128, 128)).shape  # doctest: +SKIP
        torch.Size([2, 128])
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.stem = _Convolution(3, 32, 7, 2)
        self.blocks = nn.Sequential(*(_Residual(*block) for block in _BLOCKS))
        self.last = nn.Linear(256, DIMENSIONS, bias=False)
        self.register_buffer("centre", torch.zeros(DIMENSIONS))
        self.eval().requires_grad_(False)

    mean: Tensor
    centre: Tensor

    def descriptors(self, chips: Tensor) -> Tensor:
        """Compute the descriptors of `describe_faces`.

        Args:
            chips: (B, 3, 150, 150) RGB in [-1, 1], as returned by `crop_faces(images, DLIB_CHIP)`.

        Returns:
            (B, 128), not of unit length. Differentiable in the chips.

        Raises:
            ValueError: the chips have another shape.
        """
        if chips.shape[1:] != (3, DLIB_CHIP.size, DLIB_CHIP.size):
            raise ValueError(f"dlib wants chips (B, 3, 150, 150), got {tuple(chips.shape)}")
        x = F.max_pool2d(self.stem(((chips + 1) * 127.5 - self.mean) / 256).relu(), 3, 2)
        return self.last(self.blocks(x).mean((2, 3)))

    def centre_on(self, images: Tensor) -> None:
        """Set the centre to the mean descriptor of many people, so that unrelated faces have a cosine near 0.

        Args:
            images: (N, 3, S, S) in [-1, 1], aligned.
        """
        with torch.no_grad():
            parts = [self.descriptors(crop_faces(part, DLIB_CHIP)) for part in images.split(64)]
            self.centre.copy_(torch.cat(parts).mean(0))

    def forward(self, images: Tensor) -> Tensor:
        """Compute identity vectors of aligned faces, with the interface of an identity encoder.

        Args:
            images: (B, 3, S, S) in [-1, 1], aligned by `data.align`.

        Returns:
            (B, 128) centred descriptors of unit length. Differentiable in the images.
        """
        return F.normalize(self.descriptors(crop_faces(images, DLIB_CHIP)) - self.centre, dim=1)


def load_dlib_network() -> DlibNetwork:
    """Load the network with the weights of the installed file.

    Raises:
        DlibMissing: dlib's model files are not installed.
        BadCheckpoint: the file has another hash.
    """
    network = DlibNetwork()
    values = _parameters(checked_recogniser_file())
    convolutions = [module for module in network.modules() if isinstance(module, _Convolution)]
    for convolution in convolutions:
        count = convolution.conv.weight.numel()
        filters, affine = next(values), next(values)
        convolution.conv.weight.copy_(filters[:count].view_as(convolution.conv.weight))
        assert convolution.conv.bias is not None
        convolution.conv.bias.copy_(filters[count:])
        scale, shift = affine.chunk(2)
        convolution.scale.copy_(scale)
        convolution.shift.copy_(shift)
    network.last.weight.copy_(next(values).view(256, DIMENSIONS).t())
    return network


def _parameters(path: Path) -> Iterator[Tensor]:
    """Yield the parameters of each layer that has any, in forward order.

    dlib stores a layer's name, then (for `fc`, after two numbers) its tensor: a version, four dimensions,
    little-endian floats.
    """
    data = path.read_bytes()
    at = 0
    while found := _LAYER.search(data, at):
        name, at = found[1], found.end()
        numbers = []
        for _ in range(7 if name == b"fc_2" else 5):
            number, at = _integer(data, at)
            numbers.append(number)
        count = math.prod(numbers[-4:])
        if len(data) < at + 4 * count:
            raise BadCheckpoint(f"{path} ends within a layer")
        yield torch.from_numpy(np.frombuffer(data, "<f4", count, at).copy())
        at += 4 * count


def _integer(data: bytes, at: int) -> tuple[int, int]:
    """Decode dlib's variable-length integer at an offset; return it and the offset after it."""
    length = data[at] & 0x0F
    return int.from_bytes(data[at + 1 : at + 1 + length], "little"), at + 1 + length
