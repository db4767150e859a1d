# SPDX-License-Identifier: Apache-2.0
"""DeepJSCC: image encoder to channel symbols, and decoder (Bourtsoulatze, Kurka, Gündüz 2019)."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class DeepJSCCConfig:
    """Sizes of a DeepJSCC network.

    Attributes:
        size: side of the images in pixels, a power of two.
        codes, style_dim: K maps of D values, D a power of four. With a face model's K and D an image takes
            the same bandwidth, K D / 2 symbols.
        width, cap: channels at the first downsampling, doubled at each further one up to the cap.
        blocks: number of residual blocks at the smallest side, in encoder and decoder each.
    """

    size: int = 128
    codes: int = 28
    style_dim: int = 64
    width: int = 32
    cap: int = 192
    blocks: int = 1

    def __post_init__(self) -> None:
        if (
            self.side**2 != self.style_dim
            or self.size < 2 * self.side
            or 2 ** int(math.log2(self.size)) != self.size
        ):
            raise ValueError(
                f"maps of {self.style_dim} numbers do not fit pictures of {self.size} px: 4^k, and 2^n > 2^k"
            )

    @property
    def side(self) -> int:
        """Side of the maps."""
        return 2 ** (int(math.log2(max(1, self.style_dim))) // 2)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class DeepJSCC(nn.Module):
    """Autoencoder between images (B, 3, S, S) in [-1, 1] and latents (B, K, D) for transmission.

    Example:
        >>> import torch
        >>> network = DeepJSCC(DeepJSCCConfig(size=16, style_dim=16, width=8, cap=8))
        >>> latents = network.encode(torch.zeros(2, 3, 16, 16))
        >>> latents.shape, network.decode(latents).shape
        (torch.Size([2, 28, 16]), torch.Size([2, 3, 16, 16]))
    """

    def __init__(self, config: DeepJSCCConfig) -> None:
        super().__init__()
        self.config = config
        halvings = int(math.log2(config.size // config.side))
        widths = [min(config.cap, config.width << level) for level in range(halvings)]
        down = [_step(a, b, 2) for a, b in zip([3, *widths], widths, strict=False)]
        self.encoder = nn.Sequential(
            *down,
            *(_Residual(widths[-1]) for _ in range(config.blocks)),
            nn.Conv2d(widths[-1], config.codes, 3, padding=1),
        )
        up: list[nn.Module] = []
        for a, b in zip(widths[::-1], [*widths[-2::-1], config.width], strict=True):
            up += [nn.Upsample(scale_factor=2), _step(a, b, 1)]
        self.decoder = nn.Sequential(
            nn.Conv2d(config.codes, widths[-1], 3, padding=1),
            *(_Residual(widths[-1]) for _ in range(config.blocks)),
            *up,
            nn.Conv2d(config.width, 3, 3, padding=1),
        )

    def encode(self, images: Tensor) -> Tensor:
        """Compute latents (B, K, D), neither clipped nor power-normalised.

        Args:
            images: (B, 3, S, S) in [-1, 1].
        """
        return self.encoder(images).flatten(2)

    def decode(self, latents: Tensor) -> Tensor:
        """Reconstruct images (B, 3, S, S) in about [-1, 1].

        Args:
            latents: (B, K, D).
        """
        side = self.config.side
        return self.decoder(latents.unflatten(2, (side, side)))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_step(width, width, 1), nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _step(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.GroupNorm(4, outputs), nn.LeakyReLU(0.1)
    )
