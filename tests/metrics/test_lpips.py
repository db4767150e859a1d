# SPDX-License-Identifier: Apache-2.0
"""LPIPS against the reference implementation's numbers."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.weights import WeightsMissing
from semveil.metrics import LPIPS, lpips
from semveil.nn.trunks import TRUNKS

their_lpips = importlib.import_module("torchmetrics.functional.image.lpips")
LIMIT = 5e-5  # stated with the reference numbers


@pytest.fixture(scope="module")
def parity(shared: Path) -> tuple[ModuleType, ModuleType]:
    sys.path.insert(0, str(shared / "parity"))
    try:
        import compare
        import rule
    finally:
        sys.path.pop(0)
    return compare, rule


def random_weights(net: str) -> LPIPS:
    rng = torch.Generator().manual_seed(1)
    trunk = TRUNKS[net]
    state, index, width = {}, 0, 3
    for layer in trunk.layers:
        if layer:
            for key, value in layer.build(width).state_dict().items():
                drawn = torch.randn(value.shape, generator=rng) / (value[0].numel() / 2) ** 0.5
                state[f"features.{index}.{key}"] = drawn if value.ndim > 1 else torch.zeros_like(value)
            width = layer.channels
        index += layer.places if layer else 1
    heads = {
        f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1, generator=rng) / c
        for i, c in enumerate(trunk.channels)
    }
    return LPIPS(net, trunk=state, heads=heads)


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_parity_on_drawn_weights(net: str, shared: Path, parity: tuple[ModuleType, ModuleType]) -> None:
    compare, rule = parity
    fixture = compare.load(shared / "parity" / f"lpips_{net}.npz")
    weights = rule.fill(
        {key: tuple(shape) for key, shape, _ in fixture["keys"]}, fixture["salt"], fixture["gain"]
    )
    distance = LPIPS(
        net,
        trunk={k: v for k, v in weights.items() if k.startswith("features.")},
        heads={k: v for k, v in weights.items() if k.startswith("lin")},
    )
    inputs = {name: rule.make_input(recipe) for name, recipe in fixture["recipes"].items()}
    a, b = inputs["a"], 0.7 * inputs["a"] + 0.3 * inputs["b"]
    assert compare.error(fixture, "distance", distance(a, b).view(-1, 1, 1, 1)) < LIMIT
    assert compare.error(fixture, "per_layer", distance.per_layer(a, b)) < LIMIT
    with torch.no_grad():
        distance.shift += 0.01
    assert compare.error(fixture, "distance", distance(a, b).view(-1, 1, 1, 1)) > LIMIT, (
        "the check sees a small mistake"
    )


def test_parity_on_the_published_weights_and_images(
    shared: Path, parity: tuple[ModuleType, ModuleType]
) -> None:
    compare, _ = parity
    fixture = compare.load(shared / "parity" / "lpips_real.npz")
    weights = shared / "weights"
    distance = LPIPS(
        "alex", trunk=weights / "alexnet_features.safetensors", heads=weights / "lpips_v0.1_alex.pth"
    )
    images = {n[4:]: torch.tensor(p).permute(2, 0, 1)[None] / 127.5 - 1 for n, p in fixture["images"].items()}
    for name in ("ref_p0", "ref_p1", "ref_ref", "p0_p1"):
        a, b = name.split("_")
        value = lpips(images[a], images[b], weights=distance)
        assert value.shape == (1,)
        if name == "ref_ref":
            assert value == 0
        else:
            assert compare.error(fixture, name, value.view(1, 1, 1, 1)) < LIMIT
    assert round(lpips(images["ref"], images["p0"], weights=distance).item(), 3) == 0.722
    assert round(lpips(images["ref"], images["p1"], weights=distance).item(), 3) == 0.138


class _Fire(nn.Module):
    """As torchvision has it."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze, self.squeeze_activation = nn.Conv2d(inputs, squeezed, 1), nn.ReLU()
        self.expand1x1, self.expand1x1_activation = nn.Conv2d(squeezed, expanded, 1), nn.ReLU()
        self.expand3x3, self.expand3x3_activation = nn.Conv2d(squeezed, expanded, 3, padding=1), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        return torch.cat(
            [self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))], 1
        )


def squeezenet(weights: Path) -> nn.Sequential:
    """torchvision's `squeezenet1_1().features` with its weights."""
    pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)  # noqa: E731
    first = (nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(), _Fire(64, 16, 64), _Fire(128, 16, 64), pool())
    middle = (_Fire(128, 32, 128), _Fire(256, 32, 128), pool())
    layers = nn.Sequential(
        *first, *middle, _Fire(256, 48, 192), _Fire(384, 48, 192), _Fire(384, 64, 256), _Fire(512, 64, 256)
    )
    layers.load_state_dict(
        {key.removeprefix("features."): value for key, value in load_file(weights).items()}
    )
    return layers


