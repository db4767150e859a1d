"""A small U-Net that labels every pixel of an aligned face with one of the thirteen parts."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.parts import PARTS


class _Block(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class FaceParser(nn.Module):
    """Images (B, 3, H, W) in [-1, 1] -> part logits (B, 13, H, W); H and W divisible by 8.

    Args:
        widths: channels at full, half, quarter and eighth resolution.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (16, 32, 64, 96)) -> None:
        super().__init__()
        a, b, c, d = widths
        self.down = nn.ModuleList([_Block(3, a), _Block(a, b), _Block(b, c), _Block(c, d)])
        self.up = nn.ModuleList([_Block(d + c, c), _Block(c + b, b), _Block(b + a, a)])
        self.logits = nn.Conv2d(a, len(PARTS), 1)

    def forward(self, images: Tensor) -> Tensor:
        x, skips = images, []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(torch.cat([x, skips.pop()], 1))
        return self.logits(x)

    def label(self, images: Tensor) -> Tensor:
        """Most likely part of each pixel, (B, H, W) uint8."""
        with torch.inference_mode():
            return self(images).argmax(1).to(torch.uint8)
