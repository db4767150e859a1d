# SPDX-License-Identifier: Apache-2.0
"""The fusion generator of identity-dp, from an identity vector and attribute maps to a face.

Uses adaptive attentional denormalisation. Written from [IDP] section IV-A and Fig. 3, FaceShifter (Li et al.,
arXiv:1912.13457, section 3.1) and the published file format, whose key names are used for the submodules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.checkpoint_parts import read_part
from semveil.core.checkpoints import load_strictly
from semveil.core.device import CPU


@dataclass(frozen=True)
class FusionConfig:
    """Sizes of a fusion generator; the defaults are those of the published 256 px model with 8 blocks.

    Attributes:
        identity_dim: length d of an identity vector.
        attribute_channels: channels of the attribute maps, coarse to fine; one block per map.
        widths: input channels of each block; the last block outputs the image.
        base: side of the coarsest map; each further map has twice the side.
    """

    identity_dim: int = 256
    attribute_channels: tuple[int, ...] = (1024, 2048, 1024, 512, 256, 128, 64, 64)
    widths: tuple[int, ...] = (1024, 1024, 1024, 1024, 512, 256, 128, 64)
    base: int = 2

    def __post_init__(self) -> None:
        for name in ("identity_dim", "base"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.widths or len(self.widths) != len(self.attribute_channels):
            raise ValueError(
                f"need one width for each attribute map, got widths {self.widths} "
                f"for attribute_channels {self.attribute_channels}"
            )
        if min(self.widths + self.attribute_channels) < 1:
            raise ValueError(
                f"widths and attribute_channels must be at least 1, got {self.widths} and "
                f"{self.attribute_channels}"
            )

    @property
    def size(self) -> int:
        """Side of the image in pixels; 256 by default."""
        return self.base << (len(self.widths) - 1)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FusionConfig":
        """Build a configuration from the result of `as_dict`; lists from JSON are accepted for tuples.

        Args:
            values: settings by name.

        Raises:
            ValueError: a setting is unknown or out of range.
        """
        unknown = values.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown fusion generator settings: {', '.join(sorted(unknown))}")
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**settings)


class AAD(nn.Module):
    """Adaptive attentional denormalisation: pixelwise modulation by the identity or the attributes.

    With n = BN(h), mask M = sigmoid(conv(n)): out = (1 - M) (gamma_att n + beta_att) + M (gamma_id n +
    beta_id); the gammas and betas are linear in the identity vector and convolutions of the attribute map
    (FaceShifter, Eqs. 2-5).

    Args:
        channels: channels of the features.
        attributes: channels of the attribute map, which has the same side as the features.
        identity: length of the identity vector.
    """

    def __init__(self, channels: int, attributes: int, identity: int) -> None:
        super().__init__()
        self.BNorm = nn.BatchNorm2d(channels)
        self.conv_f = nn.Conv2d(channels, channels, 3, padding=1)  # the mask
        # gamma_id, beta_id
        self.fc_1, self.fc_2 = nn.Linear(identity, channels), nn.Linear(identity, channels)
        # gamma_att, beta_att
        self.conv1, self.conv2 = (nn.Conv2d(attributes, channels, 3, padding=1) for _ in range(2))

    def forward(self, features: Tensor, gamma: Tensor, beta: Tensor, identity: Tensor) -> Tensor:
        """Blend attribute and identity modulation by a learnt mask, (B, C, h, h).

        Args:
            features: (B, C, h, h), with C the channels of the layer.
            gamma: (B, C, h, h), scale by the attributes: the output of `conv1`.
            beta: (B, C, h, h), shift by the attributes: the output of `conv2`.
            identity: (B, E) identity vectors.
        """
        normal = self.BNorm(features)
        by_identity = self.fc_1(identity)[..., None, None] * normal + self.fc_2(identity)[..., None, None]
        return torch.lerp(gamma * normal + beta, by_identity, self.conv_f(normal).sigmoid())


class AADResBlk(nn.Module):
    """Residual block of two steps of AAD, ReLU and 3x3 convolution.

    The shortcut has a third such step if the width changes.

    Args:
        width: input channels.
        channels: output channels.
        attributes: channels of the attribute map, which has the same side as the features.
        identity: length of the identity vector.
    """

    def __init__(self, width: int, channels: int, *, attributes: int, identity: int) -> None:
        super().__init__()
        self.add1 = AAD(width, attributes, identity)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.add2 = AAD(width, attributes, identity)
        self.conv2 = nn.Conv2d(width, channels, 3, padding=1)
        self.projects = width != channels
        if self.projects:
            self.add3 = AAD(width, attributes, identity)
            self.conv3 = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, features: Tensor, attributes: Tensor, identity: Tensor) -> Tensor:
        """Modulated features with a residual connection, (B, O, h, h).

        Args:
            features: (B, I, h, h).
            attributes: (B, A, h, h), the attribute map of this resolution.
            identity: (B, E) identity vectors.
        """
        steps = [self.add1, self.add2, *([self.add3] if self.projects else [])]
        # One convolution for all modulation maps gives equal results and shortens training by a quarter.
        convolutions = [conv for step in steps for conv in (step.conv1, step.conv2)]
        weight, bias = (
            torch.cat([getattr(conv, name) for conv in convolutions]) for name in ("weight", "bias")
        )
        maps = F.conv2d(attributes, weight, bias, padding=1).chunk(len(convolutions), 1)
        styles = list(zip(maps[::2], maps[1::2], strict=True))
        x = self.conv1(self.add1(features, *styles[0], identity).relu())
        x = self.conv2(self.add2(x, *styles[1], identity).relu())
        if self.projects:
            features = self.conv3(self.add3(features, *styles[2], identity).relu())
        return features + x


class FusionGenerator(nn.Module):
    """Identity vectors and attribute maps -> faces: X = h(r_id, r_att) ([IDP] Eq. 9), one AAD block per map.

    Example:
        >>> config = FusionConfig(identity_dim=4, attribute_channels=(8, 8, 4, 4), widths=(8, 8, 4, 4))
        >>> generator = FusionGenerator(config)
        >>> maps = [torch.zeros(1, c, 2 << k, 2 << k) for k, c in enumerate((8, 8, 4, 4))]
        >>> generator(torch.zeros(1, 4), maps).shape
        torch.Size([1, 3, 16, 16])
    """

    def __init__(self, config: FusionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or FusionConfig()
        self.convt = nn.ConvTranspose2d(config.identity_dim, config.widths[0], config.base)
        self.model = nn.Module()
        outputs = (*config.widths[1:], 3)
        for i, (width, channels, attributes) in enumerate(
            zip(config.widths, outputs, config.attribute_channels, strict=True)
        ):
            block = AADResBlk(width, channels, attributes=attributes, identity=config.identity_dim)
            self.model.add_module(f"layer_{i}", block)

    @classmethod
    def from_official(cls, source: str | Path | Mapping[str, Any]) -> "FusionGenerator":
        """Load the generator (keys `G.*`) of a FaceShifter checkpoint, in evaluation mode.

        Args:
            source: checkpoint file or its state dict.

        Raises:
            BadCheckpoint: the file is missing, damaged, unsafe, or contains other networks.
        """
        state, name = read_part(source, "G", beside=("E", "Z", "D"))
        with torch.device("meta"):  # drawing 370 million initial values would take seconds
            network = cls()
        network.to_empty(device=CPU)
        load_strictly(network, state, name=name)
        return network.eval()

    def forward(self, identity: Tensor, attributes: Sequence[Tensor]) -> Tensor:
        """Synthesise faces (B, 3, size, size) in [-1, 1].

        Args:
            identity: (B, d) identity vectors of unit length, as returned by the recogniser or perturbed.
            attributes: maps (B, `attribute_channels[k]`, side, side), sides `base`, 2 `base`, ..., `size`.

        Raises:
            ValueError: inputs of other shapes.
        """
        self._check(identity, attributes)
        x = self.convt(identity[..., None, None])
        for i, (block, level) in enumerate(zip(self.model.children(), attributes, strict=True)):
            if i:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = block(x, level, identity)
        return (x / 2).tanh()  # 2 sigmoid(x) - 1: the published sigmoid, from [0, 1] to [-1, 1]

    def _check(self, identity: Tensor, attributes: Sequence[Tensor]) -> None:
        config = self.config
        if identity.ndim != 2 or identity.shape[1] != config.identity_dim:
            raise ValueError(
                f"identity vectors must be (B, {config.identity_dim}), got {tuple(identity.shape)}"
            )
        found = [tuple(level.shape[1:]) for level in attributes]
        wanted = [
            (channels, side, side)
            for channels, side in zip(config.attribute_channels, self._sides(), strict=True)
        ]
        if found != wanted:
            raise ValueError(f"attribute maps must be {wanted}, coarse to fine, got {found}")

    def _sides(self) -> list[int]:
        return [self.config.base << k for k in range(len(self.config.widths))]