@pytest.mark.parametrize("size", [64, 97])
def test_squeeze_against_torchmetrics(size: int, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchmetrics brings the official heads and reads the maps; only torchvision, the trunk's source, is
    replaced.
    """
    weights = shared / "weights"
    trunk = weights / "squeezenet1_1_features.safetensors"
    monkeypatch.setattr(their_lpips, "_get_tv_model_features", lambda net, pretrained: squeezenet(trunk))
    theirs = their_lpips._LPIPS(net="squeeze")
    ours = LPIPS("squeeze", trunk=trunk, heads=weights / "lpips_v0.1_squeeze.pth")
    a, b = torch.rand(2, 3, 3, size, size, generator=torch.Generator().manual_seed(3)) * 2 - 1
    with torch.no_grad():
        expected = theirs(a, b).flatten()
        assert torch.allclose(ours(a, b), expected, rtol=1e-4)
        assert ours.per_layer(a, b).shape == (7, 3)
        ours.shift += 0.01
        assert not torch.allclose(ours(a, b), expected, rtol=1e-4), "the check sees a small mistake"


def test_weights_come_from_the_users_folder(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    image = torch.zeros(1, 3, 32, 32)
    with pytest.raises(
        WeightsMissing, match=r"alexnet-owt-7be5be79\.pth and lpips_v0\.1_alex\.pth .* models get lpips-alex"
    ):
        lpips(image, image)
    for file in ("alexnet_features.safetensors", "lpips_v0.1_alex.pth"):
        (tmp_path / file).symlink_to(shared / "weights" / file)
    assert lpips(image, image) == 0


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_a_distance_per_image_in_any_batch(net: str) -> None:
    distance = random_weights(net)
    a, b = torch.rand(2, 3, 3, 40, 36, generator=torch.Generator().manual_seed(2)) * 2 - 1
    values = distance(a, b)
    assert values.shape == (3,) and (values > 0).all()
    assert torch.allclose(values, distance(b, a))
    assert torch.allclose(values[1:2], distance(a[1:2], b[1:2]), rtol=1e-4)


@pytest.mark.parametrize("count", [1, 3])
def test_the_distance_to_kept_photos_is_the_same_with_the_same_gradient(count: int) -> None:
    """A lone image goes through the trunk beside a copy of itself, which must not show."""
    distance = random_weights("alex")
    a, b = torch.rand(2, count, 3, 40, 36, generator=torch.Generator().manual_seed(2)) * 2 - 1
    gradients, values = [], []
    for to in (lambda x: distance(x, b), distance.distance_to(b)):
        moving = a.clone().requires_grad_()
        values.append(to(moving))
        gradients.append(torch.autograd.grad(values[-1].sum(), moving)[0])
    assert values[0].shape == values[1].shape == (count,) and gradients[0].abs().max() > 1e-6
    torch.testing.assert_close(values[1], values[0], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(
        gradients[1], gradients[0], rtol=1e-3, atol=float(gradients[0].abs().max()) * 1e-5
    )


@pytest.mark.parametrize(
    "image", [torch.rand(1, 3, 40, 40) * 2 - 1, torch.zeros(1, 3, 40, 40)], ids=["noise", "flat"]
)
def test_differentiable_everywhere(image: Tensor) -> None:
    moving = image.clone().requires_grad_()
    random_weights("alex")(moving, image + 0.1).sum().backward()
    assert moving.grad is not None and moving.grad.isfinite().all() and moving.grad.abs().sum() > 0


def test_gradient_where_all_channels_are_dead() -> None:
    distance = random_weights("alex")
    for convolution in distance.trunk.features.values():
        convolution.bias.fill_(-1e3)
    moving = torch.zeros(1, 3, 40, 40, requires_grad=True)
    distance(moving, torch.ones(1, 3, 40, 40)).sum().backward()
    assert moving.grad is not None and moving.grad.isfinite().all()


def test_errors_are_clear(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'alex'"):
        lpips(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64), net="alexx")
    with pytest.raises(ValueError, match="at least 31 px"):
        random_weights("alex")(torch.zeros(1, 3, 30, 64), torch.zeros(1, 3, 30, 64))
    with pytest.raises(ValueError, match="at least 17 px"):
        random_weights("squeeze")(torch.zeros(1, 3, 16, 64), torch.zeros(1, 3, 16, 64))
    assert random_weights("squeeze")(torch.zeros(1, 3, 17, 17), torch.zeros(1, 3, 17, 17)) == 0
    with pytest.raises(BadCheckpoint, match="the alex trunk does not fit FeatureTrunk: missing features"):
        LPIPS("alex", trunk={}, heads={})


def test_images_of_double_precision_are_compared() -> None:
    a, b = torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    distance = random_weights("alex")
    assert torch.equal(distance(a.double(), b.double()), distance(a, b))


def test_pixels_are_not_taken_for_images() -> None:
    pixels = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with pytest.raises(ValueError, match="floats in"):
        random_weights("alex")(pixels / 127.5 - 1, pixels)
