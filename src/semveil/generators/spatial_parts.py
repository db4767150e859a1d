# SPDX-License-Identifier: Apache-2.0
"""The thirteen part decoders of `SpatialSemanticGAN`: four codes each -> features and depth."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.faces.parts import BASE_CODES, PARTS
from semveil.generators.spatial_config import SpatialSemanticConfig
from semveil.nn.equalized import LEAKY_SLOPE
from semveil.nn.placement import placing, share_inside

OUTSIDE = -12.0  # depth of a part outside its box


class PartDecoders(nn.Module):
    """Codes (B, K, D) -> features (B, P, F, g, g) and depths (B, P, g, g) on the composition grid.

    Each part's shape and texture codes and the two shared codes pass through one hidden layer to a small map
    that covers the part's box; its rows are doubled, convolved once, and placed on the grid. The background
    does not use the shared codes.
    """

    rows: Tensor
    columns: Tensor
    inside: Tensor

    def __init__(self, config: SpatialSemanticConfig) -> None:
        super().__init__()
        self.config = config
        parts, (height, width) = len(PARTS), config.part_cells
        inputs, outputs = 4 * config.style_dim, config.part_channels * height * width
        self.hidden = nn.Parameter(torch.randn(parts, inputs, config.part_hidden) * inputs**-0.5)
        self.hidden_bias = nn.Parameter(torch.zeros(parts, 1, config.part_hidden))
        self.maps = nn.Parameter(
            torch.randn(parts, config.part_hidden, outputs) * (config.part_hidden / 2) ** -0.5
        )
        self.maps_bias = nn.Parameter(torch.zeros(parts, 1, outputs))
        self.refine = nn.Conv2d(
            parts * config.part_channels, parts * (config.features + 1), 3, padding=1, groups=parts
        )
        ends = [(box[1], box[3], box[0], box[2]) for box in config.boxes]
        rows = [placing(2 * height, config.grid, top, bottom) for top, bottom, _, _ in ends]
        columns = [placing(width, config.grid, left, right) for _, _, left, right in ends]
        inside = [
            torch.outer(share_inside(config.grid, top, bottom), share_inside(config.grid, left, right))
            for top, bottom, left, right in ends
        ]
        self.register_buffer("rows", torch.stack(rows), persistent=False)  # (P, g, 2h)
        self.register_buffer("columns", torch.stack(columns), persistent=False)  # (P, g, w)
        self.register_buffer("inside", torch.stack(inside), persistent=False)  # (P, g, g)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Decode features and depths of every part.

        Args:
            codes: (B, K, D) latents.

        Returns:
            Features (B, P, F, g, g), and depths (B, P, g, g), 0 for the background.
        """
        c, parts = self.config, len(PARTS)
        height, width = c.part_cells
        own = codes[:, BASE_CODES:].unflatten(1, (parts, 2)).flatten(2)  # (B, P, 2D)
        shared = codes[:, :BASE_CODES].flatten(1).unsqueeze(1).expand(-1, parts, -1)
        shared = torch.cat([torch.zeros_like(shared[:, :1]), shared[:, 1:]], 1)
        styles = torch.cat([shared, own], 2).transpose(0, 1)  # (P, B, 4D)
        hidden = F.leaky_relu(torch.baddbmm(self.hidden_bias, styles, self.hidden), LEAKY_SLOPE)
        maps = torch.baddbmm(self.maps_bias, hidden, self.maps)  # (P, B, C h w)
        # (B, P C, h, w)
        maps = maps.unflatten(2, (c.part_channels, height, width)).transpose(0, 1).flatten(1, 2)
        maps = F.interpolate(
            F.leaky_relu(maps, LEAKY_SLOPE), size=(2 * height, width), mode="bilinear", align_corners=False
        )
        local = self.refine(maps).unflatten(1, (parts, c.features + 1))  # (B, P, F + 1, 2h, w)
        rows, columns = self.rows.to(local.dtype).unsqueeze(1), self.columns.to(local.dtype).unsqueeze(1)
        placed = rows @ local @ columns.mT  # (B, P, F + 1, g, g)
        depths = placed[:, :, 0].float() + OUTSIDE * (1 - self.inside)
        depths = torch.cat([torch.zeros_like(depths[:, :1]), depths[:, 1:]], 1)
        return placed[:, :, 1:], depths
