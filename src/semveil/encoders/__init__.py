# SPDX-License-Identifier: Apache-2.0
"""Encoders from photos to a generator's latent codes, by optimisation or in a single pass."""

from semveil.encoders.attributes import AttributeEncoder, AttributeEncoderConfig
from semveil.encoders.feature_optimisation import feature_distance, optimise_features
from semveil.encoders.gradual_style import GradualStyleEncoder
from semveil.encoders.inversion import Inversion, InversionSettings, invert
from semveil.encoders.perceptual import PERCEPTUAL, PerceptualTerm
from semveil.encoders.semantic import SemanticEncoder

__all__ = [
    "PERCEPTUAL",
    "AttributeEncoder",
    "AttributeEncoderConfig",
    "GradualStyleEncoder",
    "Inversion",
    "InversionSettings",
    "PerceptualTerm",
    "SemanticEncoder",
    "feature_distance",
    "invert",
    "optimise_features",
]
