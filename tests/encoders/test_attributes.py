# SPDX-License-Identifier: Apache-2.0
"""The attribute encoder against the public implementation's numbers and the slow equations."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from reference.parity import Fixture, fill
from reference.slow_aad import encode
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.checkpoints import BadCheckpoint
from semveil.encoders import AttributeEncoder, AttributeEncoderConfig

LIMIT = 2e-4  # stated with the stored outputs
NARROW = AttributeEncoderConfig(size=64, widths=(4, 6, 8, 10, 12))


@pytest.fixture(scope="module")
def fixture() -> Fixture:
    return Fixture(Path(__file__).parent / "golden" / "attribute_encoder.npz")


@pytest.fixture(scope="module")
def encoder(fixture: Fixture) -> AttributeEncoder:
    return AttributeEncoder.from_official(fixture.state)


def errors(encoder: AttributeEncoder, fixture: Fixture) -> list[float]:
    with torch.inference_mode():
        levels = encoder(2 * fixture.inputs["target"] - 1)  # stored in [0, 1]
    return [fixture.error(f"att_{k}", level) for k, level in enumerate(levels)]


def test_the_same_weights_are_drawn_here(fixture: Fixture) -> None:
    assert fixture.worst_fill() < 1e-5


def test_parity(encoder: AttributeEncoder, fixture: Fixture) -> None:
    assert not encoder.training and encoder.config == AttributeEncoderConfig()
    assert {f"E.{key}": tuple(value.shape) for key, value in encoder.state_dict().items()} == fixture.shapes
    found = errors(encoder, fixture)
    assert len(found) == 8 and max(found) < LIMIT, found


def corners_at_pixel_edges(encoder: AttributeEncoder, patch: pytest.MonkeyPatch) -> None:
    double = F.interpolate
    patch.setattr(F, "interpolate", lambda x, **options: double(x, **{**options, "align_corners": False}))


def another_slope(encoder: AttributeEncoder, patch: pytest.MonkeyPatch) -> None:
    for module in encoder.modules():
        if isinstance(module, nn.LeakyReLU):
            patch.setattr(module, "negative_slope", 0.2)


def photos_not_moved_to_0_1(encoder: AttributeEncoder, patch: pytest.MonkeyPatch) -> None:
    right = encoder.forward
    patch.setattr(encoder, "forward", lambda images: right(2 * images - 1))


def skips_before_ups(encoder: AttributeEncoder, patch: pytest.MonkeyPatch) -> None:
    join = torch.cat
    patch.setattr(torch, "cat", lambda tensors, dim: join(tensors[::-1], dim))


@pytest.mark.parametrize(
    ("mistake", "level"),
    [(corners_at_pixel_edges, 7), (another_slope, 0), (photos_not_moved_to_0_1, 0), (skips_before_ups, 1)],
)
def test_plausible_mistakes_fail_the_same_comparison(
    mistake: Callable[[AttributeEncoder, pytest.MonkeyPatch], None],
    level: int,
    encoder: AttributeEncoder,
    fixture: Fixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mistake(encoder, monkeypatch)
    assert errors(encoder, fixture)[level] > 100 * LIMIT


def narrow_state(encoder: AttributeEncoder) -> dict[str, Tensor]:
    return fill({key: tuple(value.shape) for key, value in encoder.state_dict().items()}, salt=3, gain=2**0.5)


def test_the_narrow_version_equals_the_slow_equations() -> None:
    encoder = AttributeEncoder(NARROW).double().eval()
    state = narrow_state(encoder)
    encoder.load_state_dict(state, strict=False)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        levels = encoder(2 * images - 1)
    expected = encode(state, images)
    assert [level.shape for level in levels] == [level.shape for level in expected]
    for level, exact in zip(levels, expected, strict=True):
        torch.testing.assert_close(level, exact, rtol=0, atol=1e-12)


def test_the_narrow_version_has_the_shapes_that_its_config_says() -> None:
    levels = AttributeEncoder(NARROW)(torch.zeros(2, 3, 64, 64))
    assert NARROW.sides == (2, 4, 8, 16, 32, 64) and NARROW.channels == (12, 20, 16, 12, 8, 8)
    assert [tuple(level.shape) for level in levels] == [
        (2, channels, side, side) for channels, side in zip(NARROW.channels, NARROW.sides, strict=True)
    ]
    assert AttributeEncoderConfig.from_dict(NARROW.as_dict()) == NARROW


def test_a_shuffled_finest_level_has_a_channel_of_the_one_before_in_each_pixel() -> None:
    """Four channels of a cell lie on its four pixels, row by row: no detail of theirs is averaged away."""
    config = AttributeEncoderConfig(size=16, widths=(2, 3, 4), finest="shuffle")
    assert config.channels == (4, 6, 4, 1) and AttributeEncoderConfig.from_dict(config.as_dict()) == config
    *_, before, finest = AttributeEncoder(config).eval()(torch.rand(1, 3, 16, 16) * 2 - 1)
    assert finest.shape == (1, 1, 16, 16)
    for channel, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        assert torch.equal(finest[0, 0, row::2, column::2], before[0, channel])


def test_every_weight_is_trained_by_the_levels() -> None:
    encoder = AttributeEncoder(AttributeEncoderConfig(size=16, widths=(2, 3, 4)))
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    sum(level.square().sum() for level in encoder(images)).backward()  # type: ignore[union-attr]
    # A bias right before a batch norm has no effect.
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())
    assert all(
        p.grad.abs().sum() > 0 for name, p in encoder.named_parameters() if not name.endswith(".0.bias")
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 48}, "power of two of at least 4, got 48"),
        ({"size": 8, "widths": (4, 4, 4, 4)}, "8 px can be halved 2 to 3 times, got 4 widths"),
        ({"widths": (4,)}, "got 1 widths"),
        ({"widths": (4, 0)}, "widths must be at least 1"),
        ({"finest": "nearest"}, "finest must be one of bilinear, shuffle, got 'nearest'"),
        ({"widths": (3, 4), "finest": "shuffle"}, "needs an even first width, got 3"),
    ],
)
def test_impossible_sizes_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AttributeEncoderConfig(**change)


def test_a_foreign_state_is_refused(fixture: Fixture) -> None:
    state = fixture.state
    with pytest.raises(BadCheckpoint, match=r"missing Decoder\.layer_5\.1\.weight"):
        AttributeEncoder.from_official(
            {key: value for key, value in state.items() if key != "E.Decoder.layer_5.1.weight"}
        )
    with pytest.raises(BadCheckpoint, match=r"unknown Encoder\.layer_7\.0\.bias"):
        AttributeEncoder.from_official({**state, "E.Encoder.layer_7.0.bias": torch.zeros(1)})
    with pytest.raises(BadCheckpoint, match=r"unknown F\.bias; expected keys E\.\*, G\.\*"):
        AttributeEncoder.from_official({**state, "F.bias": torch.zeros(1)})
    with pytest.raises(BadCheckpoint, match=r"holds no keys E\.\*"):
        AttributeEncoder.from_official({"G.convt.bias": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"photos \(B, 3, 64, 64\), got \(1, 3, 32, 32\)"):
        AttributeEncoder(NARROW)(torch.zeros(1, 3, 32, 32))
