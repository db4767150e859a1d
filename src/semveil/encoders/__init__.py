"""Encoders: photos to the latent codes of a generator, by optimisation or in one pass."""

from semveil.encoders.gradual_style import GradualStyleEncoder
from semveil.encoders.inversion import Inversion, InversionSettings, invert
from semveil.encoders.semantic import SemanticEncoder

__all__ = ["GradualStyleEncoder", "Inversion", "InversionSettings", "SemanticEncoder", "invert"]
