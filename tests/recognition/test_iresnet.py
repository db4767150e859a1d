# SPDX-License-Identifier: Apache-2.0
"""IResNet50 against the public implementation's numbers."""

from pathlib import Path

import pytest
import torch
from reference.parity import Fixture
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint
from semveil.recognition import IResNet50

LIMIT = 5e-5  # stated with the stored outputs


@pytest.fixture(scope="module")
def fixture() -> Fixture:
    return Fixture(Path(__file__).parent / "golden" / "iresnet50.npz")


@pytest.fixture(scope="module")
def network(fixture: Fixture, tmp_path_factory: pytest.TempPathFactory) -> IResNet50:
    path = tmp_path_factory.mktemp("weights") / "backbone.pth"
    torch.save(
        {key: value for key, value in fixture.state.items() if not key.endswith("num_batches_tracked")}, path
    )
    network = IResNet50.from_official(path)
    path.unlink()
    return network


@pytest.fixture(scope="module")
def features(network: IResNet50, fixture: Fixture) -> Tensor:
    return network(fixture.inputs["img"])


def test_the_same_weights_are_drawn_here(fixture: Fixture) -> None:
    assert fixture.worst_fill() < 1e-5


def test_keys_are_the_official_ones_in_shape(network: IResNet50, fixture: Fixture) -> None:
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == fixture.shapes


def test_parity(features: Tensor, fixture: Fixture) -> None:
    assert fixture.error("features", features) < LIMIT


def test_the_numbers_handed_out_are_the_stored_ones(shared: Path, features: Tensor) -> None:
    assert (shared / "parity" / "iresnet50.npz").read_bytes() == (
        Path(__file__).parent / "golden" / "iresnet50.npz"
    ).read_bytes()


def test_embeddings_are_the_features_scaled_to_unit_length(
    network: IResNet50, fixture: Fixture, features: Tensor
) -> None:
    embeddings = network.embed(fixture.inputs["img"])
    torch.testing.assert_close(embeddings, torch.nn.functional.normalize(features))
    assert fixture.error("features", embeddings) > 1000 * LIMIT


def test_plausible_mistakes_fail_the_same_comparison(fixture: Fixture) -> None:
    network, image = IResNet50.from_official(fixture.state), fixture.inputs["img"][:, [2, 1, 0]]
    assert fixture.error("features", network(image)) > 1000 * LIMIT, "BGR"
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.eps = 2e-5
    assert fixture.error("features", network(fixture.inputs["img"])) > 10 * LIMIT, (
        "the epsilon of another framework"
    )


def test_frozen_but_differentiable_in_the_crops(network: IResNet50) -> None:
    crop = torch.zeros(1, 3, 112, 112, requires_grad=True)
    network.embed(crop)[0, 0].backward()
    assert crop.grad is not None and crop.grad.abs().sum() > 0
    assert not network.training and all(not p.requires_grad for p in network.parameters())


def test_a_foreign_state_is_refused(fixture: Fixture, network: IResNet50) -> None:
    state = fixture.state
    with pytest.raises(BadCheckpoint, match=r"missing layer2\.0\.downsample\.0\.weight"):
        IResNet50.from_official(
            {key: value for key, value in state.items() if key != "layer2.0.downsample.0.weight"}
        )
    with pytest.raises(BadCheckpoint, match=r"unknown layer1\.3\.bn1\.weight"):
        IResNet50.from_official({**state, "layer1.3.bn1.weight": torch.ones(64)})
    with pytest.raises(BadCheckpoint, match=r"fc\.weight is \(512, 512\), expected \(512, 25088\)"):
        IResNet50.from_official({**state, "fc.weight": torch.zeros(512, 512)})
    with pytest.raises(ValueError, match=r"crops \(B, 3, 112, 112\), got \(1, 3, 64, 64\)"):
        network.embed(torch.zeros(1, 3, 64, 64))
