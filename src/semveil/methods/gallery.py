# SPDX-License-Identifier: Apache-2.0
"""Public gallery of generated faces, stored as a seed and each face's direction in a subspace."""

from functools import lru_cache

import torch
from torch import Tensor

from semveil.methods.latent_model import LatentModel
from semveil.methods.subspace import Subspace
from semveil.methods.subspace_noise import unit_directions

SEED = 0
SMALLEST, LARGEST = 2, 100_000  # faces
BLOCK = 1000  # faces per seed


class Gallery:
    """Synthetic faces from a model's public prior, with the direction of each in a subspace.

    Face i is number i mod 1,000 of the block with seed i div 1,000, and is sampled again when it is shown.
    The directions of 100,000 faces take 26 MB in 64 dimensions; sampling and choosing included, the peak of
    `semveil protect` grows by some 300 MB.

    Args:
        model: latent model that samples the faces.
        space: subspace in which they are compared.
        faces: number of faces, 2 to 100,000.

    Attributes:
        directions: (faces, R) float32 unit vectors.

    Raises:
        ValueError: the number of faces is out of range.
    """

    def __init__(self, model: LatentModel, space: Subspace, faces: int) -> None:
        if not SMALLEST <= faces <= LARGEST:
            raise ValueError(f"a gallery in a subspace has {SMALLEST} to {LARGEST:,} faces, got {faces:,}")
        self.model, self.space = model, space
        blocks = [
            unit_directions(space.coordinates(self._block(i)), space).float()
            for i in range(-(-faces // BLOCK))
        ]
        self.directions = torch.cat(blocks)[:faces]

    def __len__(self) -> int:
        return len(self.directions)

    def utilities(self, coordinates: Tensor) -> Tensor:
        """Similarity (1 + cosine) / 2 of directions to every face of the gallery.

        Args:
            coordinates: (B, R) in the subspace, in latent units.

        Returns:
            (B, faces) float64 in [0, 1].

        Raises:
            ValueError: NaN or infinite coordinates.
        """
        towards = unit_directions(coordinates.cpu(), self.space).float()
        return ((1 + towards @ self.directions.T).double() / 2).clamp(0, 1)

    def latents(self, indices: Tensor) -> Tensor:
        """Latents (B, K, D) of faces of the gallery.

        Args:
            indices: (B,) integers from 0 to faces - 1.
        """
        return torch.stack([self._block(int(i) // BLOCK)[int(i) % BLOCK] for i in indices])

    def _block(self, number: int) -> Tensor:
        return self.model.public_latents(BLOCK, torch.Generator().manual_seed(SEED + number))


@lru_cache(maxsize=2)
def gallery_of(model: LatentModel, space: Subspace, faces: int) -> Gallery:
    """Gallery of a model, cached, so that methods with different budgets choose from the same faces.

    Args:
        model: latent model that samples the faces.
        space: subspace in which the faces are compared.
        faces: number of faces, 2 to 100,000.

    Raises:
        ValueError: the number of faces is out of range.
    """
    return Gallery(model, space, faces)
