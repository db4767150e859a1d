# SPDX-License-Identifier: Apache-2.0
"""pSp encoder: latent codes of a StyleGAN2 from an aligned photo in a single pass.

Written from the paper (Richardson et al., CVPR 2021, arXiv:2008.00951, section 3) and the published file
format.
"""

import math
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.checkpoints import BadCheckpoint, load_strictly, read_checkpoint
from semveil.core.device import CPU
from semveil.nn.equalized import EqualizedLinear
from semveil.nn.irse import irse50_body, irse50_input

SIDE = 256
WIDTH = 512
# Blocks of the IR-SE50 body whose output is used: 128 channels at 64 px, 256 at 32 px; the final output has
# 512 at 16 px.
_FINE, _MEDIUM = 6, 20
# Codes 0-2 are computed from the map at 16 px, 3-6 at 32 px, the rest at 64 px.
_MEDIUM_FROM, _FINE_FROM = 3, 7
_PREFIX = "encoder."


class MapToStyle(nn.Module):
    """Network from a feature map (B, 512, S, S) to one code (B, 512).

    log2(S) strided convolutions reduce the map to 1 x 1; a linear layer follows.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(int(math.log2(side))):
            layers += [nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1), nn.LeakyReLU(0.01, inplace=True)]
        self.convs = nn.Sequential(*layers)
        self.linear = EqualizedLinear(WIDTH, WIDTH)

    def forward(self, features: Tensor) -> Tensor:
        """Compute one style (B, 512).

        Args:
            features: (B, 512, S, S).
        """
        return self.linear(self.convs(features).flatten(1))


class GradualStyleEncoder(nn.Module):
    """Frozen encoder of photos to latent codes (B, K, 512): IR-SE50, a feature pyramid, one network per code.

    Args:
        codes: number of codes K, 18 for a 1024 px StyleGAN2.

    Attributes:
        mean_codes: (K, 512), added to the network's output; zero for a checkpoint trained without it.

    Example:
        >>> encoder = GradualStyleEncoder.from_official("psp_ffhq_encode.pt")  # doctest: +SKIP
        >>> encoder(photos).shape  # doctest: +SKIP
        torch.Size([8, 18, 512])
    """

    mean_codes: Tensor

    def __init__(self, codes: int = 18) -> None:
        super().__init__()
        self.input_layer = irse50_input()
        self.body = irse50_body()
        sides = (16 if j < _MEDIUM_FROM else 32 if j < _FINE_FROM else 64 for j in range(codes))
        self.styles = nn.ModuleList(map(MapToStyle, sides))
        self.latlayer1 = nn.Conv2d(256, WIDTH, 1)
        self.latlayer2 = nn.Conv2d(128, WIDTH, 1)
        self.register_buffer("mean_codes", torch.zeros(codes, WIDTH), persistent=False)
        self.eval().requires_grad_(False)

    @classmethod
    def from_official(cls, source: str | Path | Mapping[str, Any]) -> "GradualStyleEncoder":
        """Load the encoder of `psp_ffhq_encode.pt`; `StyleGAN2.from_official` loads its generator.

        Args:
            source: the file, its content, or a state dict with its keys (with or without the prefix
                `encoder.`). The number of codes follows from `opts.output_size`, if present, else from the
                weights.

        Raises:
            BadCheckpoint: the file is missing, damaged, unsafe, or holds another encoder.
        """
        content = source if isinstance(source, Mapping) else read_checkpoint(source, allow=[Namespace])
        name = "the pSp file" if isinstance(source, Mapping) else Path(source).name
        state = content.get("state_dict", content)
        if not isinstance(state, Mapping):
            raise BadCheckpoint(f"{name} is no pSp checkpoint: its state_dict is a {type(state).__name__}")
        mean = content.get("latent_avg", state.get("latent_avg"))
        if any(key.startswith(_PREFIX) for key in state):
            state = {
                key.removeprefix(_PREFIX): value for key, value in state.items() if key.startswith(_PREFIX)
            }
        else:
            state = {key: value for key, value in state.items() if key != "latent_avg"}
        codes = _codes(content.get("opts"), state, name)
        with torch.device("meta"):  # drawing 267 million initial values would take seconds
            network = cls(codes)
        network.to_empty(device=CPU).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        load_strictly(network, state, name=name)
        network.mean_codes.copy_(_mean_codes(mean, content.get("opts"), codes, name))
        return network

    def forward(self, images: Tensor) -> Tensor:
        """Compute latent codes (B, K, 512): the predicted offsets plus the mean codes.

        Args:
            images: (B, 3, H, W) in [-1, 1], aligned as in FFHQ; H and W at least 256.

        Raises:
            ValueError: the images have another shape, or are smaller than 256 px.
        """
        return self.offsets(images) + self.mean_codes

    def offsets(self, images: Tensor) -> Tensor:
        """Predicted latent codes minus `mean_codes`, (B, K, 512).

        Args:
            images: (B, 3, H, W) in [-1, 1], H and W at least 256; larger ones are average-pooled to 256 px.

        Raises:
            ValueError: the images have another shape, or are smaller than 256 px.
        """
        if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[2:]) < SIDE:
            raise ValueError(
                f"the pSp encoder wants photos (B, 3, H, W) of at least {SIDE} px, got "
                f"{tuple(images.shape)}; align the face to a larger crop"
            )
        x = self.input_layer(
            F.adaptive_avg_pool2d(images, SIDE).contiguous(memory_format=torch.channels_last)
        )
        fine = self.body[: _FINE + 1](x)
        medium = self.body[_FINE + 1 : _MEDIUM + 1](fine)
        coarse = self.body[_MEDIUM + 1 :](medium)
        medium = _doubled(coarse) + self.latlayer1(medium)
        fine = _doubled(medium) + self.latlayer2(fine)
        levels = (
            coarse if j < _MEDIUM_FROM else medium if j < _FINE_FROM else fine
            for j in range(len(self.styles))
        )
        return torch.stack([style(level) for style, level in zip(self.styles, levels, strict=True)], 1)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def _option(options: Any, key: str, default: Any) -> Any:
    """Entry of the file's `opts`: a dictionary, a namespace, or None."""
    return (vars(options) if isinstance(options, Namespace) else options or {}).get(key, default)


