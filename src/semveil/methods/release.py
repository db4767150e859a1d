# SPDX-License-Identifier: Apache-2.0
"""Interface of methods that turn photos into protected images, and their output."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from semveil.core.brief import Brief
from semveil.privacy.certificate import Certificate
from semveil.privacy.guarantee import Guarantee


class Layout(StrEnum):
    """Treatment of a photo by `semveil protect` before and after a method.

    A method's class declares its default: `layout: ClassVar[Layout] = Layout.WHOLE_PHOTO`; crops where it
    declares none.
    """

    CROPS = "crops"  # faces are detected and aligned; one image per face
    WHOLE_PHOTO = "whole-photo"  # faces are detected, aligned and pasted back into the photo
    PICTURE = "picture"  # no face detection; the middle square of the image at the method's size


def layout_of(method: Any) -> Layout:
    """Default layout of a method.

    Args:
        method: a method or its class; `crops` where it declares no layout.

    Example:
        >>> layout_of(object()).value
        'crops'
    """
    return getattr(method, "layout", Layout.CROPS)


@dataclass(frozen=True, eq=False, repr=False)
class Release(Brief):
    """Output of a method for a batch of photos.

    Args:
        images: (B, 3, S, S) about [-1, 1], not clamped.
        latents: (B, K, D) as released, noise included; None if the method has none.
        guarantee: guarantee for each photo alone.

    Raises:
        ValueError: the images are not a batch, or the number of latents differs.

    Example:
        >>> from semveil.privacy.guarantee import Basis
        >>> both = Release(torch.zeros(2, 3, 8, 8), None, Guarantee(1.0, "all codes", Basis.PROVED))
        >>> len(both), [len(one) for one in both.singles()]
        (2, [1, 1])
    """

    images: Tensor
    latents: Tensor | None
    guarantee: Guarantee

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[1] != 3 or len(self.images) == 0:
            raise ValueError(
                f"released images must be (B, 3, S, S) with B >= 1, got {tuple(self.images.shape)}"
            )
        if self.latents is not None and len(self.latents) != len(self.images):
            raise ValueError(
                f"{len(self.images)} images with {len(self.latents)} latents; each image needs its own"
            )

    def __len__(self) -> int:
        return len(self.images)

    def singles(self) -> Iterator["Release"]:
        """Yield a release for each photo, for separate certificates."""
        for i in range(len(self)):
            yield Release(
                self.images[i : i + 1],
                None if self.latents is None else self.latents[i : i + 1],
                self.guarantee,
            )


@dataclass(frozen=True, eq=False)
class Draw:
    """Random values drawn once for a face and shared by many images of it, such as the frames of a clip.

    Attributes:
        values: released tensors by name, with the crops as first dimension.
        guarantee: guarantee of the draw, however often it is shown.
    """

    values: Mapping[str, Tensor]
    guarantee: Guarantee


@runtime_checkable
class ImageMethod(Protocol):
    """Method from aligned crops to protected images; one object may protect many photos.

    A class of this kind that is registered in `METHODS` works with `semveil protect` directly; parameters
    annotated with an `Option` become command-line options (see `methods.options`).

    Optional attributes: `layout` (see `Layout`); `needs_subjects`, if `protect` also takes `subjects`, a name
    for each crop; `noiseless`, if nothing in it is random, so that the frames of a clip are protected one by
    one; and, in plain words, what it `hides`, what it `leaves` visible, and what its default options
    guarantee (`by_default`).
    """

    name: ClassVar[str]

    @property
    def size(self) -> int:
        """Side of its input crops, in pixels."""
        ...

    @property
    def model_digest(self) -> str | None:
        """SHA-256 over the weights that determine its output, 64 hex digits; None without weights."""
        ...

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """Protect crops (B, 3, S, S) in [-1, 1], each independently.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: source of simulated noise (basis `simulation`); exact noise from the operating system where
                None.
        """
        ...

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Self:
        """Return the method with its networks on another device or in another precision.

        Input images are moved there, and output images stay there; exact noise is drawn on the CPU.

        Args:
            device: target device, such as `cuda:1`, see `core.device.choose_device`.
            dtype: float32 or float64.
        """
        ...

    def certificate(self, release: Release) -> Certificate:
        """Certificate of a release.

        Args:
            release: result of `protect` of this object.
        """
        ...


@runtime_checkable
class Reconstructing(Protocol):
    """Method that can also reconstruct a photo by its networks without any protection."""

    def reconstruct(self, images: Tensor) -> Tensor:
        """Unprotected images (B, 3, S, S), for inspection, never for release.

        Args:
            images: (B, 3, S, S) in [-1, 1].
        """
        ...


@runtime_checkable
class Steady(Protocol):
    """Method that can show one draw in further images of the same face.

    These images keep their own parts that the method leaves in clear.
    """

    def draw(
        self, images: Tensor, *, rng: torch.Generator | None = None, subjects: Sequence[str] | None = None
    ) -> Draw:
        """Draw all random values for crops at once.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: source of simulated noise; exact draws from the operating system where None.
            subjects: name of each crop's person, for methods with pseudonyms.
        """
        ...

    def show(self, draw: Draw, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) of crops under earlier draws.

        Args:
            draw: one draw for each crop, or one for all.
            images: (B, 3, S, S) in [-1, 1].
        """
        ...


def draw_once(method: ImageMethod, image: Tensor, subjects: Sequence[str] | None = None) -> Draw:
    """Draw once for a face, for all frames of a clip.

    For a method that is not `Steady` the draw is the protected image itself, which depends on no other frame.

    Args:
        method: method that protects the face.
        image: (1, 3, S, S) in [-1, 1].
        subjects: name of the person, for methods with pseudonyms.
    """
    if isinstance(method, Steady):
        return method.draw(image) if subjects is None else method.draw(image, subjects=subjects)
    release = method.protect(image)
    return Draw({"images": release.images}, release.guarantee)


def show_draw(method: ImageMethod, draw: Draw, images: Tensor) -> Tensor:
    """Images (B, 3, S, S) of further frames of the same face, under a draw from `draw_once`.

    Args:
        method: method of the draw.
        draw: result of `draw_once`.
        images: (B, 3, S, S) in [-1, 1].
    """
    if isinstance(method, Steady):
        return method.show(draw, images)
    return draw.values["images"].expand(len(images), -1, -1, -1)


def is_noiseless(method: ImageMethod) -> bool:
    """True if a method is deterministic by its attribute `noiseless`; False without the attribute.

    Args:
        method: the method.
    """
    return getattr(method, "noiseless", False)
