# SPDX-License-Identifier: Apache-2.0
"""Image features against torchvision's layer lists written out, layer by layer."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.weights import WeightsMissing
from semveil.recognition import ImageFeatures

# torchvision's vgg16().features: place of each convolution, M for max pooling.
VGG16 = [0, 2, "M", 5, 7, "M", 10, 12, 14, "M", 17, 19, 21, "M", 24, 26, 28]
VGG16_WIDTHS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)


def vgg16_state() -> dict[str, Tensor]:
    rng, state = torch.Generator().manual_seed(0), {}
    places = [place for place in VGG16 if place != "M"]
    for place, inputs, outputs in zip(places, VGG16_WIDTHS, VGG16_WIDTHS[1:], strict=False):
        state[f"features.{place}.weight"] = (
            torch.randn(outputs, inputs, 3, 3, generator=rng) * (2 / (9 * inputs)) ** 0.5
        )
        state[f"features.{place}.bias"] = 0.1 * torch.randn(outputs, generator=rng)
    return state


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return vgg16_state()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 48, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def slow_maps(state: dict[str, Tensor], images: Tensor) -> list[Tensor]:
    """The map after every convolution of VGG16, for 8-bit-like values scaled to 0..1 and standardised by
    channel.
    """
    x = (images.double() * 0.5 + 0.5).permute(0, 2, 3, 1)
    x = (x - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    x, maps = x.permute(0, 3, 1, 2), []
    for place in VGG16:
        if place == "M":
            x = F.max_pool2d(x, 2)
        else:
            weight, bias = (
                state[f"features.{place}.weight"].double(),
                state[f"features.{place}.bias"].double(),
            )
            x = F.conv2d(x, weight, bias, padding=1).clamp_min(0)
            maps.append(x)
    return maps


@pytest.mark.parametrize("taps", [None, (1,), (7,), (3, 13), tuple(range(1, 14))])
def test_maps_are_torchvisions(
    taps: tuple[int, ...] | None, state: dict[str, Tensor], images: Tensor
) -> None:
    expected = slow_maps(state, images)
    maps = ImageFeatures("vgg16", state, taps=taps)(images)
    for own, tap in zip(maps, taps or (2, 4, 7, 10, 13), strict=True):
        torch.testing.assert_close(own.double(), expected[tap - 1], rtol=1e-4, atol=1e-4)


def test_a_wrong_standardisation_would_be_seen(state: dict[str, Tensor], images: Tensor) -> None:
    features = ImageFeatures("vgg16", state, taps=(1,))
    features.mean.fill_(0.5)
    assert (features(images)[0].double() - slow_maps(state, images)[0]).abs().max() > 0.01


def test_layers_after_the_last_tap_are_not_computed(state: dict[str, Tensor], images: Tensor) -> None:
    features, seen = ImageFeatures("vgg16", state, taps=(4,)), []
    for layer in features.trunk.features.values():
        layer.register_forward_hook(lambda *_: seen.append(1))
    features(images)
    assert len(seen) == 4


def test_alexnet_serves_with_its_official_weights(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMVEIL_HOME", str(shared))
    features = ImageFeatures.best_available()
    assert features is not None and features.net == "alexnet"
    maps = features(torch.zeros(1, 3, 64, 64, requires_grad=True))
    assert [m.shape[1] for m in maps] == [64, 192, 384, 256, 256] and maps[-1].requires_grad
    assert not any(p.requires_grad for p in features.parameters())


def test_vgg16_comes_first_and_nothing_is_none(
    state: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    assert ImageFeatures.best_available() is None
    with pytest.raises(WeightsMissing, match=r"vgg16-397923af\.pth.*semveil models get vgg16"):
        ImageFeatures.from_catalogue("vgg16")
    torch.save(state | {"classifier.0.bias": torch.zeros(4096)}, tmp_path / "vgg16-397923af.pth")
    features = ImageFeatures.best_available()
    assert features is not None and features.net == "vgg16"


def test_wrong_requests_are_named(state: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"no image features named 'vgg19' \(did you mean 'vgg16'\?\)"):
        ImageFeatures("vgg19", state)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"taps of vgg must be one or more of 1\.\.13, got \(0, 14\)"):
        ImageFeatures("vgg16", state, taps=(0, 14))
    with pytest.raises(BadCheckpoint, match=r"missing features\.28\.weight"):
        ImageFeatures("vgg16", {key: value for key, value in state.items() if key != "features.28.weight"})
    with pytest.raises(ValueError, match="at least 16 px"):
        ImageFeatures("vgg16", state)(torch.zeros(1, 3, 15, 64))
