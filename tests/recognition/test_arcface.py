# SPDX-License-Identifier: Apache-2.0
"""ArcFace IR-SE50 against the public implementation's numbers."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint
from semveil.recognition import ArcFaceIRSE50

LIMIT = 5e-5  # stated with the reference numbers


@pytest.fixture(scope="module")
def compare(shared: Path) -> Iterator[ModuleType]:
    sys.path.insert(0, str(shared / "parity"))
    import compare

    yield compare
    sys.path.remove(str(shared / "parity"))


@pytest.fixture(scope="module")
def fixture(shared: Path, compare: ModuleType) -> dict:
    return compare.load(shared / "parity" / "arcface_irse50.npz")


@pytest.fixture(scope="module")
def state(fixture: dict) -> dict[str, Tensor]:
    import rule

    weights = rule.fill(
        {key: tuple(shape) for key, shape, _ in fixture["keys"]}, fixture["salt"], fixture["gain"]
    )
    return {**weights, **{key: torch.tensor(value) for key, value in fixture["structural"].items()}}


@pytest.fixture(scope="module")
def network(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> ArcFaceIRSE50:
    path = tmp_path_factory.mktemp("weights") / "model_ir_se50.pth"
    torch.save(state, path)
    network = ArcFaceIRSE50.from_official(path)
    path.unlink()
    return network


def test_keys_are_the_official_ones_in_shape(network: ArcFaceIRSE50, fixture: dict) -> None:
    own = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert own == {key: shape for key, shape, _ in fixture["keys"]}


def test_parity(network: ArcFaceIRSE50, fixture: dict, compare: ModuleType) -> None:
    import rule

    image, image256 = (rule.make_input(fixture["recipes"][name]) for name in ("img", "img256"))
    seen: dict[str, Tensor] = {}
    hooks = [
        part.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
        for name, part in (("body", network.body), ("unnormalised", network.output_layer))
    ]
    with torch.no_grad():
        seen["embedding"] = network.embed(image)
        for hook in hooks:
            hook.remove()
        for name, value in seen.items():
            assert compare.error(fixture, name, value) < LIMIT, name
        psp, ssg = image256[..., 35:223, 32:220], image256[..., 11:247, 8:244]
        assert (
            compare.error(fixture, "idloss_psp_crop", network.embed(F.adaptive_avg_pool2d(psp, 112))) < LIMIT
        )
        assert (
            compare.error(fixture, "idloss_ssg_crop", network.embed(F.adaptive_avg_pool2d(ssg, 112))) < LIMIT
        )
        assert (
            compare.error(fixture, "idloss_psp_crop", network.embed(F.adaptive_avg_pool2d(ssg, 112)))
            > 100 * LIMIT
        )


def test_frozen_but_differentiable_in_the_crops(network: ArcFaceIRSE50) -> None:
    crop = torch.zeros(1, 3, 112, 112, requires_grad=True)
    network.embed(crop)[0, 0].backward()
    assert crop.grad is not None and crop.grad.abs().sum() > 0
    assert not network.training and all(not p.requires_grad for p in network.parameters())


def test_a_foreign_state_is_refused(state: dict[str, Tensor], network: ArcFaceIRSE50) -> None:
    without = {key: value for key, value in state.items() if key != "body.3.shortcut_layer.0.weight"}
    with pytest.raises(BadCheckpoint, match=r"missing body\.3\.shortcut_layer\.0\.weight"):
        ArcFaceIRSE50.from_official(without)
    with pytest.raises(BadCheckpoint, match=r"unknown body\.0\.shortcut_layer"):
        ArcFaceIRSE50.from_official({**state, "body.0.shortcut_layer.0.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"crops \(B, 3, 112, 112\), got \(1, 3, 64, 64\)"):
        network.embed(torch.zeros(1, 3, 64, 64))
