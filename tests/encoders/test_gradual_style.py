# SPDX-License-Identifier: Apache-2.0
"""pSp's encoder against the public implementation's numbers, and controls that plausible mistakes fail."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semveil.core.checkpoints import BadCheckpoint
from semveil.encoders import GradualStyleEncoder, gradual_style
from semveil.generators import StyleGAN2

LIMIT = 5e-5  # stated with the stored outputs


def states(codes: int) -> dict[str, Tensor]:
    """Keys and shapes of the encoder; the values take no memory."""
    with torch.device("meta"):
        network = GradualStyleEncoder(codes)
    return {key: torch.zeros(()).expand(value.shape) for key, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def compare(shared: Path) -> Iterator[ModuleType]:
    sys.path.insert(0, str(shared / "parity"))
    import compare

    yield compare
    sys.path.remove(str(shared / "parity"))


@pytest.fixture(scope="module")
def fixture(shared: Path, compare: ModuleType) -> dict:
    return compare.load(shared / "parity" / "psp.npz")


@pytest.fixture(scope="module")
def state(fixture: dict) -> dict[str, Tensor]:
    import rule

    weights = rule.fill(
        {key: tuple(shape) for key, shape, _ in fixture["keys"]}, fixture["salt"], fixture["gain"]
    )
    return {**weights, **{key: torch.tensor(value) for key, value in fixture["structural"].items()}}


@pytest.fixture(scope="module")
def photo(fixture: dict) -> Tensor:
    import rule

    return rule.make_input(fixture["recipes"]["img"])


@pytest.fixture(scope="module")
def encoder(state: dict[str, Tensor], fixture: dict) -> GradualStyleEncoder:
    """From a file's content; the file itself would have 1.2 GB."""
    weights = {key: value for key, value in state.items() if key != "latent_avg"}
    return GradualStyleEncoder.from_official(
        {"state_dict": weights, "latent_avg": state["latent_avg"], "opts": fixture["config"]}
    )


def test_keys_are_the_official_ones_in_shape(fixture: dict) -> None:
    own = {key: list(value.shape) for key, value in states(18).items()}
    prefix = "encoder."
    assert own == {
        key.removeprefix(prefix): shape for key, shape, _ in fixture["keys"] if key.startswith(prefix)
    }


def test_parity_from_photo_to_image(
    encoder: GradualStyleEncoder, state: dict[str, Tensor], photo: Tensor, fixture: dict, compare: ModuleType
) -> None:
    generator = StyleGAN2.from_official(state)
    torch.testing.assert_close(generator.mean_style, state["latent_avg"].mean(0))
    with torch.inference_mode():
        codes = encoder(photo)
        images = generator.synthesize(codes)
        found = {
            "encoder": encoder.offsets(photo), "codes": codes, "rgb_full": images,
            "rgb_256": F.adaptive_avg_pool2d(images, 256),
        }  # fmt: skip
    found_errors = {name: compare.error(fixture, name, value) for name, value in found.items()}
    assert found_errors.keys() == fixture["outputs"].keys()
    assert max(found_errors.values()) < LIMIT, found_errors


def upsample_by_centres(network: GradualStyleEncoder, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gradual_style, "_doubled", lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"))


def use_stylegans_slope(network: GradualStyleEncoder, patch: pytest.MonkeyPatch) -> None:
    for part in network.modules():
        if isinstance(part, nn.LeakyReLU):
            patch.setattr(part, "negative_slope", 0.2)


def use_another_epsilon(network: GradualStyleEncoder, patch: pytest.MonkeyPatch) -> None:
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            patch.setattr(part, "eps", 2e-5)


@pytest.mark.parametrize(
    ("mistake", "factor"),
    [(upsample_by_centres, 1000), (use_stylegans_slope, 1000), (use_another_epsilon, 2)],
)
def test_plausible_mistakes_fail_the_same_comparison(
    mistake: Callable[[GradualStyleEncoder, pytest.MonkeyPatch], None],
    factor: float,
    encoder: GradualStyleEncoder,
    photo: Tensor,
    fixture: dict,
    compare: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mistake(encoder, monkeypatch)
    with torch.inference_mode():
        assert compare.error(fixture, "encoder", encoder.offsets(photo)) > factor * LIMIT


def test_larger_photos_are_pooled(encoder: GradualStyleEncoder, photo: Tensor) -> None:
    large = photo.repeat_interleave(2, 2).repeat_interleave(2, 3)
    with torch.inference_mode():
        torch.testing.assert_close(encoder(large), encoder(photo), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match=r"at least 256 px, got \(1, 3, 128, 128\)"):
        encoder(photo[..., ::2, ::2])


def test_frozen(encoder: GradualStyleEncoder) -> None:
    assert not encoder.training and not any(p.requires_grad for p in encoder.parameters())


@pytest.mark.parametrize(
    ("options", "mean", "expected"),
    [
        ({"output_size": 256}, torch.full((14, 512), 3.0), 3.0),
        ({"output_size": 256, "learn_in_w": False}, torch.full((512,), 2.0), 2.0),
        ({"output_size": 256, "start_from_latent_avg": False}, torch.full((14, 512), 3.0), 0.0),
        ({}, torch.full((14, 512), 3.0), 3.0),
        (None, None, 0.0),
    ],
)
def test_options_decide_about_the_mean(
    options: dict | None, mean: Tensor | None, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradual_style, "load_strictly", lambda *_, name: None)
    content = {"state_dict": {f"encoder.{key}": value for key, value in states(14).items()}}
    content |= {key: value for key, value in (("opts", options), ("latent_avg", mean)) if value is not None}
    network = GradualStyleEncoder.from_official(content)
    assert (network.mean_codes == torch.full((14, 512), expected)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state_dict": {}}, "missing input_layer"),
        ({"state_dict": "text"}, "its state_dict is a str"),
        ({"opts": {"output_size": 512}}, "missing styles.14"),
        ({"opts": {"output_size": "large"}}, "states output_size 'large'"),
        (
            {"opts": {"encoder_type": "BackboneEncoderUsingLastLayerIntoW"}},
            "holds a BackboneEncoderUsingLastLayerIntoW",
        ),
        ({"latent_avg": torch.zeros(18, 512)}, r"latent_avg .* got \(18, 512\)"),
        ({"latent_avg": None}, "latent_avg .* got NoneType"),
    ],
)
def test_other_files_are_refused(change: dict, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "latent_avg" in change:
        monkeypatch.setattr(gradual_style, "load_strictly", lambda *_, name: None)
    content = {"state_dict": states(14), "latent_avg": torch.zeros(14, 512), "opts": {"output_size": 256}}
    with pytest.raises(BadCheckpoint, match=message):
        GradualStyleEncoder.from_official(content | change)


def test_a_mis_shaped_and_an_unknown_key_are_named() -> None:
    state = states(14)
    with pytest.raises(BadCheckpoint, match=r"latlayer1\.bias is \(3,\), expected \(512,\)"):
        GradualStyleEncoder.from_official({**state, "latlayer1.bias": torch.zeros(3)})
    with pytest.raises(BadCheckpoint, match=r"unknown styles\.0\.convs\.8\.weight"):
        GradualStyleEncoder.from_official({**state, "styles.0.convs.8.weight": torch.zeros(1)})
