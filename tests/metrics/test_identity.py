"""FPPSR and identity similarity through the verifier, face detection on real photos."""

from dataclasses import dataclass

import pytest
import torch
from skimage import data
from torch import Tensor

from semveil.core.pixels import to_tensor
from semveil.data.align import align_face
from semveil.metrics import face_detected, fppsr, identity_similarity
from semveil.recognition import DlibVerifier, Verifier
from semveil.recognition.dlib_faces import detect_faces


@dataclass
class MeanColour(Verifier):
    """Takes the mean red value for the person."""

    name: str = "mean colour"
    threshold: float = -0.1

    def embed(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))[:, :1]

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        return -torch.cdist(a, b)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return -(a - b).norm(dim=-1)


@pytest.fixture(scope="module")
def astronaut() -> Tensor:
    photo = data.astronaut()
    return to_tensor([align_face(photo, detect_faces(photo)[0].landmarks, 64).pixels])


def test_per_image_values_follow_the_verifier() -> None:
    source = torch.zeros(3, 3, 16, 16)
    received = source + torch.tensor([0.05, 0.15, -0.5]).view(3, 1, 1, 1)
    assert torch.allclose(identity_similarity(source, received, MeanColour()), torch.tensor([-0.05, -0.15, -0.5]))
    assert fppsr(source, received, MeanColour()).tolist() == [0.0, 1.0, 1.0]
    assert fppsr(source, received, MeanColour(threshold=-0.2)).tolist() == [0.0, 0.0, 1.0]


def test_a_photo_is_not_protected_from_itself_and_noise_is_nobody(astronaut: Tensor) -> None:
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    verifier = DlibVerifier()
    assert identity_similarity(astronaut, astronaut, verifier).item() == 1
    blurred = torch.nn.functional.avg_pool2d(astronaut, 3, 1, 1)
    source, received = astronaut.expand(3, -1, -1, -1), torch.cat([astronaut, blurred, noise])
    assert fppsr(source, received, verifier).tolist() == [0.0, 0.0, 1.0]


def test_shapes_are_checked() -> None:
    for metric in (fppsr, identity_similarity):
        with pytest.raises(ValueError, match="must have one shape"):
            metric(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 8, 8), MeanColour())


@pytest.mark.parametrize("size", [64, 256, 512])
def test_a_face_is_detected_at_any_size_and_nothing_else_is(astronaut: Tensor, size: int) -> None:
    face = torch.nn.functional.interpolate(astronaut, size=(size, size), mode="bicubic")
    noise = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    images = torch.cat([face, noise, torch.zeros_like(face), face.flip(2)])
    detected = face_detected(images)
    assert detected.dtype == torch.bool and detected.tolist() == [True, False, False, False]


def test_images_beyond_the_range_are_clipped(astronaut: Tensor) -> None:
    assert face_detected(astronaut * 1.5).item()
    with pytest.raises(ValueError, match=r"must be \(B, 3, H, W\)"):
        face_detected(astronaut[0])
