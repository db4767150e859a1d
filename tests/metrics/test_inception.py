# SPDX-License-Identifier: Apache-2.0
"""Inception v3 against pytorch-fid's own class, on drawn weights; what the FID is called, and where its
weights come from.
"""

import json
import math
import zlib
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from reference.parity import make_input
from safetensors.torch import load_file
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.weights import WeightsMissing
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.metrics import InceptionFeatures, TrunkFeatures, feature_network, feature_networks, fid, moments
from semveil.nn import inception
from semveil.nn.inception import InceptionV3

GOLDEN = json.loads((Path(__file__).parent / "golden" / "inception.json").read_text())
LIMIT = 5e-5  # of the rms; float32 in another order of summation differs by up to 1e-6


def drawn_state() -> dict[str, Tensor]:
    """Weights that depend on the key's name and shape only, as the stored outputs were made with."""
    state: dict[str, Tensor] = {}
    for key, value in InceptionV3().state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        r = torch.randn(value.shape, generator=torch.Generator().manual_seed(zlib.crc32(key.encode())))
        match key.rsplit(".", 2)[-2:]:
            case ["conv", "weight"]:
                state[key] = 1.4 * r / math.sqrt(value[0].numel())
            case ["bn", "weight"]:
                state[key] = 1 + 0.1 * r
            case ["bn", "running_var"]:
                state[key] = 0.5 + r.abs()
            case _:
                state[key] = 0.1 * r
    return state


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return drawn_state()


@pytest.fixture
def features(state: dict[str, Tensor]) -> InceptionFeatures:
    return InceptionFeatures(state)


def error(features: InceptionFeatures, name: str) -> float:
    row = GOLDEN["outputs"][name]
    own = features(make_input(row["recipe"])).reshape(-1).double()
    stored = torch.tensor(row["samples"]).double()
    statistics = (own.mean() - row["mean"], own.std(correction=0) - row["std"], own.max() - row["absmax"])
    worst = max(float((own[:: GOLDEN["stride"]] - stored).abs().max()), *(abs(float(s)) for s in statistics))
    return worst / float(stored.square().mean().sqrt())


@pytest.mark.parametrize("name", list(GOLDEN["outputs"]))
def test_parity_with_pytorch_fid(features: InceptionFeatures, name: str) -> None:
    assert error(features, name) < LIMIT


