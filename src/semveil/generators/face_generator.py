# SPDX-License-Identifier: Apache-2.0
"""The interface of a face generator in a `FaceModel`; any torch module that implements it can be used."""

from collections.abc import Iterator
from typing import Any, Protocol, Self, runtime_checkable

from torch import Tensor, nn


class Sizes(Protocol):
    """Attributes: size, side of the images in pixels; codes, K; style_dim, D."""

    @property
    def size(self) -> int: ...

    @property
    def codes(self) -> int: ...

    @property
    def style_dim(self) -> int: ...


@runtime_checkable
class FaceGenerator(Protocol):
    """A frozen torch module in evaluation mode, from latents to faces."""

    @property
    def semantic(self) -> bool:
        """Whether its codes belong to face parts (`faces.parts`), as dp-semcom needs it; else to scales."""
        ...

    @property
    def config(self) -> Sizes: ...

    def synthesize(self, codes: Tensor) -> Tensor:
        """Images from latents, deterministic and differentiable.

        Args:
            codes: (B, K, D).

        Returns:
            (B, 3, S, S) about [-1, 1], not clamped.
        """
        ...

    def parameters(self, recurse: bool = ...) -> Iterator[nn.Parameter]:
        """The weights, as `nn.Module.parameters` gives them."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def to(self, *args: Any, **kwargs: Any) -> Self: ...


@runtime_checkable
class MappedGenerator(FaceGenerator, Protocol):
    """One with a mapping network, from which faces that nobody has can be drawn."""

    def map(self, z: Tensor) -> Tensor:
        """The mapping network, w (B, D).

        Args:
            z: (B, D), standard normal.
        """
        ...
