# SPDX-License-Identifier: Apache-2.0
"""Attribute encoder of identity-dp: multi-scale feature maps of everything in a photo but the identity.

Written from [IDP] section IV-A and Fig. 3, FaceShifter (Li et al., arXiv:1912.13457, section 3.1) and the
published file format, which determines the names of the submodules.

"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.checkpoint_parts import read_part
from semveil.core.checkpoints import load_strictly
from semveil.core.device import CPU

FINEST = ("bilinear", "shuffle")
SLOPE = 0.1  # slope of every leaky ReLU, [IDP] Fig. 3


@dataclass(frozen=True)
class AttributeEncoderConfig:
    """Sizes of an attribute encoder; the defaults are the paper's: 256 px, n = 8 levels.

    Attributes:
        size: side of the photos in pixels, a power of two.
        widths: channels after each downsampling step; there is one level more than there are steps.
        finest: upsampling to the last level, which has the photo's size: `bilinear` as in the paper, or
            `shuffle`, which rearranges four channels into four pixels (Shi et al., CVPR 2016) and keeps finer
            detail (not in the paper); the latter needs an even first width.
    """

    size: int = 256
    widths: tuple[int, ...] = (32, 64, 128, 256, 512, 1024, 1024)
    finest: str = "bilinear"

    def __post_init__(self) -> None:
        if self.size < 4 or self.size & (self.size - 1):
            raise ValueError(f"size must be a power of two of at least 4, got {self.size}")
        if not 2 <= len(self.widths) < self.size.bit_length():
            raise ValueError(
                f"{self.size} px can be halved 2 to {self.size.bit_length() - 1} times, "
                f"got {len(self.widths)} widths: {self.widths}"
            )
        if min(self.widths) < 1:
            raise ValueError(f"widths must be at least 1, got {self.widths}")
        if self.finest not in FINEST:
            raise ValueError(f"finest must be one of {', '.join(FINEST)}, got {self.finest!r}")
        if self.finest == "shuffle" and self.widths[0] % 2:
            raise ValueError(f"finest = shuffle needs an even first width, got {self.widths[0]}")

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of the levels, coarse to fine: 2, 4, ..., 256 by default."""
        return tuple(self.size >> i for i in range(len(self.widths), -1, -1))

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the levels, coarse to fine: 1024, 2048, 1024, 512, 256, 128, 64, 64 by default."""
        doubled = tuple(2 * width for width in self.widths[-2::-1])
        return (self.widths[-1], *doubled, doubled[-1] if self.finest == "bilinear" else doubled[-1] // 4)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "AttributeEncoderConfig":
        """Create a configuration from `as_dict`'s values; lists (from JSON) are converted to tuples.

        Args:
            values: settings by name.

        Raises:
            ValueError: a setting is unknown or out of range.
        """
        unknown = values.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown attribute encoder settings: {', '.join(sorted(unknown))}")
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**settings)


class AttributeEncoder(nn.Module):
    """Feature maps r_att^1 .. r_att^n of photos: the decoder levels of a U-Net ([IDP] Eq. 8).

    Down: 4x4 convolutions that halve the side. Up: 4x4 transposed convolutions that double it, each followed
    by concatenation with the skip connection of the same size. Level 1 is the bottleneck; the last level is
    the previous one upsampled to the size of the photo.

    Example:
        >>> encoder = AttributeEncoder(AttributeEncoderConfig(size=16, widths=(2, 4, 8)))
        >>> [tuple(level.shape[1:]) for level in encoder(torch.zeros(1, 3, 16, 16))]
        [(8, 2, 2), (8, 4, 4), (4, 8, 8), (4, 16, 16)]
    """

    def __init__(self, config: AttributeEncoderConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or AttributeEncoderConfig()
        pairs = zip((3, *config.widths), config.widths, strict=False)
        self.Encoder = _numbered(nn.Conv2d(width, channels, 4, 2, 1) for width, channels in pairs)
        pairs = zip(config.channels, config.widths[-2::-1], strict=False)
        self.Decoder = _numbered(nn.ConvTranspose2d(width, channels, 4, 2, 1) for width, channels in pairs)

    @classmethod
    def from_official(cls, source: str | Path | Mapping[str, Any]) -> "AttributeEncoder":
        """Load the multi-level attribute encoder (keys `E.*`) of a FaceShifter checkpoint.

        Args:
            source: the file, or its state dict.

        Returns:
            The encoder in evaluation mode.

        Raises:
            BadCheckpoint: the file is missing, damaged, unsafe, or holds other networks.
        """
        state, name = read_part(source, "E", beside=("G", "Z", "D"))
        with torch.device("meta"):
            network = cls()
        network.to_empty(device=CPU)
        load_strictly(network, state, name=name)
        return network.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature levels of photos, coarse to fine.

        Args:
            images: (B, 3, size, size) in [-1, 1]; mapped to [0, 1] as in the published network.

        Returns:
            n maps (B, `config.channels[k]`, `config.sides[k]`, `config.sides[k]`).

        Raises:
            ValueError: the images have another shape.
        """
        side = self.config.size
        if images.shape[1:] != (3, side, side):
            raise ValueError(
                f"the attribute encoder wants photos (B, 3, {side}, {side}), got {tuple(images.shape)}"
            )
        x = (images + 1) / 2
        down = []
        for layer in self.Encoder.children():
            x = layer(x)
            down.append(x)
        levels = [x]
        for layer, skip in zip(self.Decoder.children(), down[-2::-1], strict=True):
            x = torch.cat([layer(x), skip], 1)
            levels.append(x)
        if self.config.finest == "shuffle":
            levels.append(F.pixel_shuffle(x, 2))
        else:
            levels.append(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))
        return tuple(levels)


def coarsened(images: Tensor, side: int) -> Tensor:
    """Average images to side x side pixels and interpolate back, which leaves 3 side^2 values per image.

    Args:
        images: (B, 3, S, S).
        side: number of cells per side; divides S.

    Raises:
        ValueError: `side` is not positive or does not divide S.

    Example:
        >>> coarsened(torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]]), 1).unique()
        tensor([1.5000])
    """
    size = images.shape[-1]
    if side < 1 or size % side:
        raise ValueError(f"side must divide {size}, got {side}")
    return F.interpolate(F.avg_pool2d(images, size // side), size=images.shape[-2:], mode="bilinear")


def _numbered(convolutions: Any) -> nn.Module:
    """Submodules `layer_0`, `layer_1`, ...: each convolution with batch norm and leaky ReLU."""
    layers = nn.Module()
    for i, conv in enumerate(convolutions):
        layers.add_module(
            f"layer_{i}", nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.LeakyReLU(SLOPE))
        )
    return layers
