# SPDX-License-Identifier: Apache-2.0
"""Feed-forward encoder of an aligned photo to latent codes, 28 for a SemanticStyleGAN."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.encoders.residual import Residual


@dataclass(frozen=True)
class SemanticEncoderConfig:
    """Sizes of the encoder.

    Attributes:
        size: side in pixels of the photos after pooling, a power of two of at least 32.
        codes, style_dim: K and D of the latents.
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the side.
        fine_channels, coarse_channels: channels kept at 1/8 and 1/16 for the final linear map.
    """

    size: int = 64
    codes: int = 28
    style_dim: int = 64
    widths: tuple[int, int, int, int] = (32, 80, 160, 256)
    fine_channels: int = 12
    coarse_channels: int = 96

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SemanticEncoderConfig":
        """Create a configuration from `as_dict`'s values; lists (from JSON) are converted to tuples.

        Args:
            values: settings by name.
        """
        sizes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**sizes)


class SemanticEncoder(nn.Module):
    """Encoder of photos (B, 3, S, S) in [-1, 1] to latents (B, K, D).

    Every coordinate is standardised over the training photos and then rescaled to the mean and standard
    deviation of the mapping network's w in that coordinate (`style_mean`, `style_std`), so that encoded and
    sampled codes have the same mean and spread per coordinate.
    """

    style_mean: Tensor
    style_std: Tensor

    def __init__(self, config: SemanticEncoderConfig) -> None:
        super().__init__()
        self.config = config
        a, b, c, d = config.widths
        self.stem = nn.Conv2d(3, a, 4, stride=2, padding=1)
        self.stages = nn.ModuleList(
            [
                Residual(a),
                nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), Residual(b)),
                nn.Sequential(nn.Conv2d(b, c, 3, stride=2, padding=1), Residual(c)),
                nn.Sequential(
                    nn.Conv2d(c, d, 3, stride=2, padding=1),
                    Residual(d),
                    nn.BatchNorm2d(d),
                    nn.LeakyReLU(0.1),
                ),
            ]
        )
        self.fine = nn.Conv2d(c, config.fine_channels, 1)
        self.coarse = nn.Conv2d(d, config.coarse_channels, 1)
        features = (
            config.fine_channels * (config.size // 8) ** 2 + config.coarse_channels * (config.size // 16) ** 2
        )
        self.to_codes = nn.Linear(features, config.codes * config.style_dim)
        self.standardise = nn.BatchNorm1d(config.codes * config.style_dim, affine=False, momentum=0.02)
        self.register_buffer("style_mean", torch.zeros(config.style_dim))
        self.register_buffer("style_std", torch.ones(config.style_dim))

    def forward(self, images: Tensor) -> Tensor:
        """Compute latent codes (B, K, D).

        Args:
            images: (B, 3, S, S) in [-1, 1]; average-pooled to `config.size` if larger.
        """
        if images.shape[-1] > self.config.size:
            images = F.adaptive_avg_pool2d(images, self.config.size)
        x = self.stem(images)
        x = self.stages[1](self.stages[0](x))
        fine = self.stages[2](x)
        coarse = self.stages[3](fine)
        features = torch.cat(
            [self.fine(F.leaky_relu(fine, 0.1)).flatten(1), self.coarse(coarse).flatten(1)], 1
        )
        # leaves half precision under autocast
        codes = self.standardise(self.to_codes(features).to(self.to_codes.weight.dtype))
        codes = codes.unflatten(1, (self.config.codes, self.config.style_dim))
        return codes * self.style_std + self.style_mean
