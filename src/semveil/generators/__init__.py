# SPDX-License-Identifier: Apache-2.0
"""Face generators from latent codes, an image-to-image generator, and their discriminators."""

from semveil.generators.aad_fusion import FusionConfig, FusionGenerator
from semveil.generators.conversion import ConversionConfig, ConversionGenerator
from semveil.generators.discriminators import Discriminator, DualBranchDiscriminator, MultiScaleDiscriminator
from semveil.generators.noise_discriminator import NoiseDiscriminator
from semveil.generators.semantic_stylegan import SemanticStyleGAN, SemanticStyleGANConfig
from semveil.generators.stylegan2 import StyleGAN2, StyleGAN2Config

__all__ = [
    "ConversionConfig",
    "ConversionGenerator",
    "Discriminator",
    "DualBranchDiscriminator",
    "FusionConfig",
    "FusionGenerator",
    "MultiScaleDiscriminator",
    "NoiseDiscriminator",
    "SemanticStyleGAN",
    "SemanticStyleGANConfig",
    "StyleGAN2",
    "StyleGAN2Config",
]
