# SPDX-License-Identifier: Apache-2.0
"""Small U-Net that labels every pixel of an aligned face with one of thirteen parts."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.checkpoints import build_to_fit, read_checkpoint
from semveil.core.files import write_whole
from semveil.core.model_folders import bundled_file
from semveil.faces.parts import PARTS

SIZE = 128  # px, side of the aligned faces in the bundled parser's training


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
    """U-Net from images (B, 3, H, W) in [-1, 1] to part logits (B, 13, H, W); H and W divisible by 8.

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
        """Compute logits (B, 13, H, W) of the face parts.

        Args:
            images: (B, 3, H, W) in [-1, 1].
        """
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
        """Return the index of the most likely face part per pixel, (B, H, W) uint8.

        Args:
            images: (B, 3, H, W) in [-1, 1].
        """
        with torch.inference_mode():
            return self(images).argmax(1).to(torch.uint8)


def save_face_parser(path: Path, network: FaceParser, card: Mapping[str, Any]) -> None:
    """Write the weights in half precision, and a model card as JSON.

    Args:
        path: the `.safetensors` file; the card has the same name with suffix `.json`.
        network: the trained parser.
        card: training data and accuracy, JSON-serialisable.
    """
    state = {
        k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in network.state_dict().items()
    }
    write_whole(path, save(state))
    write_whole(path.with_suffix(".json"), (json.dumps(dict(card), indent=1) + "\n").encode())


@lru_cache(maxsize=2)
def load_face_parser(path: Path | None = None) -> FaceParser:
    """Load a parser, frozen and in evaluation mode.

    Args:
        path: a file written by `semveil train parser`; None for the bundled parser.

    Raises:
        BadCheckpoint: the file is missing, damaged, or holds another network.
    """
    file = path or bundled_file("face-parser", "parser.safetensors")
    weights = {k: v.float() if v.is_floating_point() else v for k, v in read_checkpoint(file).items()}
    return build_to_fit(FaceParser, weights, name=file.name)
