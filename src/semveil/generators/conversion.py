# SPDX-License-Identifier: Apache-2.0
"""The conversion generator g of noise-image, from an image to a noise-like image.

See [NI] section 3.2 and Table 1.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semveil.core.checkpoints import load_strictly, read_checkpoint

__all__ = ["ConversionConfig", "ConversionGenerator"]

_MODES: dict[str, Literal["constant", "reflect"]] = {"zeros": "constant", "reflect": "reflect"}


@dataclass(frozen=True)
class ConversionConfig:
    """Sizes of a conversion generator; the defaults are those of [NI] Table 1.

    Attributes:
        width: channels after the first convolution.
        blocks: number of residual blocks.
        halvings: number of times that the side is halved and the width doubled before the residual blocks,
            and restored after them.
        skip: whether the input image is added before the tanh.
        padding: padding mode of the convolutions, `zeros` or `reflect`.

    Example:
        >>> ConversionConfig.released()
        ConversionConfig(width=64, blocks=9, halvings=2, skip=True, padding='reflect')
    """

    width: int = 64
    blocks: int = 6
    halvings: int = 0
    skip: bool = False
    padding: str = "zeros"

    def __post_init__(self) -> None:
        if self.width < 1 or self.blocks < 0 or self.halvings < 0:
            raise ValueError(f"width must be at least 1, blocks and halvings at least 0, got {self}")
        if self.padding not in _MODES:
            raise ValueError(f"padding must be one of {', '.join(_MODES)}, got {self.padding!r}")

    @classmethod
    def published(cls) -> "ConversionConfig":
        """[NI] Table 1: constant resolution, six residual blocks, one 3x3 deconvolution of stride 1.

        Departs from the paper: the printed parameter counts are those of other layers. 7x7 from 3 to 64
        channels has 9,472 and not 1,792 (which a 3x3 would have), 3x3 from 64 to 64 has 36,928 and not 4,352,
        7x7 from 64 to 3 has 9,411 and not 1,792. The structure of a residual block is not printed; here it is
        as in Johnson et al. (2016) and in the released code.
        """
        return cls()

    @classmethod
    def released(cls) -> "ConversionConfig":
        """Public code of the paper: nine blocks at a quarter of the resolution, tanh(x + F(x)).

        With this skip connection the input image remains visible in the output.
        """
        return cls(blocks=9, halvings=2, skip=True, padding="reflect")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ConversionConfig":
        """Build a configuration from the result of `as_dict`.

        Args:
            values: settings by name.

        Raises:
            ValueError: a setting is unknown or out of range.
        """
        unknown = values.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown conversion settings: {', '.join(sorted(unknown))}")
        return cls(**values)


class ConversionGenerator(nn.Module):
    """g(x): 7x7 convolution, residual blocks, 7x7 convolution and tanh.

    Instance norm without parameters and ReLU follow the layers in between. g is deterministic in x, so its
    output has no differential privacy ([NI] claims it by post-processing, but the noise N is applied after g,
    and only in the training loss).

    Args:
        config: sizes; those of [NI] Table 1 where None.
        rng: source of the weights (He et al., 2015; biases zero); torch's global stream where None.

    Example:
        >>> ConversionGenerator(ConversionConfig(width=8, blocks=1))(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(self, config: ConversionConfig | None = None, *, rng: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config = config or ConversionConfig.published()
        widths = [config.width << i for i in range(config.halvings + 1)]
        self.first = _convolution(3, config.width, 7)
        self.down = nn.ModuleList(_convolution(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.residual = nn.ModuleList(_Residual(widths[-1], config.padding) for _ in range(config.blocks))
        steps = list(zip(widths[::-1], widths[-2::-1], strict=False)) or [(config.width, config.width)]
        halved = int(config.halvings > 0)
        self.up = nn.ModuleList(
            nn.utils.skip_init(nn.ConvTranspose2d, a, b, 3, 1 + halved, padding=1, output_padding=halved)
            for a, b in steps
        )
        self.last = _convolution(config.width, 3, 7)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                # torch stores transposed weights as (in, out), so it swaps fan-in and fan-out
                mode: Literal["fan_in", "fan_out"] = (
                    "fan_out" if isinstance(layer, nn.ConvTranspose2d) else "fan_in"
                )
                nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu", generator=rng)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    @classmethod
    def from_released(cls, source: str | Path | Mapping[str, Any]) -> "ConversionGenerator":
        """Load a generator of the public code of [NI] (keys `model.*`), in evaluation mode.

        Args:
            source: checkpoint file or its state dict.

        Raises:
            BadCheckpoint: the file is missing, damaged, unsafe, or contains other weights.
        """
        state = source if isinstance(source, Mapping) else read_checkpoint(source)
        # The released indices also count paddings, norms and ReLUs.
        own = {
            "model.1": "first",
            "model.4": "down.0",
            "model.7": "down.1",
            "model.19": "up.0",
            "model.22": "up.1",
        }
        own |= {
            f"model.{10 + k}.block.{place}": f"residual.{k}.{part}"
            for k in range(9)
            for part, place in (("first", 1), ("second", 5))
        }
        own["model.26"] = "last"
        renamed = {}
        for key, value in state.items():
            stem, _, last = key.rpartition(".")
            renamed[f"{own[stem]}.{last}" if stem in own else key] = value
        network = cls(ConversionConfig.released(), rng=torch.Generator())
        load_strictly(network, renamed, name="the conversion generator")
        return network.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Convert images: g(x) = tanh(x + F(x)) with skip connection, tanh(F(x)) without, in [-1, 1].

        Args:
            images: (B, 3, H, W) in [-1, 1]; H and W as for `change`.

        Raises:
            ValueError: as for `change`.
        """
        change = self.change(images)
        return torch.tanh(images + change if self.config.skip else change)

    def change(self, images: Tensor) -> Tensor:
        """Output F(x) of the network before the skip connection and tanh, of the same shape as the images.

        Args:
            images: (B, 3, H, W) in [-1, 1]; H and W multiples of 2^halvings, at least 4 and at least twice
                that power.

        Raises:
            ValueError: images without three channels, or with invalid sides.
        """
        step = 1 << self.config.halvings
        least = max(4, 2 * step)  # reflection needs more pixels than it pads, instance norm more than one
        if (
            images.ndim != 4
            or images.shape[1] != 3
            or any(side % step or side < least for side in images.shape[2:])
        ):
            raise ValueError(
                f"images must be (B, 3, H, W), sides multiples of {step} and at least {least} px, got "
                f"{tuple(images.shape)}"
            )
        x = _rectified(self.first(_padded(images, 3, self.config.padding)))
        for convolution in self.down:
            x = _rectified(convolution(x))
        for block in self.residual:
            x = block(x)
        for deconvolution in self.up:
            x = _rectified(deconvolution(x))
        return self.last(_padded(x, 3, self.config.padding))


class _Residual(nn.Module):
    """Residual block x + IN(conv(ReLU(IN(conv(x)))))."""

    def __init__(self, width: int, padding: str) -> None:
        super().__init__()
        self.padding = padding
        self.first, self.second = _convolution(width, width, 3), _convolution(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = _rectified(self.first(_padded(x, 1, self.padding)))
        return x + F.instance_norm(self.second(_padded(y, 1, self.padding)))


def _padded(x: Tensor, pixels: int, padding: str) -> Tensor:
    return F.pad(x, (pixels,) * 4, mode=_MODES[padding])


def _convolution(inputs: int, outputs: int, side: int, *, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    """Convolution with uninitialised weights."""
    return nn.utils.skip_init(nn.Conv2d, inputs, outputs, side, stride, padding)


def _rectified(x: Tensor) -> Tensor:
    """ReLU of the instance norm, without parameters or running statistics."""
    return F.relu(F.instance_norm(x))
