# SPDX-License-Identifier: Apache-2.0
"""Discriminators: StyleGAN2's, SemanticStyleGAN's for images with masks, and multi-scale patches."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from semveil.faces.parts import PARTS
from semveil.nn.equalized import EqualizedConv, EqualizedLinear, at_least_float32, scaled_leaky_relu
from semveil.nn.resample import blur, downsample


class ResidualDown(nn.Module):
    """Residual block of two 3x3 convolutions, the second halving the side, and a 1x1 shortcut.

    The sum is divided by sqrt(2).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = EqualizedConv(inputs, inputs, 3, padding=1, bias=True)
        self.conv2 = EqualizedConv(inputs, outputs, 3, stride=2, bias=True)
        self.skip = EqualizedConv(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Halve the side of features, (B, I, H, W) -> (B, O, H/2, W/2).

        Args:
            x: (B, I, H, W), H and W even.
        """
        y = scaled_leaky_relu(self.conv1(x))
        y = scaled_leaky_relu(self.conv2(blur(y, padding=2)))
        return (y + self.skip(downsample(x))) / math.sqrt(2)


class Branch(nn.Module):
    """Residual blocks from an image or masks of a given side down to 4 x 4 features."""

    def __init__(self, inputs: int, side: int, channels: Callable[[int], int]) -> None:
        super().__init__()
        self.first = EqualizedConv(inputs, channels(side), 1, bias=True)
        sides = [side >> i for i in range(int(math.log2(side)) - 2)]
        self.blocks = nn.Sequential(*(ResidualDown(channels(s), channels(s // 2)) for s in sides))

    def forward(self, x: Tensor) -> Tensor:
        """Reduce images (B, C, H, W) to features (B, F, 4, 4).

        Args:
            x: (B, C, H, W) images or masks.
        """
        return self.blocks(scaled_leaky_relu(self.first(x)))


def minibatch_deviation(x: Tensor, *, group: int = 4) -> Tensor:
    """Append the mean standard deviation within groups of samples as a channel, (B, C + 1, H, W).

    Args:
        x: (B, C, H, W).
        group: samples per group: i, i + B/group, ...; a batch not divisible by it forms one group.
    """
    batch = x.shape[0]
    size = group if batch % group == 0 else batch
    grouped = at_least_float32(x).unflatten(0, (size, batch // size))
    deviation = (grouped.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3), keepdim=True)
    return torch.cat([x, deviation.repeat(size, 1, *x.shape[2:]).to(x.dtype)], 1)


class Discriminator(nn.Module):
    """StyleGAN2's residual discriminator of images (Karras et al., CVPR 2020, section 4.1).

    Args:
        size: side of the images, a power of two of at least 8.
        channel_multiplier: `min(channel_cap, 256 * channel_multiplier * 64 / side)` channels at each side.
        channel_cap: largest width.
        channels: function from side to width, instead of the rule above.

    Example:
        >>> Discriminator(16, channel_cap=8)(torch.zeros(4, 3, 16, 16)).shape
        torch.Size([4, 1])
    """

    def __init__(
        self,
        size: int,
        *,
        channel_multiplier: float = 2,
        channel_cap: int = 512,
        channels: Callable[[int], int] | None = None,
    ) -> None:
        super().__init__()
        if channels is None:
            channels = lambda side: min(channel_cap, int(256 * channel_multiplier * 64 / side))  # noqa: E731
        self.images = Branch(3, size, channels)
        self.final_conv = EqualizedConv(channels(4) + 1, channels(4), 3, padding=1, bias=True)
        self.hidden = EqualizedLinear(channels(4) * 16, channels(4), activate=True)
        self.score = EqualizedLinear(channels(4), 1)

    def forward(self, images: Tensor) -> Tensor:
        """Realness scores (B, 1); they depend on the whole batch.

        Args:
            images: (B, 3, H, W) in [-1, 1].
        """
        x = minibatch_deviation(self.images(images))
        return self.score(self.hidden(scaled_leaky_relu(self.final_conv(x)).flatten(1)))


class DualBranchDiscriminator(nn.Module):
    """Discriminator of images together with their part masks (SemanticStyleGAN, section 3.3).

    Args:
        size: side of the images.
        mask_size: side of the masks.
        channel_multiplier: `min(channel_cap, 256 * channel_multiplier * 64 / side)` channels at each side.
        channel_cap: largest width.
        channels: function from side to width, instead of the rule above.
    """

    def __init__(
        self,
        size: int,
        *,
        mask_size: int,
        channel_multiplier: float = 2,
        channel_cap: int = 512,
        channels: Callable[[int], int] | None = None,
    ) -> None:
        super().__init__()
        if channels is None:
            channels = lambda side: min(channel_cap, int(256 * channel_multiplier * 64 / side))  # noqa: E731
        self.images = Branch(3, size, channels)
        self.masks = Branch(len(PARTS), mask_size, channels)
        self.final_conv = EqualizedConv(channels(4) + 1, channels(4), 3, padding=1, bias=True)
        self.hidden = EqualizedLinear(channels(4) * 16, channels(4), activate=True)
        self.score = EqualizedLinear(channels(4), 1)

    def forward(self, images: Tensor, masks: Tensor | None = None) -> Tensor:
        """Realness scores (B, 1) of images with their masks; they depend on the whole batch.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            masks: (B, 13, h, h) in [-1, 1]; only the images are scored where None.
        """
        x = self.images(images)
        if masks is not None:
            x = x + self.masks(masks)
        x = scaled_leaky_relu(self.final_conv(minibatch_deviation(x)))
        return self.score(self.hidden(x.flatten(1)))


class PatchDiscriminator(nn.Module):
    """Discriminator of overlapping image patches.

    4x4 convolutions with spectral and instance norm and leaky ReLU of slope 0.2.

    Args:
        width: channels after the first convolution, doubled by each further one up to 8 times the width.
        layers: convolutions before the score; all but the last halve the side.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(layers)]
        parts: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2)]
        for i in range(1, layers):
            conv = nn.Conv2d(
                widths[i - 1], widths[i], 4, stride=2 if i < layers - 1 else 1, padding=2, bias=False
            )
            parts += [spectral_norm(conv), nn.InstanceNorm2d(widths[i]), nn.LeakyReLU(0.2)]
        self.parts = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=2))

    def forward(self, images: Tensor) -> Tensor:
        """Realness scores (B, 1, h, w) of patches.

        Args:
            images: (B, 3, H, W) in [-1, 1].
        """
        return self.parts(images)


