"""The perceptual term of inversion: a distance beside the squared error, by name, the same for everybody who inverts."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

from torch import Tensor

from semveil.core.registry import Registry
from semveil.core.weights import home
from semveil.nn.lpips import LPIPS

NONE = "none"  # squared error and prior alone
DEFAULT = NONE  # of models whose folder names no term


class PerceptualTerm(Protocol):
    """A distance between images and photos."""

    @property
    def name(self) -> str:
        """As certificates and results record it."""
        ...

    def distance_to(self, photos: Tensor) -> Callable[[Tensor], Tensor]:
        """The distances (B,) of images (B, 3, h, w) to photos of the same shape, whose features are computed here, once."""
        ...


def _lpips(network: Literal["alex", "vgg"]) -> PerceptualTerm:
    return _kept_lpips(network, home())


@lru_cache(maxsize=2)
def _kept_lpips(network: Literal["alex", "vgg"], folder: Path) -> LPIPS:
    return LPIPS.from_catalogue(network)


# A name -> the term for a model whose card names an LPIPS network. What a name means never depends on the machine.
PERCEPTUAL: Registry[Callable[[Literal["alex", "vgg"]], PerceptualTerm | None]] = Registry("perceptual term")
PERCEPTUAL.add(NONE, lambda network: None)
PERCEPTUAL.add("lpips", _lpips)
