# SPDX-License-Identifier: Apache-2.0
"""Perceptual terms of inversion: image distances added to the squared error, selected by name."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

from torch import Tensor, nn

from semveil.core.registry import Registry
from semveil.core.weights import home
from semveil.encoders.encoder_features import EncoderFeatures
from semveil.encoders.parts import PartEncoder
from semveil.nn.lpips import LPIPS

NONE = "none"  # squared error and prior only
FEATURES = "features"  # features of the model's own encoder
DEFAULT = NONE  # for models whose folder names no term


class PerceptualTerm(Protocol):
    """Distance between images and photos."""

    @property
    def name(self) -> str:
        """Name used in certificates and results."""
        ...

    def distance_to(self, photos: Tensor) -> Callable[[Tensor], Tensor]:
        """Return a differentiable function from images (B, 3, h, w) to their distances (B,) from the photos.

        Args:
            photos: (B, 3, h, w) in [-1, 1]; their features are computed once, by this call.
        """
        ...


LPIPSNetwork = Literal["alex", "vgg"]


def _lpips(network: LPIPSNetwork, encoder: nn.Module | None) -> PerceptualTerm:
    return _kept_lpips(network, home())


@lru_cache(maxsize=2)
def _kept_lpips(network: LPIPSNetwork, folder: Path) -> LPIPS:
    return LPIPS.from_catalogue(network)


def _features(network: LPIPSNetwork, encoder: nn.Module | None) -> PerceptualTerm:
    if not isinstance(encoder, PartEncoder):
        raise ValueError(
            f"the perceptual term {FEATURES} needs a model with a part encoder; use {NONE} or lpips with "
            "this model"
        )
    return EncoderFeatures(encoder)


# Name -> term for a model's LPIPS network and encoder. The meaning of a name never depends on the machine.
PERCEPTUAL: Registry[Callable[[LPIPSNetwork, nn.Module | None], PerceptualTerm | None]] = Registry(
    "perceptual term"
)
PERCEPTUAL.add(NONE, lambda network, encoder: None)
PERCEPTUAL.add(FEATURES, _features)
PERCEPTUAL.add("lpips", _lpips)