class MultiScaleDiscriminator(nn.Module):
    """Discriminator of image patches at full, half, quarter, ... size: D_img of [IDP] Eq. 14.

    Written from SPADE (Park et al., CVPR 2019, appendix A), which the paper cites for it.

    Args:
        scales: number of sizes.
        width: channels after the first convolution, doubled by each further one up to 8 times the width.
        layers: convolutions before the score; all but the last halve the side.

    Example:
        >>> scores = MultiScaleDiscriminator(scales=2, width=4, layers=3)(torch.zeros(1, 3, 32, 32))
        >>> [tuple(s.shape) for s in scores]
        [(1, 1, 11, 11), (1, 1, 7, 7)]
    """

    def __init__(self, *, scales: int = 3, width: int = 64, layers: int = 4) -> None:
        super().__init__()
        for name, value, least in (("scales", scales, 1), ("width", width, 1), ("layers", layers, 2)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        self.judges = nn.ModuleList(PatchDiscriminator(width, layers) for _ in range(scales))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Realness scores of patches, one map (B, 1, h, w) per scale, fine to coarse.

        Args:
            images: (B, 3, H, W) in [-1, 1].
        """
        scores = []
        for i, judge in enumerate(self.judges):
            if i:
                images = F.avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)
            scores.append(judge(images))
        return tuple(scores)


class _FixedMixing(nn.Module):
    """Random 1x1 convolution whose weights are a buffer, so they are never trained or unfrozen."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.weight: Tensor
        self.register_buffer("weight", nn.Conv2d(channels, width, 1, bias=False).weight.detach())

    def forward(self, features: Tensor) -> Tensor:
        return F.conv2d(features, self.weight)


class FeatureDiscriminator(nn.Module):
    """Discriminator of feature-map patches from a frozen trunk, as in Projected GANs.

    See Sauer et al., NeurIPS 2021. Features of a trunk trained on many other photos need not be learnt from a
    few thousand faces. Each map is mixed by a fixed random 1x1 convolution, so that no single channel can be
    satisfied on its own, and judged by two convolutions.

    Args:
        trunk: frozen network, images (B, 3, H, W) -> feature maps (B, C, h, w).
        channels: C of each feature map.
        width: channels after the mixing and in the judges.

    Example:
        >>> discriminator = FeatureDiscriminator(lambda images: [images[:, :, ::2, ::2]], (3,), width=4)
        >>> [tuple(s.shape) for s in discriminator(torch.zeros(1, 3, 32, 32))]
        [(1, 1, 16, 16)]
    """

    def __init__(
        self, trunk: Callable[[Tensor], Sequence[Tensor]], channels: Sequence[int], *, width: int = 64
    ) -> None:
        super().__init__()
        self._trunk = trunk
        self.mixing = nn.ModuleList(_FixedMixing(count, width) for count in channels)
        self.judges = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
                nn.LeakyReLU(0.2),
                nn.Conv2d(width, 1, 1),
            )
            for _ in channels
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Realness scores of patches, one map (B, 1, h, w) per feature map.

        Args:
            images: (B, 3, H, W) in [-1, 1].
        """
        maps = zip(self._trunk(images), self.mixing, self.judges, strict=True)
        return tuple(judge(mix(features)) for features, mix, judge in maps)
