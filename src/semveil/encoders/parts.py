# SPDX-License-Identifier: Apache-2.0
"""Feed-forward encoder to 28 latent codes that computes each part's codes from the part's own box."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.encoders.residual import Residual
from semveil.faces.part_boxes import PART_BOXES, Box
from semveil.faces.parts import BASE_CODES, PARTS
from semveil.nn.placement import sampling


@dataclass(frozen=True)
class PartEncoderConfig:
    """Sizes of the encoder.

    Attributes:
        size: side of the photos in pixels, a multiple of 32.
        style_dim: D of the latents.
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the side.
        part_cells: rows and columns sampled in each part's box.
        part_channels: channels sampled there, at 1/4 of the side.
        shared_channels: channels at 1/16 of the side for the two shared codes.
        boxes: region of the aligned photo in which each part can appear.
    """

    size: int = 128
    style_dim: int = 64
    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    part_cells: tuple[int, int] = (8, 16)
    part_channels: int = 20
    shared_channels: int = 24
    boxes: tuple[Box, ...] = PART_BOXES

    @property
    def codes(self) -> int:
        return BASE_CODES + 2 * len(PARTS)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PartEncoderConfig":
        """Create a configuration from `as_dict`'s values; lists (from JSON) are converted to tuples.

        Args:
            values: settings by name.
        """
        sizes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        if "boxes" in sizes:
            sizes["boxes"] = tuple(tuple(box) for box in sizes["boxes"])
        return cls(**sizes)


class PartEncoder(nn.Module):
    """Encoder of photos (B, 3, S, S) in [-1, 1] to latents (B, K, D).

    Features at 1/16 and 1/8 of the side are added to those at 1/4. Each part's two codes are a linear map of
    the features in its box, the shared codes one of the coarsest features. Every coordinate is standardised
    over the training photos.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, config: PartEncoderConfig) -> None:
        super().__init__()
        self.config = config
        a, b, c, d = config.widths
        self.stem = nn.Conv2d(3, a, 5, stride=2, padding=2)
        self.quarter = nn.Sequential(nn.LeakyReLU(0.1), nn.Conv2d(a, b, 3, stride=2, padding=1), Residual(b))
        self.eighth = nn.Sequential(nn.Conv2d(b, c, 3, stride=2, padding=1), Residual(c))
        self.sixteenth = nn.Sequential(nn.Conv2d(c, d, 3, stride=2, padding=1), Residual(d), Residual(d))
        self.from_eighth, self.from_sixteenth = nn.Conv2d(c, b, 1), nn.Conv2d(d, b, 1)
        self.to_parts = nn.Sequential(
            nn.BatchNorm2d(b), nn.LeakyReLU(0.1), nn.Conv2d(b, b, 3, padding=1), nn.LeakyReLU(0.1),
            nn.Conv2d(b, config.part_channels, 1),
        )  # fmt: skip
        self.to_shared = nn.Sequential(
            nn.BatchNorm2d(d), nn.LeakyReLU(0.1), nn.Conv2d(d, config.shared_channels, 1)
        )
        height, width = config.part_cells
        inputs = config.part_channels * height * width
        self.part_codes = nn.Parameter(torch.randn(len(PARTS), inputs, 2 * config.style_dim) * inputs**-0.5)
        self.shared_codes = nn.Linear(
            config.shared_channels * (config.size // 16) ** 2, BASE_CODES * config.style_dim
        )
        self.standardise = nn.BatchNorm1d(config.codes * config.style_dim, affine=False, momentum=0.02)
        grid = config.size // 4
        rows = [sampling(height, grid, top, bottom) for _, top, _, bottom in config.boxes]
        columns = [sampling(width, grid, left, right) for left, _, right, _ in config.boxes]
        self.register_buffer("rows", torch.stack(rows), persistent=False)  # (P, h, S/4)
        self.register_buffer("columns", torch.stack(columns), persistent=False)  # (P, w, S/4)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute feature maps at 1/4, 1/8 and 1/16 of the image side.

        Args:
            images: (B, 3, S, S) in [-1, 1]; average-pooled to `config.size` if larger.
        """
        if images.shape[-1] > self.config.size:
            images = F.adaptive_avg_pool2d(images, self.config.size)
        quarter = self.quarter(self.stem(images))
        eighth = self.eighth(quarter)
        return quarter, eighth, self.sixteenth(eighth)

    def forward(self, images: Tensor) -> Tensor:
        """Compute latent codes (B, K, D).

        Args:
            images: (B, 3, S, S) in [-1, 1]; average-pooled to `config.size` if larger.
        """
        c = self.config
        quarter, eighth, sixteenth = self.features(images)
        context = self.from_eighth(eighth) + F.interpolate(
            self.from_sixteenth(sixteenth), scale_factor=2, mode="bilinear", align_corners=False
        )
        x = self.to_parts(
            quarter + F.interpolate(context, scale_factor=2, mode="bilinear", align_corners=False)
        )
        rows, columns = self.rows.to(x.dtype).unsqueeze(1), self.columns.to(x.dtype).unsqueeze(1)
        read = rows @ x.contiguous().unsqueeze(1) @ columns.mT  # (B, P, C, h, w)
        # (B, P, 2D)
        parts = torch.bmm(read.flatten(2).transpose(0, 1), self.part_codes.to(x.dtype)).transpose(0, 1)
        shared = self.shared_codes(self.to_shared(sixteenth).flatten(1))
        # leaves half precision under autocast
        codes = torch.cat([shared, parts.flatten(1)], 1).to(self.part_codes.dtype)
        standard: Tensor = self.standardise(codes)
        return standard.unflatten(1, (c.codes, c.style_dim))