def test_the_check_sees_each_peculiarity(
    features: InceptionFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong_pool(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, 1, 1)  # torchvision's: counts the padding

    for kind, wrong in (("mean", wrong_pool), ("max", inception._POOLS["mean"])):
        with monkeypatch.context() as patch:
            patch.setitem(inception._POOLS, kind, wrong)
            assert error(features, "blocks") > 20 * LIMIT, kind
    with monkeypatch.context() as patch:
        patch.setattr(feature_networks, "_as_saved", lambda images: images)  # pixels not rounded
        assert error(features, "blocks") > 2 * LIMIT
    for module in features.network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-5
    assert error(features, "blocks") > 20 * LIMIT


def test_features_do_not_depend_on_the_rest_of_the_batch(features: InceptionFeatures) -> None:
    images = make_input(GOLDEN["outputs"]["blocks"]["recipe"])
    assert torch.allclose(features(images)[1:], features(images[1:]), atol=1e-5)
    assert torch.allclose(
        features(3 * images[:1]), features(to_tensor(to_pixels(3 * images[:1]))), atol=1e-5
    ), "as a file holds it"


def test_keys_are_the_official_ones(state: dict[str, Tensor]) -> None:
    keys = set(state)
    # 94 convolutions with batch norm, as torchvision's without the auxiliary classifier
    assert len(keys) == 94 * 5
    assert {
        "Conv2d_1a_3x3.conv.weight",
        "Mixed_5b.branch_pool.bn.running_var",
        "Mixed_6a.branch3x3.conv.weight",
    } <= keys
    assert {
        "Mixed_6e.branch7x7dbl_5.conv.weight",
        "Mixed_7c.branch3x3_2b.bn.bias",
        "Mixed_7b.branch3x3dbl_3a.bn.bias",
    } <= keys
    # Inception v3 without fc
    assert sum(value.numel() for key, value in state.items() if "running" not in key) == 21_785_568


def test_a_foreign_state_is_refused(state: dict[str, Tensor]) -> None:
    InceptionV3.from_official({**state, "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)})
    with pytest.raises(BadCheckpoint, match=r"unknown AuxLogits\.fc\.bias"):
        InceptionV3.from_official({**state, "AuxLogits.fc.bias": torch.zeros(1000)})
    with pytest.raises(BadCheckpoint, match=r"missing Mixed_7c\.branch1x1"):
        InceptionV3.from_official({k: v for k, v in state.items() if k != "Mixed_7c.branch1x1.conv.weight"})


def test_only_the_official_file_gives_a_fid(
    state: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    images = torch.zeros(2, 3, 64, 64)
    with pytest.raises(
        WeightsMissing, match=r"pt_inception-2015-12-05-6726825d\.pth .* models get inception-fid"
    ):
        fid(images, images)
    with pytest.raises(WeightsMissing, match=r"alexnet-owt.* for the FID: semveil models get inception-fid"):
        feature_network()
    torch.save(state, tmp_path / "pt_inception-2015-12-05-6726825d.pth")
    network = feature_network()
    assert isinstance(network, InceptionFeatures) and network.metric == "frechet_inception", (
        "right name, wrong content"
    )
    with pytest.raises(
        ValueError, match="these features give frechet_inception; the FID needs the weights of pt_inception"
    ):
        fid(images, images)
    monkeypatch.setattr(
        feature_networks,
        "_OFFICIAL",
        feature_networks.verify(tmp_path / "pt_inception-2015-12-05-6726825d.pth").sha256,
    )
    assert feature_network().metric == "fid" and moments(images, feature_network()).metric == "fid"
    monkeypatch.setattr(InceptionFeatures, "__call__", lambda self, images: images.mean((2, 3)))
    assert fid(images, images + 0.5) == pytest.approx(3 * 0.5**2)


def test_alexnet_stands_in_under_its_own_name(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    (tmp_path / "alexnet_features.safetensors").symlink_to(
        shared / "weights" / "alexnet_features.safetensors"
    )
    network = feature_network()
    assert isinstance(network, TrunkFeatures) and network.metric == "frechet_alexnet"
    weights = load_file(shared / "weights" / "alexnet_features.safetensors")
    images = make_input(GOLDEN["outputs"]["large"]["recipe"])
    x = torch.from_numpy(to_pixels(images)).permute(0, 3, 1, 2) / 255
    x = F.interpolate(x, size=(224, 224), mode="bilinear", antialias=True)
    x = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        3, 1, 1
    )
    for index, stride, padding, pooled in (
        (0, 4, 2, True),
        (3, 1, 2, True),
        (6, 1, 1, False),
        (8, 1, 1, False),
        (10, 1, 1, False),
    ):
        x = F.conv2d(
            x, weights[f"features.{index}.weight"], weights[f"features.{index}.bias"], stride, padding
        ).relu()
        x = F.max_pool2d(x, 3, 2) if pooled else x
    features = network(images)
    assert features.shape == (1, 256)
    assert torch.allclose(features, x.mean((2, 3)), atol=1e-4)


def test_squeezenet_is_a_second_opinion(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    with pytest.raises(WeightsMissing, match="models get squeezenet1_1"):
        TrunkFeatures.from_catalogue("squeeze")
    (tmp_path / "squeezenet1_1_features.safetensors").symlink_to(
        shared / "weights" / "squeezenet1_1_features.safetensors"
    )
    network = TrunkFeatures.from_catalogue("squeeze")
    assert network.metric == "frechet_squeezenet"
    features = network(make_input(GOLDEN["outputs"]["large"]["recipe"]))
    assert features.shape == (1, 512) and features.min() >= 0 and features.max() > 0