def _codes(options: Any, state: Mapping[str, Any], name: str) -> int:
    kind = _option(options, "encoder_type", "GradualStyleEncoder")
    if kind != "GradualStyleEncoder":
        raise BadCheckpoint(f"{name} holds a {kind}, only a GradualStyleEncoder can be used")
    size = _option(options, "output_size", None)
    if size is None:
        return sum(key.startswith("styles.") and key.endswith(".linear.weight") for key in state) or 18
    if not isinstance(size, int) or size < 8 or size & (size - 1):
        raise BadCheckpoint(f"{name} states output_size {size!r}, expected a power of two of at least 8")
    return 2 * size.bit_length() - 4


def _mean_codes(mean: Any, options: Any, codes: int, name: str) -> Tensor:
    """Mean codes (K, 512) from `latent_avg`, (K, 512) or (512,).

    They are zero if the encoder was trained without them, or for a bare state dict.
    """
    if not _option(options, "start_from_latent_avg", True) or (mean is None and options is None):
        return torch.zeros(codes, WIDTH)
    shape = tuple(mean.shape) if isinstance(mean, Tensor) else type(mean).__name__
    if shape not in ((WIDTH,), (codes, WIDTH)) or not mean.isfinite().all():
        raise BadCheckpoint(
            f"latent_avg of {name} must be finite and ({codes}, {WIDTH}) or ({WIDTH},), got {shape}"
        )
    return mean.expand(codes, WIDTH)
