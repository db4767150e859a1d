# SPDX-License-Identifier: Apache-2.0
"""Traditional baselines of [IDP], Table I and Fig. 7, in two readings of the paper's description.

Section V-E and the numbers of Table I are inconsistent. In the reading `text` the face region is clustered,
noised with clamping, or downsampled to 7 x 7 pixels. In the reading `numbers`, which fits Table I best, it is
divided into cells, noised in bytes that overflow (a value beyond 255 wraps around to 0), or downsampled by a
factor of 7. To compare both with Table I:

    semveil reproduce identity-dp/readings --data PHOTOS    # aligned photos such as CelebA-HQ's

Sizes in pixels refer to the paper's 256 px and are scaled with the crop, so that they cover the same fraction
of a face.
"""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from semveil.core.registry import Registry
from semveil.experiments.identity_dp.paper import PAPER, TABLE_AMOUNTS
from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.photo_sets import DataMissing, PhotoSet
from semveil.experiments.kit.tables import markdown
from semveil.experiments.kit.text_table import Text, text_table
from semveil.faces.pixels import to_tensor
from semveil.methods.baselines import from_levels, pixelated, to_levels
from semveil.metrics import psnr, ssim

PAPER_SIDE = 256  # px
READINGS = ("text", "numbers")
# Median box of dlib's detector on aligned held-out photos, in units of the crop's side: left, top,
# right, bottom.
FACE_BOX = (0.19, 0.32, 0.77, 0.90)
CHECKED = 64  # photos


def baseline(
    name: str, amount: float, images: Tensor, *, reading: str, rng: torch.Generator | None = None
) -> Tensor:
    """Apply one of the paper's traditional methods to the face region of aligned crops.

    Args:
        name: `pixelization`, `noise` or `blur`.
        amount: side of a cluster or cell in pixels; standard deviation of the noise in levels; pixels along a
            side (`text`) or downsampling factor (`numbers`) of the blur.
        images: (B, 3, S, S) in [-1, 1].
        reading: `text` or `numbers`.
        rng: draws the noise.

    Raises:
        ValueError: no such method or reading.

    Example:
        >>> face = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
        >>> shown = baseline("pixelization", 16, face, reading="numbers")  # 4 px; columns 12 to 48 are face
        >>> shown[0, 0, 30].unique().numel(), bool((shown[..., :12] == face[..., :12]).all())
        (37, True)
    """
    if reading not in READINGS:
        raise ValueError(f"the readings of [IDP]'s baselines are {' and '.join(READINGS)}, got {reading!r}")
    left, top, right, bottom = face_pixels(images.shape[-1])
    face = (..., slice(top, bottom), slice(left, right))
    shown = images.clone()
    shown[face] = BASELINES[name](amount, images, reading, rng)[face]
    return shown


def clusters(images: Tensor, side: float) -> Tensor:
    """Replace each SLIC cluster of similar neighbouring pixels (Achanta et al. 2012) by its mean.

    Args:
        images: (B, 3, S, S) in [-1, 1].
        side: approximate side of a cluster in pixels; there are about (S / side)^2 clusters.
    """
    from skimage.segmentation import slic

    wanted = max(1, round(images.shape[-1] * images.shape[-2] / side**2))
    found = []
    for image in to_levels(images).numpy().astype(np.uint8):
        labels = slic(image, n_segments=wanted, channel_axis=0, start_label=0)
        counts = np.bincount(labels.ravel()).clip(1)
        found.append([(np.bincount(labels.ravel(), colour.ravel()) / counts)[labels] for colour in image])
    return from_levels(torch.from_numpy(np.array(found)), images)


def face_pixels(size: int) -> tuple[int, int, int, int]:
    """Face region of an aligned crop: left, top, right, bottom; right and bottom are exclusive.

    Args:
        size: side of the crop in pixels.

    Example:
        >>> face_pixels(64)
        (12, 20, 49, 58)
    """
    left, top, right, bottom = (round(side * size) for side in FACE_BOX)
    return left, top, right, bottom


def _pixelization(amount: float, images: Tensor, reading: str, rng: torch.Generator | None) -> Tensor:
    side = amount * images.shape[-1] / PAPER_SIDE
    return clusters(images, side) if reading == "text" else pixelated(images, max(1, round(side)))


def _noise(amount: float, images: Tensor, reading: str, rng: torch.Generator | None) -> Tensor:
    noisy = to_levels(images) + amount * torch.randn(images.shape, generator=rng, dtype=torch.float64)
    return from_levels(noisy.clamp(0, 255) if reading == "text" else noisy.round() % 256, images)


def _blur(amount: float, images: Tensor, reading: str, rng: torch.Generator | None) -> Tensor:
    left, top, right, bottom = face_pixels(images.shape[-1])
    face = images[..., top:bottom, left:right]
    height, width = face.shape[-2:]
    small = (amount, amount) if reading == "text" else (height * PAPER_SIDE / images.shape[-2] / amount,) * 2
    shrunk = functional.interpolate(
        face, size=[max(1, round(side)) for side in small], mode="bilinear", antialias=True
    )
    shown = images.clone()
    shown[..., top:bottom, left:right] = functional.interpolate(shrunk, size=(height, width), mode="bilinear")
    return shown


BASELINES: Registry[Callable[[float, Tensor, str, torch.Generator | None], Tensor]] = Registry("baseline")
BASELINES.add("pixelization", _pixelization)
BASELINES.add("noise", _noise)
BASELINES.add("blur", _blur)


def fit_of_readings(images: Tensor) -> str:
    """PSNR and SSIM of both readings next to Table I's, averaged over images, as Markdown.

    Args:
        images: (B, 3, S, S) in [-1, 1].
    """
    rows = []
    for (name, amount), paper in zip(TABLE_AMOUNTS, PAPER["table1"], strict=False):
        cells = []
        for reading in READINGS:
            shown = baseline(name, amount, images, reading=reading, rng=torch.Generator().manual_seed(0))
            cells += [f"{float(psnr(images, shown).mean()):.2f}", f"{float(ssim(images, shown).mean()):.3f}"]
        rows.append([f"{name} {amount:g}", f"{paper['psnr']:.2f}", f"{paper['ssim']:.3f}", *cells])
    heads = [f"{metric}, {who}" for who in ("the paper", *READINGS) for metric in ("PSNR", "SSIM")]
    return markdown(["", *heads], rows)


def _load(run: Run) -> Text:
    """Load the first aligned photos of the folder `data`."""
    if run.data is None:
        raise DataMissing(
            "the readings are compared with Table I on aligned photos: name a folder of .jpg files with "
            "--data"
        )
    pixels = []
    for file in sorted(run.data.glob("*.jpg"))[:CHECKED]:
        with Image.open(file) as photo:
            small = photo.convert("RGB").resize((PAPER_SIDE,) * 2, Image.Resampling.LANCZOS)
            pixels.append(np.asarray(small))
    photos = PhotoSet(to_tensor(pixels), (), f"{len(pixels)} photos at {PAPER_SIDE} px", public=False)
    words = f"{photos.description}\n\n"
    return Text({"photos": photos.as_dict()}, lambda: words + fit_of_readings(photos.images))


READINGS_TABLE = text_table("identity-dp/readings", revision=1, load=_load)
