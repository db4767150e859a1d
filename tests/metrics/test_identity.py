# SPDX-License-Identifier: Apache-2.0
"""Numbers about identity through the verifier, face detection on real photos."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from skimage import data
from torch import Tensor

from semveil.core.weights import WeightsMissing
from semveil.data.align import align_face
from semveil.faces.pixels import to_tensor
from semveil.metrics import (
    DetectionRate,
    detection_rate,
    face_detected,
    fppsr,
    identity_distance,
    identity_similarity,
    iss,
    psr,
)
from semveil.recognition import ArcFaceIRSE50, ArcFaceVerifier, DlibVerifier, Verifier
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
    assert torch.allclose(
        identity_similarity(source, received, MeanColour()), torch.tensor([-0.05, -0.15, -0.5])
    )
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


def test_iss_is_the_cosine_that_arcface_decides_by() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        verifier = ArcFaceVerifier(ArcFaceIRSE50())
    rng = torch.Generator().manual_seed(3)
    source = torch.rand(4, 3, 64, 64, generator=rng) * 2 - 1
    received = source + torch.tensor([0.0, 0.1, 0.5, 2.0]).view(4, 1, 1, 1) * torch.randn(
        source.shape, generator=rng
    )
    score = iss(source, received, verifier=verifier)
    expected = torch.cosine_similarity(verifier.embed(source), verifier.embed(received))
    assert torch.allclose(score, expected, atol=1e-6) and score[0] == pytest.approx(1)
    assert verifier.threshold == 0.3, "[DPI] Fig. 10"
    for threshold in (0.3, float(score[1:3].mean())):
        verifier.threshold = threshold
        assert torch.equal(fppsr(source, received, verifier), (score < threshold).float())


def test_iss_needs_arcface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"model_ir_se50\.pth"):
        iss(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64))


def test_identity_distance_is_euclidean(astronaut: Tensor) -> None:
    source = torch.zeros(2, 3, 16, 16)
    assert torch.allclose(identity_distance(source, source + 0.25, MeanColour()), torch.tensor(0.25))
    darker = 0.5 * astronaut - 0.5
    distance = identity_distance(astronaut, darker, DlibVerifier())
    assert 0 < distance < 0.6
    assert torch.allclose(distance, 1 - identity_similarity(astronaut, darker, DlibVerifier()), atol=1e-6)


def test_protection_must_hold_against_every_verifier() -> None:
    source = torch.zeros(3, 3, 16, 16)
    received = source + torch.tensor([0.05, 0.15, 0.5]).view(3, 1, 1, 1)
    strict, lax = MeanColour(threshold=-0.1), MeanColour(threshold=-0.2)
    assert (
        psr(source, received, [strict]).tolist()
        == fppsr(source, received, strict).tolist()
        == [0.0, 1.0, 1.0]
    )
    assert (
        psr(source, received, [strict, lax]).tolist()
        == psr(source, received, [lax]).tolist()
        == [0.0, 0.0, 1.0]
    )
    with pytest.raises(ValueError, match="at least one verifier"):
        psr(source, received, [])


def test_detection_rate_and_its_ratio_to_the_sources(astronaut: Tensor) -> None:
    nothing = torch.zeros_like(astronaut)
    source = torch.cat([astronaut, astronaut, astronaut, nothing])
    large = torch.nn.functional.interpolate(
        torch.cat([astronaut, nothing, astronaut, nothing]), scale_factor=2.0, mode="bicubic"
    )
    assert detection_rate(source, large) == DetectionRate(images=4, found=2, found_in_source=3)
    rate = detection_rate(source, source)
    assert (rate.rate, rate.source_rate, rate.ratio) == (0.75, 0.75, 1.0)
    assert detection_rate(nothing, astronaut).ratio is None
    with pytest.raises(ValueError, match="got 1 and 4"):
        detection_rate(source, astronaut)
    with pytest.raises(ValueError, match="got 0 and 0"):
        detection_rate(source[:0], source[:0])
