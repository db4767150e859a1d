# SPDX-License-Identifier: Apache-2.0
"""Compact identity encoder for small aligned faces, fast enough to train other networks against it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.checkpoints import LARGEST_SIDE, BadCheckpoint, build_to_fit, read_checkpoint, read_metadata
from semveil.core.config import check_kinds
from semveil.core.files import write_whole
from semveil.core.model_folders import bundled_file
from semveil.core.text import parse_json

BUNDLED = "identity-128"
FILE = "identity_encoder.safetensors"


@dataclass(frozen=True)
class IdentityEncoderConfig:
    """Sizes of an identity encoder.

    Attributes:
        size: side of the aligned images in pixels.
        top, left, side: square region of the image that is read, slightly larger than dlib's crop.
        stem: stride of the first convolution; 2 at 128 px costs as much as 1 at 64 px.
        widths: channels after the stem, and at 1/2, 1/4 and 1/8 of that resolution.
        blocks: number of residual blocks at the latter three resolutions.
        dimensions: dimension E of the identity vectors.

    Raises:
        ValueError: the square exceeds the image, or its side is not a multiple of 8 x `stem`.
    """

    size: int = 64
    top: int = 15
    left: int = 8
    side: int = 48
    stem: int = 1
    widths: tuple[int, int, int, int] = (32, 48, 96, 192)
    blocks: tuple[int, int, int] = (1, 2, 1)
    dimensions: int = 64

    def __post_init__(self) -> None:
        reach = max(self.top, self.left) + self.side
        if min(self.top, self.left) < 0 or reach > self.size:
            raise ValueError(
                f"the encoder's square must lie inside the {self.size} px image, but it reaches {reach} px"
            )
        if self.side <= 0 or self.stem <= 0 or self.side % (8 * self.stem):
            raise ValueError(
                f"the encoder's side must be a multiple of {8 * self.stem} (8 x stem), got {self.side}"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "IdentityEncoderConfig":
        """Create a configuration from `asdict`'s values; lists (from JSON) are converted to tuples.

        Args:
            values: settings by name.
        """
        sizes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**sizes)


class _Residual(nn.Module):
    """x -> PReLU(shortcut(x) + BN(conv(PReLU(BN(conv(x)))))); the first convolution may have stride 2."""

    def __init__(self, width: int, channels: int, *, stride: int) -> None:
        super().__init__()
        self.shortcut: nn.Module = (
            nn.Identity()
            if stride == 1 and width == channels
            else nn.Sequential(
                nn.AvgPool2d(stride), nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels)
            )
        )
        self.body = nn.Sequential(
            nn.Conv2d(width, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.activate = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(self.shortcut(x) + self.body(x))


class IdentityEncoder(nn.Module):
    """Encoder of aligned images (B, 3, S, S) in [-1, 1] to identity vectors (B, E) of unit length.

    Structured as ArcFace's networks (Deng et al., CVPR 2019): residual blocks, then a position-dependent
    linear map of all features. The inner product of two vectors is their cosine; differentiable in the
    images.

    Example:
        >>> import torch
        >>> IdentityEncoder(IdentityEncoderConfig()).eval()(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 64])
    """

    def __init__(self, config: IdentityEncoderConfig) -> None:
        super().__init__()
        self.config = config
        width, *later = config.widths
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, config.stem, 1, bias=False)]
        layers += [nn.BatchNorm2d(width), nn.PReLU(width)]
        for channels, depth in zip(later, config.blocks, strict=True):
            for k in range(depth):
                layers.append(_Residual(width, channels, stride=2 if k == 0 else 1))
                width = channels
        self.body = nn.Sequential(*layers)
        self.output = nn.Sequential(
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Linear(width * (config.side // config.stem // 8) ** 2, config.dimensions, bias=False),
        )
        self.standardise = nn.BatchNorm1d(config.dimensions)

    def forward(self, images: Tensor) -> Tensor:
        """Compute identity vectors (B, E) of unit length.

        Args:
            images: (B, 3, S, S) in [-1, 1], S = `config.size`.

        Raises:
            ValueError: the images have another shape.
        """
        if images.shape[1:] != (3, self.config.size, self.config.size):
            size = self.config.size
            raise ValueError(
                f"the identity encoder takes images (B, 3, {size}, {size}), got {tuple(images.shape)}"
            )
        top, left, side = self.config.top, self.config.left, self.config.side
        features = self.output(self.body(images[:, :, top : top + side, left : left + side]))
        return F.normalize(self.standardise(features.to(images.dtype)), dim=1)


def save_identity_encoder(path: Path, network: IdentityEncoder, card: Mapping[str, Any]) -> None:
    """Write the weights in half precision, with configuration and card in the file's metadata.

    Args:
        path: the `.safetensors` file.
        network: the trained encoder.
        card: training data and accuracy, JSON-serialisable.
    """
    state = {
        k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in network.state_dict().items()
    }
    write_whole(
        path, save(state, {"config": json.dumps(asdict(network.config)), "card": json.dumps(dict(card))})
    )


@lru_cache(maxsize=4)
def load_identity_encoder(name: str | Path = BUNDLED) -> IdentityEncoder:
    """Load an encoder, frozen and in evaluation mode.

    Args:
        name: `identity-128` (bundled), or a file written by `save_identity_encoder`.

    Raises:
        BadCheckpoint: the file is missing, damaged, or holds another network.
    """
    path = identity_encoder_file(name)
    state = read_checkpoint(path)
    try:
        values = parse_json(read_metadata(path)["config"])
        check_kinds(IdentityEncoderConfig, values)
        config = IdentityEncoderConfig.from_dict(values)
        if not 1 <= config.size <= LARGEST_SIDE:
            raise ValueError(f"pictures of {config.size} px")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"{path.name} does not say the sizes of an identity encoder") from error
    weights = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    return build_to_fit(lambda: IdentityEncoder(config), weights, name=path.name)


def identity_encoder_file(name: str | Path = BUNDLED) -> Path:
    """Return the path of an encoder's file.

    Args:
        name: name of the bundled encoder, or a path, which is returned unchanged.
    """
    return bundled_file(BUNDLED, FILE) if name == BUNDLED else Path(name)


def identity_encoder_digest(name: str | Path = BUNDLED) -> str:
    """SHA-256 of an encoder's file, 64 hex digits.

    Args:
        name: name of the bundled encoder, or a path.
    """
    return hashlib.sha256(identity_encoder_file(name).read_bytes()).hexdigest()
