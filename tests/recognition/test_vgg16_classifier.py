# SPDX-License-Identifier: Apache-2.0
"""VGG16 classifiers against layers put together by hand, the paper's table and the public implementation's
numbers.
"""

import json
from pathlib import Path

import pytest
import torch
from reference.parity import Fixture
from torch import Tensor, nn

from semveil.core.checkpoints import BadCheckpoint
from semveil.recognition import VGG16Classifier, VGG16Config

GOLDEN = Path(__file__).parent / "golden" / "ykn_explainer.npz"
NARROW = VGG16Config(((4, 4), (6, 6), (8,) * 3, (8,) * 3, (8,) * 3), hidden=(12, 12), classes=5)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def torchvision_layers(config: VGG16Config) -> nn.ModuleDict:
    """The layers in torchvision's order, hence under its keys."""
    layers: list[nn.Module] = []
    before = 3
    for block in config.blocks:
        for width in block:
            layers += [nn.Conv2d(before, width, 3, padding=1)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()] if config.batch_norm else [nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2, 2))
    first, second = config.hidden
    head = [
        nn.Linear(before * config.grid**2, first),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(first, second),
        nn.ReLU(),
    ]
    head += [nn.Dropout(), nn.Linear(second, config.classes)]
    return nn.ModuleDict({"features": nn.Sequential(*layers), "classifier": nn.Sequential(*head)})


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("size", [(32, 32), (70, 101), (224, 224)])
def test_torchvision_files(batch_norm: bool, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """With narrow layers: the plan and the keys are the standard network's."""
    config = VGG16Config.from_dict(NARROW.as_dict() | {"batch_norm": batch_norm})
    monkeypatch.setattr(VGG16Config, "standard", lambda **settings: config)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = torchvision_layers(config).eval()
    for layer in theirs.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.running_var is not None:
            layer.running_var.uniform_(0.5, 2, generator=rng(1))
    before = torch.random.get_rng_state()
    ours = VGG16Classifier.from_torchvision(theirs.state_dict())
    assert torch.equal(before, torch.random.get_rng_state())
    images = torch.rand(2, 3, *size, generator=rng(2)) * 2 - 1
    with torch.inference_mode():
        pooled = nn.AdaptiveAvgPool2d(7)(theirs["features"](images))
        torch.testing.assert_close(ours(images), theirs["classifier"](pooled.flatten(1)))


def test_the_standard_network_is_torchvisions() -> None:
    with torch.device("meta"):
        theirs = torchvision_layers(VGG16Config.standard())
    assert sum(p.numel() for p in theirs.parameters()) == 138_357_544  # stated in torchvision's documentation
    assert [i for i, layer in enumerate(theirs["features"]) if isinstance(layer, nn.Conv2d)][-1] == 28


def test_table_2() -> None:
    """The network that the paper's Table 2 can mean,
    and where its numbers are not those of any such network.
    """
    network = VGG16Classifier(VGG16Config.published(), rng=rng())
    layers = [*network.convolutions, *network.linears]
    weights = [layer.weight.numel() for layer in layers]
    with_biases = [w + layer.bias.numel() for w, layer in zip(weights, layers, strict=True)]
    printed = [
        1792,
        36_864,
        73_792,
        147_520,
        295_136,
        590_080,
        65_536,
        590_080,
        1_048_576,
        16_777_216,
        40_960,
    ]
    kinds = [
        "both" if p == b else "weights" if p == w else "neither"
        for p, w, b in zip(printed, weights, with_biases, strict=True)
    ]
    assert kinds == [
        "both",
        "weights",
        *["neither"] * 3,
        "both",
        "weights",
        "both",
        "weights",
        "weights",
        "neither",
    ]
    assert [p - w for p, w in zip(printed, weights, strict=True)][2:5] == [64, 64, 224]
    assert weights[-1] == 10 * printed[-1] == 409_600
    assert (224 // 8) ** 2 * 256 * 4096 == 822_083_584 == 784 * printed[8]
    with torch.inference_mode():
        assert network.eval()(torch.zeros(1, 3, 40, 56)).shape == (1, 100)


@pytest.mark.parametrize("width", [4, 32])
def test_the_small_network_has_table_2s_plan(width: int) -> None:
    small, published = VGG16Config.small(width=width), VGG16Config.published()
    assert [w * 64 // width for w in small.widths] == list(published.widths)
    assert (small.pointwise, small.grid, small.smallest) == (published.pointwise, published.grid, 8)


def test_weights_are_drawn_from_the_generator_that_is_given() -> None:
    config = VGG16Config.small(width=16)
    first, again, other = (VGG16Classifier(config, rng=rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.convolutions[3].weight, again.convolutions[3].weight)
    assert not torch.equal(first.convolutions[3].weight, other.convolutions[3].weight)
    # 36,864 values: the standard deviation's error is 1/sqrt(2 n) = 0.4 %
    weight = first.convolutions[7].weight
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)


def test_dropout_acts_in_training_only() -> None:
    network = VGG16Classifier(NARROW, rng=rng())
    images = torch.rand(1, 3, 32, 32, generator=rng(1))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        assert not torch.equal(network(images), network(images))
        assert torch.equal(network.eval()(images), network(images))


@pytest.fixture(scope="module")
def released() -> Fixture:
    return Fixture(GOLDEN)


def test_released_classifier(released: Fixture) -> None:
    assert released.worst_fill() < 1e-5
    network = VGG16Classifier.from_released(released.state)
    assert network.config == VGG16Config.released(classes=10, size=32)
    with torch.inference_mode():
        assert released.error("logits", network(released.inputs["img"])) < 5e-5
        for norm in network.norms:
            norm.eps = 2e-5
        assert released.error("logits", network(released.inputs["img"])) > 0  # the smallest mistake is seen
        network.train()
        assert released.error("logits", network(released.inputs["img"])) > 0.1


def test_a_released_file_of_another_size_is_recognised(released: Fixture) -> None:
    state = released.state | {"layers.18.linear.weight": torch.zeros(4096, 512 * 4)}
    assert VGG16Classifier.from_released(state).config.grid == 2


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("layers.4.bn.running_var", None, r"missing norms\.3\.running_var"),
        ("layers.5.conv.weight", torch.zeros(1), r"unknown layers\.5\.conv\.weight"),
        ("layers.0.conv.weight", torch.zeros(64, 1, 3, 3), r"convolutions\.0\.weight is \(64, 1, 3, 3\)"),
        ("layers.18.linear.weight", None, r"missing linears\.0\.weight"),
    ],
)
def test_another_file_is_refused(key: str, value: Tensor | None, message: str, released: Fixture) -> None:
    state = {k: v for k, v in released.state.items() if k != key}
    with pytest.raises(BadCheckpoint, match=message):
        VGG16Classifier.from_released(state if value is None else state | {key: value})


@pytest.mark.parametrize(
    "config", [VGG16Config.published(), VGG16Config.small(), NARROW], ids=["published", "small", "narrow"]
)
def test_settings_survive_json(config: VGG16Config) -> None:
    assert VGG16Config.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown classifier settings: width"):
        VGG16Config.from_dict({"width": 3})
    with pytest.raises(ValueError, match=r"pointwise must name convolutions in 1\.\.13, got \(14,\)"):
        VGG16Config(pointwise=(14,))
    with pytest.raises(ValueError, match="must each hold a convolution"):
        VGG16Config(blocks=((64,), ()))
    with pytest.raises(ValueError, match="at least 1"):
        VGG16Config(classes=0)
    with pytest.raises(ValueError, match=r"dropout must lie in \[0, 1\), got 1"):
        VGG16Config(dropout=1)


@pytest.mark.parametrize("shape", [(1, 3, 31, 64), (1, 1, 64, 64), (3, 64, 64)])
def test_unfit_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="of at least 32 x 32 px"):
        VGG16Classifier(NARROW, rng=rng())(torch.zeros(shape))
