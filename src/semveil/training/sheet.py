# SPDX-License-Identifier: Apache-2.0
"""Sample sheets that show the progress of a training: photos, reconstructions and synthetic faces."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from semveil.data.face_set import FaceSet
from semveil.data.splits import DEVELOPMENT
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.training.fusion import FusionTrainer
from semveil.training.joint import JointTrainer

SETTLING = 128  # photos for the batch norm statistics of a sheet


class SampleSheet:
    """Sheet with rows of development photos, their reconstructions, and random faces.

    Args:
        faces: the training face set; photos come from its development split, or from all photos if that is
            empty.
        columns: images per row.
    """

    def __init__(self, faces: FaceSet, *, columns: int = 12) -> None:
        self.photos = _shown(faces, columns)

    @torch.no_grad()
    def draw(self, trainer: JointTrainer) -> NDArray[np.uint8]:
        """Image of photos, their reconstructions and random faces, one per row, (3 S, columns * S, 3) RGB.

        It uses no random numbers of the training.

        Args:
            trainer: trainer whose averaged networks are shown.
        """
        photos = self.photos.to(trainer.device)
        generator: Any = trainer.averages["generator"]
        encoder: Any = trainer.averages["encoder"]
        codes = encoder(photos)
        random = trainer.sample_codes(len(photos), rng=torch.Generator().manual_seed(0))
        pictures = [photos, generator.synthesize(codes), generator.synthesize(random)]
        return np.concatenate([_row(part.cpu()) for part in pictures])


class FusionSheet:
    """Sheet with rows of development photos, the photos with their own identity, and with random identities.

    Args:
        faces: as for `SampleSheet`.
        columns: images per row.
    """

    def __init__(self, faces: FaceSet, *, columns: int = 12) -> None:
        self.photos = _shown(faces, columns)

    @torch.no_grad()
    def draw(self, trainer: FusionTrainer) -> NDArray[np.uint8]:
        """Image of photos, with their own identity, and with random identities, (3 S, columns * S, 3) RGB.

        It uses no random numbers of the training.

        Args:
            trainer: trainer whose averaged networks are shown.
        """
        encoder, fusion = trainer.finished(photos=SETTLING)
        photos = self.photos.to(trainer.device)
        levels, own = encoder(photos), trainer.identity(photos)
        drawn = torch.randn(own.shape, generator=torch.Generator().manual_seed(0)).to(own)
        pictures = [photos, fusion(own, levels), fusion(F.normalize(drawn, dim=1), levels)]
        return np.concatenate([_row(part.cpu()) for part in pictures])


def _shown(faces: FaceSet, columns: int) -> Tensor:
    rows = np.flatnonzero(faces.split == DEVELOPMENT)
    rows = rows if len(rows) else np.arange(len(faces))
    return to_tensor(faces.pixels[np.random.default_rng(0).permutation(rows)[:columns]])


def _row(images: Tensor) -> NDArray[np.uint8]:
    return np.concatenate(list(to_pixels(images.float().clamp(-1, 1))), 1)
