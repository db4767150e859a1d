# SPDX-License-Identifier: Apache-2.0
"""Semantic generator with small spatial part decoders and SemanticStyleGAN's codes, masks and composition.

Departs from SemanticStyleGAN (Shi, Yang, Wan, Shen, CVPR 2022, arXiv:2112.02236): there, each part is a
perceptron of pixel coordinates, which learns slowly; here it is a decoder of a small map inside the part's
public box. There is no mapping network: each coordinate of a code has mean 0 and standard deviation 1 over
photos, and new faces are sampled from a model's `LatentPrior`.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.faces.parts import PARTS
from semveil.generators.render_plain import PlainRenderNet
from semveil.generators.semantic_stylegan import Synthesis
from semveil.generators.spatial_config import SpatialSemanticConfig
from semveil.generators.spatial_parts import PartDecoders


class SpatialSemanticGAN(nn.Module):
    """Generator of face images from K = 28 semantic latent codes.

    Codes 0 and 1 are shared by all parts except the background; part i has shape code 2 + 2i and texture code
    3 + 2i.

    Example:
        >>> sizes = dict(size=32, style_dim=8, part_hidden=8, features=8, grid=16, render_channels=(16, 8))
        >>> config = SpatialSemanticConfig(**sizes)
        >>> generator = SpatialSemanticGAN(config)
        >>> codes = torch.randn(2, config.codes, config.style_dim)
        >>> generator.synthesize(codes).shape
        torch.Size([2, 3, 32, 32])
    """

    semantic = True  # codes belong to face parts

    def __init__(self, config: SpatialSemanticConfig) -> None:
        super().__init__()
        self.config = config
        self.parts = PartDecoders(config)
        self.render_net = PlainRenderNet(config.features, config.render_channels)

    def synthesize(self, codes: Tensor) -> Tensor:
        """Synthesise images (B, 3, S, S), nominal range [-1, 1], not clamped.

        Args:
            codes: (B, K, D) latents.
        """
        return self.render(codes).images

    def synthesize_with_masks(self, codes: Tensor, *, keep_parts: Tensor | None = None) -> Synthesis:
        """Synthesise images, masks and depths from latents; masks have the images' side.

        Args:
            codes: (B, K, D).
            keep_parts: (B, P) 0 or 1; parts with 0 are left out of the composition; all are kept where None.

        Raises:
            ValueError: the codes have another shape.
        """
        rendered = self.render(codes, keep_parts=keep_parts)
        return replace(rendered, masks=F.interpolate(rendered.masks, scale_factor=2, mode="bilinear"))

    def render(self, codes: Tensor, *, keep_parts: Tensor | None = None) -> Synthesis:
        """Synthesise images with masks at half their side, the resolution of the render network's masks.

        Args:
            codes: (B, K, D).
            keep_parts: (B, 13) 0 or 1; parts with 0 are left out of the composition; all are kept where None.

        Raises:
            ValueError: the codes have another shape.
        """
        c = self.config
        if codes.ndim != 3 or codes.shape[1:] != (c.codes, c.style_dim):
            raise ValueError(f"latents must be (B, {c.codes}, {c.style_dim}), got {tuple(codes.shape)}")
        features, depths = self.parts(codes)
        masks = depths.softmax(1)
        if keep_parts is not None:
            masks = masks * keep_parts.to(masks)[:, :, None, None]
            masks = masks / (masks.sum(1, keepdim=True) + 1e-8)
        weights = self._composition_weights(masks).to(features.dtype)
        composed = torch.einsum("bpyx,bpfyx->bfyx", weights, features)
        coarse_masks = 2 * masks - 1
        images, refined = self.render_net(composed, coarse_masks)
        return Synthesis(images, refined, coarse_masks, depths)

    def _composition_weights(self, masks: Tensor) -> Tensor:
        transparent = masks.new_zeros(len(PARTS), 1, 1)
        transparent[list(self.config.transparent_parts)] = 1
        opaque = masks * (1 - transparent)
        return opaque / (opaque.sum(1, keepdim=True) + 1e-8) + masks * transparent
