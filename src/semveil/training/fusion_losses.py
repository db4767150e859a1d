# SPDX-License-Identifier: Apache-2.0
"""Losses of the fusion: a new face has the target identity and keeps the parts of the photo."""

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.faces.part_boxes import PART_BOXES
from semveil.faces.parts import PARTS

PARSED = ("skin", "eyes", "brows", "mouth", "nose", "hair")  # parts in the parsing loss
_NEAR = 9  # px, window within which a part may move together with its texture
COMPONENTS = {"eyes": ("eyes", "brows"), "mouth": ("mouth",)}  # crops with their own discriminator


def identity_losses(
    looks: Tensor,
    asked: Tensor,
    own: Tensor,
    swapped: Tensor,
    *,
    enough: float = 1.0,
    known: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Distance of new faces from the target identity, and their excess closeness to the photo's person.

    The first is max(0, enough - <looks, asked>): [IDP] Eq. 15 where `enough` is 1. With a lower value, a face
    that is recognised as the target is not pushed on towards patterns that satisfy an encoder and show
    nobody. The second is max(0, <looks, own> - <asked, own>) where identities were swapped: a face is pushed
    away from the photo's person until it is as far away as the target identity, and no further; otherwise it
    would depend on the photo rather than on the target (not in the paper).

    Args:
        looks: (B, d) unit vectors of the new faces.
        asked: (B, d) unit vectors of the target identities.
        own: (B, d) unit vectors of the photos.
        swapped: (B,) True if the target is not the photo's own identity.
        enough: cosine to the target, in (0, 1], above which the first loss is 0.
        known: (B,) False if this encoder has no vector for the target: a stranger, whose cosine to anybody is
            about 0, so the first loss is 0 and the second max(0, <looks, own>). All are known where None.

    Returns:
        Two means over the batch.

    Example:
        >>> ada, bob = torch.eye(2)
        >>> swapped = torch.tensor([True])
        >>> [round(loss.item(), 3) for loss in identity_losses(ada[None], bob[None], ada[None], swapped)]
        [1.0, 1.0]
        >>> [round(loss.item(), 3) for loss in identity_losses(bob[None], bob[None], ada[None], swapped)]
        [0.0, 0.0]
    """
    distance, allowed = F.relu(enough - (looks * asked).sum(1)), (asked * own).sum(1)
    if known is not None:
        distance, allowed = distance * known, allowed * known
    return distance.mean(), (F.relu((looks * own).sum(1) - allowed) * swapped).mean()


def parsing_loss(logits: Tensor, labels: Tensor, inside: Tensor) -> Tensor:
    """Cross-entropy of a parser's output on new faces with the photos' own parts.

    All parts in `PARSED` have equal weight.

    Args:
        logits: (B, 13, h, w) of the new faces, of any size.
        labels: (B, S, S) parts of the photos.
        inside: (B, S, S) True where the photo is real.

    Returns:
        The mean over each photo's parts, then over the photos; 0 for one that shows none.
    """
    logits = F.interpolate(
        logits, labels.shape[-2:], mode="bilinear", antialias=logits.shape[-1] > labels.shape[-1]
    )
    surprise = F.cross_entropy(logits, labels.long(), reduction="none")
    masks = torch.stack([(labels == PARTS.index(part)) & inside for part in PARSED], 1)  # (B, parts, S, S)
    sizes = masks.sum((2, 3))
    means = (masks * surprise.unsqueeze(1)).sum((2, 3)) / sizes.clamp_min(1)
    return (means.sum(1) / (sizes > 0).sum(1).clamp_min(1)).mean()


def texture_loss(images: Tensor, photos: Tensor) -> Tensor:
    """Excess fine texture of new faces over nearby texture of the photos, squared error per pixel.

    Fine texture is the detail that halving the side removes; its energy is a mean over 5 x 5 pixels. Identity
    encoders with smaller input do not constrain it, so patterns arise there that no face has.

    Args:
        images: new faces (B, 3, S, S) in [-1, 1].
        photos: corresponding photos, of the same shape.

    Returns:
        (B, 1, S, S), 0 where the energy is at most the largest within four pixels in the photo.

    Example:
        >>> flat = torch.zeros(1, 3, 16, 16)
        >>> dots = flat.clone()
        >>> dots[..., ::2, ::2] = 1
        >>> texture_loss(dots, flat).mean() > 0.1, texture_loss(flat, dots).max() == 0
        (tensor(True), tensor(True))
    """
    allowed = F.max_pool2d(texture_energy(photos), _NEAR, stride=1, padding=_NEAR // 2)
    return F.relu(texture_energy(images) - allowed)


def texture_energy(images: Tensor) -> Tensor:
    """Energy of the fine texture around each pixel.

    This is the mean square, over 5 x 5 pixels, of the detail that halving the side removes.

    Args:
        images: (B, 3, S, S).

    Returns:
        (B, 1, S, S), >= 0.

    Example:
        >>> texture_energy(torch.ones(1, 3, 8, 8)).max().item()
        0.0
    """
    soft = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2, mode="bilinear", align_corners=False)
    return F.avg_pool2d(
        (images - soft).square().mean(1, keepdim=True), 5, stride=1, padding=2, count_include_pad=False
    )


def colour_loss(images: Tensor, photos: Tensor) -> Tensor:
    """Half the squared difference of colour over cells of 4 x 4 pixels, (B, 1, S / 4, S / 4).

    Colour is RGB without its mean. A new face thus keeps the photo's complexion and light, whatever its
    shape.

    Args:
        images: new faces (B, 3, S, S) in [-1, 1]; 4 divides S.
        photos: corresponding photos, of the same shape.

    Example:
        >>> grey, red = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
        >>> red[:, 0] = 0.3
        >>> colour_loss(grey, grey + 0.5).item(), round(colour_loss(grey, red).item(), 3)
        (0.0, 0.01)
    """
    change = F.avg_pool2d(images - photos, 4)
    return 0.5 * (change - change.mean(1, keepdim=True)).square().mean(1, keepdim=True)


def component(images: Tensor, name: str) -> Tensor:
    """Crop around a face component.

    Args:
        images: aligned faces (B, 3, S, S).
        name: one of `COMPONENTS`.

    Example:
        >>> component(torch.zeros(1, 3, 128, 128), "mouth").shape
        torch.Size([1, 3, 36, 48])
    """
    boxes = [PART_BOXES[PARTS.index(part)] for part in COMPONENTS[name]]
    side = images.shape[-1]
    left, top = (round(side * min(box[i] for box in boxes)) for i in (0, 1))
    right, bottom = (round(side * max(box[i] for box in boxes)) for i in (2, 3))
    return images[:, :, top:bottom, left:right]


def squared_distance(a: Tensor, b: Tensor, *, sums: bool) -> Tensor:
    """Half the squared L2 distance per sample, |a - b|^2 / 2, (B,).

    Args:
        a: (B, ...).
        b: (B, ...).
        sums: sum over the values, as in the paper; their mean if False.
    """
    squares = (a - b).square().flatten(1)
    return 0.5 * (squares.sum(1) if sums else squares.mean(1))
