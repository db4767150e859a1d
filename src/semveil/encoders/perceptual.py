# SPDX-License-Identifier: Apache-2.0
"""The perceptual term of inversion: a distance beside the squared error, by name, the same for everybody who inverts."""

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

NONE = "none"  # squared error and prior alone
FEATURES = "features"  # of the model's own encoder
DEFAULT = NONE  # of models whose folder names no term


class PerceptualTerm(Protocol):
    """A distance between images and photos."""

    @property
    def name(self) -> str:
        """As certificates and results record it."""
        ...

    def distance_to(self, photos: Tensor) -> Callable[[Tensor], Tensor]:
        """A function from images (B, 3, h, w) to their distances (B,) from the photos, differentiable in the images.

        Args:
            photos: (B, 3, h, w) in [-1, 1]; their features are computed once, in this call.
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


# A name -> the term for a model's LPIPS network and encoder. What a name means never depends on the machine.
PERCEPTUAL: Registry[Callable[[LPIPSNetwork, nn.Module | None], PerceptualTerm | None]] = Registry(
    "perceptual term"
)
PERCEPTUAL.add(NONE, lambda network, encoder: None)
PERCEPTUAL.add(FEATURES, _features)
PERCEPTUAL.add("lpips", _lpips)
