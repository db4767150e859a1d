# SPDX-License-Identifier: Apache-2.0
"""The interface of the face generator in a `FaceModel`; any torch module that implements it can be used."""

from collections.abc import Iterator
from typing import Any, Protocol, Self, runtime_checkable

from torch import Tensor, nn


class Sizes(Protocol):
    """Sizes of a generator.

    Attributes:
        size: side of the images in pixels.
        codes: K, number of latent codes.
        style_dim: D, length of a latent code.
    """

    @property
    def size(self) -> int: ...

    @property
    def codes(self) -> int: ...

    @property
    def style_dim(self) -> int: ...


@runtime_checkable
class FaceGenerator(Protocol):
    """Frozen torch module in evaluation mode that maps latents to faces."""

    @property
    def semantic(self) -> bool:
        """Whether codes belong to face parts (`faces.parts`), as dp-semcom requires, or else to scales."""
        ...

    @property
    def config(self) -> Sizes: ...

    def synthesize(self, codes: Tensor) -> Tensor:
        """Synthesise images from latents, deterministically and differentiably.

        Args:
            codes: (B, K, D).

        Returns:
            (B, 3, S, S), nominal range [-1, 1], not clamped.
        """
        ...

    def parameters(self, recurse: bool = ...) -> Iterator[nn.Parameter]:
        """The weights, as in `nn.Module.parameters`.

        Args:
            recurse: include submodules.
        """
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def to(self, *args: Any, **kwargs: Any) -> Self: ...


@runtime_checkable
class MappedGenerator(FaceGenerator, Protocol):
    """Face generator with a mapping network, from which synthetic faces can be sampled."""

    def map(self, z: Tensor) -> Tensor:
        """Apply the mapping network, z -> w (B, D).

        Args:
            z: (B, D), standard normal.
        """
        ...
