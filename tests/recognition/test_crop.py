# SPDX-License-Identifier: Apache-2.0
"""Crops for recognisers: the transform against dlib's own and against exact images, sampling without
aliasing.
"""

import dlib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage import data
from torch import Tensor

from semveil.data.align import align_face
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.faces.template import TEMPLATE
from semveil.recognition.crop import ARCFACE_CROP, DLIB_CHIP, FACENET_CROP, BoxCrop, CropTemplate, crop_faces
from semveil.recognition.dlib_faces import detect_faces


def ramps(size: int) -> Tensor:
    """An image whose channels are the pixels' x and y in units of the side, scaled to [-1, 1]."""
    y, x = torch.meshgrid(*[(torch.arange(size) + 0.5) / size * 2 - 1] * 2, indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)])[None]


@pytest.mark.parametrize(
    "template", [DLIB_CHIP, ARCFACE_CROP, FACENET_CROP], ids=["dlib", "arcface", "facenet"]
)
@pytest.mark.parametrize("size", [64, 200, 512])
def test_each_crop_pixel_shows_the_place_that_the_transform_says(
    template: CropTemplate | BoxCrop, size: int
) -> None:
    crops = crop_faces(ramps(size), template)
    assert crops.shape == (1, 3, template.size, template.size)
    index = (np.arange(template.size) + 0.5) / template.size
    x, y = np.meshgrid(index, index)
    expected = np.einsum("ij,jhw->ihw", template.to_aligned, np.stack([x, y, np.ones_like(x)]))[:2] * 2 - 1
    inside = np.abs(expected).max(0) < 1 - 4 / size
    assert inside.mean() > 0.9
    # a twentieth of a pixel
    assert np.abs(crops[0, :2].numpy() - expected)[:, inside].max() < 0.05 * 2 / size


def test_landmarks_land_on_the_template() -> None:
    eyes = np.column_stack([ARCFACE_CROP.crop, [1, 1]]) @ ARCFACE_CROP.to_aligned.T
    assert np.allclose(eyes[:, :2], ARCFACE_CROP.aligned)
    points = np.column_stack([DLIB_CHIP.crop, np.ones(5)]) @ DLIB_CHIP.to_aligned.T
    assert np.abs(points[:, :2] - TEMPLATE).max() < 0.01, (
        "both are mean faces: no point is off by more than 1 % of the side"
    )


@pytest.fixture(scope="module")
def astronaut() -> NDArray[np.uint8]:
    photo = data.astronaut()
    crop = align_face(photo, detect_faces(photo)[0].landmarks, 600).pixels
    return (
        np.stack([gaussian_filter(crop[..., c].astype(float), 8) for c in range(3)], -1)
        .round()
        .astype(np.uint8)
    )


@pytest.mark.parametrize("size", [150, 300])
def test_dlib_cuts_the_same_chip(astronaut: NDArray[np.uint8], size: int) -> None:
    step = 600 // size
    image = astronaut.reshape(size, step, size, step, 3).mean((1, 3)).round().astype(np.uint8)
    landmarks = np.round(TEMPLATE * size - 0.5)  # dlib takes whole pixels only
    points = [dlib.point(int(x), int(y)) for x, y in landmarks]
    chip = dlib.get_face_chip(
        image, dlib.full_object_detection(dlib.rectangle(0, 0, size, size), points), 150, 0.25
    )
    template = CropTemplate(150, (landmarks + 0.5) / size, DLIB_CHIP.crop)
    ours = to_pixels(crop_faces(to_tensor([image]), template))[0]
    assert np.abs(ours.astype(int) - chip).mean() < 1.2  # of 255: dlib interpolates linearly, from a pyramid
    shifted = CropTemplate(150, template.aligned, template.crop + 0.5 / 150)
    moved = to_pixels(crop_faces(to_tensor([image]), shifted))[0]
    assert np.abs(moved.astype(int) - chip).mean() > 1.8, "half a pixel would be seen"


def test_shrinking_does_not_alias() -> None:
    y, x = torch.meshgrid(torch.arange(512), torch.arange(512), indexing="ij")
    checks = ((x + y) % 2 * 2 - 1).float().expand(1, 3, 512, 512)
    assert crop_faces(checks, ARCFACE_CROP)[..., 4:-4, 4:-4].abs().max() < 0.2
    assert crop_faces(checks, ARCFACE_CROP).std() < 0.1


def test_range_is_kept_and_gradients_flow() -> None:
    images = (
        torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)).round() * 2 - 1
    ).requires_grad_()
    crops = crop_faces(images, DLIB_CHIP)
    assert crops.abs().max() <= 1
    crops.mean().backward()
    assert images.grad is not None and images.grad[..., 32, 32].abs().min() > 0


def test_only_square_batches() -> None:
    with pytest.raises(ValueError, match=r"must be square, \(B, 3, S, S\), got \(1, 3, 64, 48\)"):
        crop_faces(torch.zeros(1, 3, 64, 48), DLIB_CHIP)


def test_a_box_is_stretched_to_a_square() -> None:
    corners = crop_faces(ramps(640), BoxCrop(160, (0.25, 0.125, 0.75, 0.875)))[0, :2]
    left, top, right, bottom = (
        (corners[0, 0, 0] + 1) / 2,
        (corners[1, 0, 0] + 1) / 2,
        (corners[0, 0, -1] + 1) / 2,
        (corners[1, -1, 0] + 1) / 2,
    )
    half = np.array([0.5, 0.75]) / 160 / 2  # a crop pixel's centre lies half a crop pixel inside the box
    assert np.allclose([left, top], np.array([0.25, 0.125]) + half, atol=1e-3)
    assert np.allclose([right, bottom], [0.75, 0.875] - half, atol=1e-3)
    assert FACENET_CROP.share == pytest.approx(0.790, abs=1e-3)
