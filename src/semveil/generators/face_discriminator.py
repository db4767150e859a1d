"""Judges a face as a whole, with its part masks, and its eyes and mouth close up."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from semveil.generators.discriminators import Discriminator, DualBranchDiscriminator

# Centres of aligned eyes and mouths (x, y in units of the side); crops are a quarter of the side wide and high.
LEFT_EYE, RIGHT_EYE, MOUTH = (0.378, 0.484), (0.619, 0.484), (0.497, 0.75)


def crop_component(images: Tensor, centre: tuple[float, float]) -> Tensor:
    """The quarter-sided square (B, C, S/4, S/4) around a place of aligned images (B, C, S, S)."""
    size = images.shape[-1]
    side = size // 4
    left, top = (min(max(round(place * size - side / 2), 0), size - side) for place in centre)
    return images[:, :, top : top + side, left : left + side]


class FaceDiscriminator(nn.Module):
    """SemanticStyleGAN's dual-branch discriminator beside two small ones for components, as in GFPGAN (Wang et al., CVPR 2021).

    Args:
        size: side of the images, at least 32.
        mask_size: side of the masks.
        channels: width at each side.
    """

    def __init__(self, size: int, *, mask_size: int, channels: Callable[[int], int], component: int) -> None:
        super().__init__()
        self.face = DualBranchDiscriminator(size, mask_size=mask_size, channels=channels)
        narrow = lambda side: min(4 * component, component * (size // 4) // side)  # noqa: E731
        self.eyes, self.mouth = (Discriminator(size // 4, channels=narrow) for _ in range(2))

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """Realness scores (B, 1) of images (B, 3, S, S) with masks (B, 13, m, m), both in [-1, 1]."""
        return self.face(images, masks)

    def components(self, images: Tensor) -> Tensor:
        """Realness scores (3 B, 1) of left eyes, right eyes (mirrored) and mouths of images that are aligned."""
        left, right = crop_component(images, LEFT_EYE), crop_component(images, RIGHT_EYE).flip(-1)
        return torch.cat([self.eyes(torch.cat([left, right])), self.mouth(crop_component(images, MOUTH))])
