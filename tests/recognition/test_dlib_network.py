# SPDX-License-Identifier: Apache-2.0
"""dlib's network in torch gives dlib's own descriptors, and gradients."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from semveil.data.align import align_face
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.recognition.crop import DLIB_CHIP, crop_faces
from semveil.recognition.dlib_faces import describe_faces, detect_faces
from semveil.recognition.dlib_network import DlibNetwork, load_dlib_network

ASTRONAUT = align_face(astronaut(), detect_faces(astronaut())[0].landmarks, 256).pixels


@pytest.fixture(scope="module")
def network() -> DlibNetwork:
    return load_dlib_network()


@pytest.fixture(scope="module")
def chips() -> np.ndarray:
    """The astronaut's chip, mirrored, dark, and noise in its place."""
    photo = to_pixels(crop_faces(to_tensor(ASTRONAUT[None]), DLIB_CHIP))[0]
    noise = np.random.default_rng(0).integers(0, 256, photo.shape, np.uint8)
    return np.stack([photo, photo[:, ::-1], photo // 4, noise])


def test_descriptors_are_those_of_dlib(network: DlibNetwork, chips: np.ndarray) -> None:
    ours = network.descriptors(to_tensor(chips)).numpy()
    theirs = describe_faces(chips)
    np.testing.assert_allclose(ours, theirs, atol=2e-6)
    assert np.abs(theirs[0] - theirs[3]).max() > 0.05  # that they could differ


def test_gradients_lead_a_picture_away_from_its_person(network: DlibNetwork, chips: np.ndarray) -> None:
    """Ten small steps along them leave a picture that dlib itself takes for somebody else; as much noise does
    not.
    """
    photo = to_tensor(chips[:1])
    own, signs = (
        network.descriptors(photo),
        torch.randn(photo.shape, generator=torch.Generator().manual_seed(0)).sign(),
    )
    noisy, moved = photo + 16 / 255 * signs, photo + 2 / 255 * signs
    for _ in range(10):
        moved = moved.detach().requires_grad_()
        (gradient,) = torch.autograd.grad((network.descriptors(moved) - own).norm(), moved)
        moved = photo + (moved + 4 / 255 * gradient.sign() - photo).clamp(-16 / 255, 16 / 255)
    original, attacked, noise = describe_faces(to_pixels(torch.cat([photo, moved.detach(), noisy])))
    assert np.linalg.norm(attacked - original) > 0.6 > np.linalg.norm(noise - original)


def test_strangers_have_a_cosine_near_zero_to_the_centre(network: DlibNetwork) -> None:
    images = torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    before = network(images)
    network.centre_on(images)
    try:
        assert before.mean(0).norm() > 0.9
        assert network(images).mean(0).norm() < 0.3
        torch.testing.assert_close(network(images).norm(dim=1), torch.ones(40))
    finally:
        network.centre.zero_()


def test_chips_of_another_size_are_refused(network: DlibNetwork) -> None:
    with pytest.raises(ValueError, match="150"):
        network.descriptors(torch.zeros(1, 3, 112, 112))
