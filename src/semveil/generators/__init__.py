"""Generators of face images from latent codes, and their discriminators."""

from semveil.generators.aad_fusion import FusionConfig, FusionGenerator
from semveil.generators.discriminators import Discriminator, DualBranchDiscriminator, MultiScaleDiscriminator
from semveil.generators.semantic_stylegan import SemanticStyleGAN, SemanticStyleGANConfig
from semveil.generators.stylegan2 import StyleGAN2, StyleGAN2Config

__all__ = [
    "Discriminator",
    "DualBranchDiscriminator",
    "FusionConfig",
    "FusionGenerator",
    "MultiScaleDiscriminator",
    "SemanticStyleGAN",
    "SemanticStyleGANConfig",
    "StyleGAN2",
    "StyleGAN2Config",
]
