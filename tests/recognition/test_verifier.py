# SPDX-License-Identifier: Apache-2.0
"""Verifiers: scales, thresholds, real photos, clear errors."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage import data
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.weights import WeightsMissing
from semveil.data.align import align_face
from semveil.faces.pixels import to_tensor
from semveil.recognition import (
    ArcFaceIRSE50,
    ArcFaceVerifier,
    BundledVerifier,
    DlibVerifier,
    OnnxVerifier,
    Verifier,
)
from semveil.recognition.crop import ARCFACE_CROP, crop_faces
from semveil.recognition.dlib_faces import detect_faces


def aligned_astronaut(size: int) -> Tensor:
    photo = data.astronaut()
    return to_tensor([align_face(photo, detect_faces(photo)[0].landmarks, size).pixels])


@pytest.fixture(scope="module")
def edgeface(shared: Path) -> OnnxVerifier:
    pytest.importorskip("onnxruntime")
    return OnnxVerifier(shared / "weights" / "edgeface_xs.onnx", threshold=0.26)


@pytest.fixture(params=["dlib", "edgeface"])
def verifier(request: pytest.FixtureRequest) -> Verifier:
    return DlibVerifier() if request.param == "dlib" else request.getfixturevalue("edgeface")


def test_dlibs_scale_keeps_its_authors_threshold() -> None:
    verifier = DlibVerifier()
    assert verifier.threshold == pytest.approx(0.4)  # 1 - 0.6
    a = torch.zeros(2, 128)
    b = torch.zeros(2, 128)
    b[0, 3], b[1, 3] = 0.59, 0.61
    assert torch.allclose(verifier.similarity(a, b), torch.tensor([0.41, 0.39]))
    assert verifier.same(a, b).tolist() == [True, False]


def test_all_pairs_agree_with_pairs(verifier: Verifier) -> None:
    a, b = F.normalize(torch.randn(2, 40, 128, generator=torch.Generator().manual_seed(0)), dim=-1)
    b[0] = a[0] + 1e-4  # near faces are where a fast distance loses its digits
    matrix = verifier.similarities(a, b[:30])
    assert matrix.shape == (40, 30)
    assert torch.allclose(matrix.diagonal(), verifier.similarity(a[:30], b[:30]), atol=1e-6)


def test_one_photo_at_two_sizes_is_one_person(verifier: Verifier) -> None:
    small, large = verifier.embed(aligned_astronaut(64)), verifier.embed(aligned_astronaut(256))
    assert small.shape == large.shape and small.dtype == torch.float32
    assert verifier.same(small, large).all()
    noise = verifier.embed(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)).clamp(-1, 1))
    assert not verifier.same(small.expand(2, -1), noise).any()


def test_batches_are_embedded_image_by_image(edgeface: OnnxVerifier) -> None:
    # more than one chunk
    images = torch.rand(70, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    embeddings = edgeface.embed(images)
    assert torch.allclose(embeddings[68:], edgeface.embed(images[68:]), atol=1e-5)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(70))


def test_people_of_lfw_are_told_apart(shared: Path, verifier: Verifier) -> None:
    from semveil.data.pairs import align_portrait

    photos = [("George_W_Bush", 1), ("George_W_Bush", 2), ("Colin_Powell", 1), ("Colin_Powell", 2)]
    images = [align_portrait(shared / "data/lfw" / name / f"{name}_{i:04d}.jpg", 64) for name, i in photos]
    embeddings = verifier.embed(torch.cat([image for image in images if image is not None]))
    same = (verifier.similarities(embeddings, embeddings) >= verifier.threshold).numpy()
    assert np.array_equal(same, np.kron(np.eye(2), np.ones((2, 2))).astype(bool))


def test_arcface_embeds_its_crops_and_is_differentiable() -> None:
    network = ArcFaceIRSE50()
    verifier = ArcFaceVerifier(network)
    image = aligned_astronaut(64).requires_grad_()
    embedding = verifier.embed(image)
    assert torch.equal(embedding, network.embed(crop_faces(image, ARCFACE_CROP)))
    assert verifier.threshold == 0.3 and verifier.same(embedding, embedding).all()
    embedding[0, 0].backward()
    assert image.grad is not None and image.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["bundled", "arcface", "dlib", "edgeface"])
def test_any_precision_of_images_is_taken_and_pixels_are_not(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """Methods in double precision return such images; whole numbers are pixels."""
    verifier = {
        "bundled": lambda: BundledVerifier(threshold=0.5),
        "arcface": lambda: ArcFaceVerifier(ArcFaceIRSE50()),
        "dlib": DlibVerifier,
        "edgeface": lambda: request.getfixturevalue("edgeface"),
    }[kind]()
    image = aligned_astronaut(64)
    torch.testing.assert_close(verifier.embed(image.double()), verifier.embed(image), atol=0.02, rtol=0)
    with pytest.raises(ValueError, match="floats in"):
        verifier.embed((image * 100).int())


def test_absent_and_wrong_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"model_ir_se50\.pth missing in"):
        ArcFaceVerifier()
    with pytest.raises(BadCheckpoint, match="no ONNX file"):
        OnnxVerifier(tmp_path / "x.onnx", threshold=0.3)
    (tmp_path / "x.onnx").write_bytes(b"not a network")
    with pytest.raises(BadCheckpoint, match=r"x\.onnx is no ONNX network"):
        OnnxVerifier(tmp_path / "x.onnx", threshold=0.3)
