# SPDX-License-Identifier: Apache-2.0
"""FaceNet against the public implementation's numbers."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.weights import WeightsMissing
from semveil.metrics import identity_distance
from semveil.recognition import FaceNet, FaceNetVerifier
from semveil.recognition.crop import BoxCrop, crop_faces

LIMIT = 5e-5  # stated with the reference numbers


@pytest.fixture(scope="module")
def compare(shared: Path) -> Iterator[ModuleType]:
    sys.path.insert(0, str(shared / "parity"))
    import compare

    yield compare
    sys.path.remove(str(shared / "parity"))


@pytest.fixture(scope="module")
def fixture(shared: Path, compare: ModuleType) -> dict:
    return compare.load(shared / "parity" / "facenet.npz")


@pytest.fixture(scope="module")
def state(fixture: dict) -> dict[str, Tensor]:
    import rule

    weights = rule.fill(
        {key: tuple(shape) for key, shape, _ in fixture["keys"]}, fixture["salt"], fixture["gain"]
    )
    return {**weights, **{key: torch.tensor(value) for key, value in fixture["structural"].items()}}


@pytest.fixture(scope="module")
def network(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> FaceNet:
    path = tmp_path_factory.mktemp("weights") / "20180402-114759-vggface2.pt"
    # of the released files
    classifier = {"logits.weight": torch.zeros(8631, 512), "logits.bias": torch.zeros(8631)}
    torch.save(state | classifier, path)
    network = FaceNet.from_official(path)
    path.unlink()
    return network


def test_keys_are_the_official_ones_in_shape(network: FaceNet, fixture: dict) -> None:
    own = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert own == {key: shape for key, shape, _ in fixture["keys"]}


def test_parity(network: FaceNet, fixture: dict, compare: ModuleType) -> None:
    import rule

    crops = rule.make_input(fixture["recipes"]["img"])
    assert compare.error(fixture, "embedding", network.embed(crops)) < LIMIT
    assert compare.error(fixture, "embedding", network(crops)) > 100 * LIMIT, "not of unit length"
    assert compare.error(fixture, "embedding", network.embed(crops * 127.5 / 128)) > 10 * LIMIT, (
        "the scale of the input matters"
    )


def test_parity_sees_the_epsilon(state: dict[str, Tensor], fixture: dict, compare: ModuleType) -> None:
    import rule

    network = FaceNet.from_official(state)
    for module in network.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            module.eps = 1e-5
    assert (
        compare.error(fixture, "embedding", network.embed(rule.make_input(fixture["recipes"]["img"])))
        > 50 * LIMIT
    )


def test_frozen_but_differentiable_in_the_crops(network: FaceNet) -> None:
    crop = torch.zeros(1, 3, 160, 160, requires_grad=True)
    network.embed(crop)[0, 0].backward()
    assert crop.grad is not None and crop.grad.abs().sum() > 0
    assert not network.training and all(not p.requires_grad for p in network.parameters())


def test_a_foreign_state_is_refused(state: dict[str, Tensor], network: FaceNet) -> None:
    with pytest.raises(BadCheckpoint, match=r"missing mixed_6a\.branch1\.2\.conv\.weight"):
        FaceNet.from_official({k: v for k, v in state.items() if k != "mixed_6a.branch1.2.conv.weight"})
    with pytest.raises(BadCheckpoint, match=r"unknown block9\.conv2d\.weight"):
        FaceNet.from_official({**state, "block9.conv2d.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"crops \(B, 3, 160, 160\), got \(1, 3, 112, 112\)"):
        network.embed(torch.zeros(1, 3, 112, 112))


def test_the_verifier_crops_and_standardises(network: FaceNet) -> None:
    verifier = FaceNetVerifier(network, threshold=0.5)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    embeddings = verifier.embed(images)
    pixels = (crop_faces(images, BoxCrop(160, (0.2042, 0.1609, 0.7938, 0.9511))) + 1) * 127.5
    assert torch.allclose(embeddings, network.embed((pixels - 127.5) / 128), atol=1e-3)
    assert verifier.name == "facenet-vggface2" and verifier.same(embeddings, embeddings).all()
    a, b = images[:1], images[1:]
    cosine = verifier.similarity(embeddings[:1], embeddings[1:])
    assert torch.allclose(identity_distance(a, b, verifier), (2 - 2 * cosine).sqrt(), atol=1e-3)


def test_missing_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"20180408-102900-casia-webface\.pt.*models get facenet-casia"):
        FaceNetVerifier(threshold=0.5, trained_on="casia")
    with pytest.raises(ValueError, match="did you mean 'facenet-casia'"):
        FaceNetVerifier(threshold=0.5, trained_on="casias")
