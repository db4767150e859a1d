# SPDX-License-Identifier: Apache-2.0
"""Network architectures and sizes in a face model's `model.json`."""

from collections.abc import Callable, Mapping
from typing import Any

from semveil.core.config import check_kinds
from semveil.encoders.inversion import InversionSettings
from semveil.encoders.parts import PartEncoder, PartEncoderConfig
from semveil.encoders.semantic import SemanticEncoder, SemanticEncoderConfig
from semveil.generators.semantic_stylegan import SemanticStyleGAN, SemanticStyleGANConfig
from semveil.generators.spatial_config import SpatialSemanticConfig
from semveil.generators.spatial_semantic import SpatialSemanticGAN
from semveil.generators.stylegan2 import StyleGAN2, StyleGAN2Config

# Values of `architecture` in a model's card.
SEMANTIC, SPATIAL, STYLEGAN2 = "semantic-stylegan", "spatial-semantic", "stylegan2"
StoredGenerator = (
    SemanticStyleGAN | StyleGAN2 | SpatialSemanticGAN
)  # generators that a model's folder can hold
FaceEncoder = SemanticEncoder | PartEncoder


def generator_of(
    card: Mapping[str, Any],
) -> tuple[Callable[[], StoredGenerator], SemanticStyleGANConfig | SpatialSemanticConfig | StyleGAN2Config]:
    """Return a constructor of the generator, and its configuration.

    Args:
        card: the parsed `model.json`, with `generator` and, unless it is the default, `architecture`.

    Raises:
        ValueError: unknown architecture, or a setting of the wrong type or out of range.
        KeyError: the card has no `generator`.
    """
    architecture = card.get("architecture", SEMANTIC)
    if architecture == SEMANTIC:
        check_kinds(SemanticStyleGANConfig, card["generator"])
        semantic = SemanticStyleGANConfig.from_dict(card["generator"])
        return lambda: SemanticStyleGAN(semantic), semantic
    if architecture == SPATIAL:
        check_kinds(SpatialSemanticConfig, card["generator"])
        spatial = SpatialSemanticConfig.from_dict(card["generator"])
        return lambda: SpatialSemanticGAN(spatial), spatial
    if architecture == STYLEGAN2:
        check_kinds(StyleGAN2Config, card["generator"])
        config = StyleGAN2Config.from_dict(card["generator"])
        return lambda: StyleGAN2(config), config
    raise ValueError(
        f"no architecture named {architecture!r}; there are {SEMANTIC}, {SPATIAL} and {STYLEGAN2}"
    )


def encoder_of(
    card: Mapping[str, Any],
) -> tuple[Callable[[], FaceEncoder], SemanticEncoderConfig | PartEncoderConfig]:
    """Return a constructor of the encoder, and its configuration.

    Args:
        card: the parsed `model.json`, with `encoder` and, unless it is the default, `architecture`.

    Raises:
        KeyError: the card has no `encoder`.
    """
    if card.get("architecture") == SPATIAL:
        check_kinds(PartEncoderConfig, card["encoder"])
        parts = PartEncoderConfig.from_dict(card["encoder"])
        return lambda: PartEncoder(parts), parts
    check_kinds(SemanticEncoderConfig, card["encoder"])
    sizes = SemanticEncoderConfig.from_dict(card["encoder"])
    return lambda: SemanticEncoder(sizes), sizes


def inversion_of(values: Any) -> InversionSettings:
    """Inversion settings from a model's card.

    Args:
        values: settings by name.

    Raises:
        TypeError: a setting is unknown.
        ValueError: a value of the wrong type, negative steps, or a batch or perceptual size below 1.
    """
    check_kinds(InversionSettings, values)
    settings = InversionSettings(**values)
    if settings.steps < 0 or settings.batch < 1 or settings.perceptual_size < 1:
        raise ValueError(f"the inversion needs steps from 0, and a batch and a size from 1, got {values}")
    return settings
