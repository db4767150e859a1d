# SPDX-License-Identifier: Apache-2.0
"""The fusion generator against the slow equations, its first block against the public implementation's
numbers.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from reference.parity import Fixture, fill
from reference.slow_aad import encode, fuse
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint
from semveil.encoders import AttributeEncoder, AttributeEncoderConfig
from semveil.generators import FusionConfig, FusionGenerator
from semveil.generators.aad_fusion import AAD, AADResBlk

LIMIT = 2e-4  # stated with the stored outputs
ENCODER = AttributeEncoderConfig(size=64, widths=(4, 6, 8, 10, 12))
NARROW = FusionConfig(identity_dim=9, attribute_channels=ENCODER.channels, widths=(12, 12, 10, 8, 6, 4))


@pytest.fixture(scope="module")
def fixture() -> Fixture:
    """What goes into and comes out of the published generator's first block."""
    return Fixture(Path(__file__).parent / "golden" / "aad_block.npz")


@pytest.fixture(scope="module")
def block(fixture: Fixture) -> AADResBlk:
    block = AADResBlk(1024, 1024, attributes=1024, identity=256).eval()
    prefix = "G.model.layer_0."
    block.load_state_dict(
        {key.removeprefix(prefix): v for key, v in fixture.state.items() if key.startswith(prefix)}
    )
    return block


def error(block: AADResBlk, fixture: Fixture) -> float:
    identity = fixture.inputs["z_id"]
    start = torch.einsum("bi,iohw->bohw", identity, fixture.state["G.convt.weight"])
    start = start + fixture.state["G.convt.bias"][:, None, None]
    attributes = fixture.stored("att_0").reshape(1, 1024, 2, 2)
    with torch.inference_mode():
        return fixture.error("block_0", block(start, attributes, identity))


def test_the_same_weights_are_drawn_here(fixture: Fixture) -> None:
    assert fixture.worst_fill() < 1e-5


def test_parity_of_the_first_block(block: AADResBlk, fixture: Fixture) -> None:
    assert error(block, fixture) < LIMIT


def swap_gamma_and_beta(block: AADResBlk, patch: pytest.MonkeyPatch) -> None:
    for part in (block.add1, block.add2):
        gamma, beta = part.fc_1.forward, part.fc_2.forward
        patch.setattr(part.fc_1, "forward", beta)
        patch.setattr(part.fc_2, "forward", gamma)


def invert_the_mask(block: AADResBlk, patch: pytest.MonkeyPatch) -> None:
    mix = torch.lerp
    patch.setattr(torch, "lerp", lambda a, b, weight: mix(b, a, weight))


def mask_before_the_norm(block: AADResBlk, patch: pytest.MonkeyPatch) -> None:
    right = AAD.forward

    def wrong(self: AAD, features: Tensor, gamma: Tensor, beta: Tensor, identity: Tensor) -> Tensor:
        mask = self.conv_f.forward(features)
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(self.conv_f, "forward", lambda _: mask)
            return right(self, features, gamma, beta, identity)

    patch.setattr(AAD, "forward", wrong)


def instance_norm(block: AADResBlk, patch: pytest.MonkeyPatch) -> None:
    for part in (block.add1, block.add2):
        patch.setattr(part.BNorm, "forward", torch.nn.functional.instance_norm)


@pytest.mark.parametrize(
    "mistake", [swap_gamma_and_beta, invert_the_mask, mask_before_the_norm, instance_norm]
)
def test_plausible_mistakes_fail_the_same_comparison(
    mistake: Callable[[AADResBlk, pytest.MonkeyPatch], None],
    block: AADResBlk,
    fixture: Fixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mistake(block, monkeypatch)
    assert error(block, fixture) > 100 * LIMIT


def test_the_narrow_version_equals_the_slow_equations() -> None:
    encoder, generator = AttributeEncoder(ENCODER).double().eval(), FusionGenerator(NARROW).double().eval()
    rng = torch.Generator().manual_seed(5)
    images = torch.rand(2, 3, 64, 64, generator=rng, dtype=torch.float64)
    identity = torch.randn(2, 9, generator=rng, dtype=torch.float64)
    states = []
    for network in (encoder, generator):
        state = fill(
            {key: tuple(value.shape) for key, value in network.state_dict().items()}, salt=7, gain=2**0.5
        )
        network.load_state_dict(state, strict=False)
        states.append(state)
    with torch.no_grad():
        faces = generator(identity, encoder(2 * images - 1))
    expected = fuse(states[1], identity, encode(states[0], images))
    torch.testing.assert_close((faces + 1) / 2, expected, rtol=0, atol=1e-12)
    assert expected.std() > 0.01, "the comparison must see an image"


def test_the_narrow_version_trains_and_has_the_size_that_its_config_says() -> None:
    torch.manual_seed(0)  # of some random weights a pixel rounds to 1
    generator = FusionGenerator(NARROW)
    assert NARROW.size == 64 and FusionConfig.from_dict(NARROW.as_dict()) == NARROW
    identity = torch.randn(3, 9, generator=torch.Generator().manual_seed(6)).requires_grad_()
    maps = AttributeEncoder(ENCODER)(torch.zeros(3, 3, 64, 64))
    faces = generator(identity, maps)
    assert faces.shape == (3, 3, 64, 64) and faces.abs().max() < 1
    faces.square().mean().backward()
    assert identity.grad is not None and identity.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in generator.parameters())


def test_the_published_size_is_the_default() -> None:
    config, encoder = FusionConfig(), AttributeEncoderConfig()
    assert (config.attribute_channels, config.size, config.base) == (
        encoder.channels,
        encoder.size,
        encoder.sides[0],
    )
    assert len(config.widths) == len(encoder.sides) == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": (4, 4)}, r"need one width for each attribute map, got widths \(4, 4\)"),
        ({"identity_dim": 0}, "identity_dim must be at least 1, got 0"),
        ({"widths": (4,), "attribute_channels": (0,)}, "must be at least 1"),
    ],
)
def test_impossible_sizes_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FusionConfig(**change)


def test_unfit_inputs_are_refused() -> None:
    generator, maps = FusionGenerator(NARROW), AttributeEncoder(ENCODER)(torch.zeros(2, 3, 64, 64))
    with pytest.raises(ValueError, match=r"identity vectors must be \(B, 9\), got \(2, 8\)"):
        generator(torch.zeros(2, 8), maps)
    with pytest.raises(ValueError, match="coarse to fine"):
        generator(torch.zeros(2, 9), maps[::-1])
    with pytest.raises(ValueError, match="attribute maps must be"):
        generator(torch.zeros(2, 9), maps[:-1])


def test_a_foreign_state_is_refused(fixture: Fixture) -> None:
    with pytest.raises(BadCheckpoint, match=r"missing model\.layer_1\.add1\.BNorm\.weight"):
        FusionGenerator.from_official(fixture.state)
    with pytest.raises(BadCheckpoint, match=r"unknown model\.layer_0\.add3\.fc_1\.bias"):
        FusionGenerator.from_official({**fixture.state, "G.model.layer_0.add3.fc_1.bias": torch.zeros(1)})
    with pytest.raises(BadCheckpoint, match=r"convt\.bias is \(1,\), expected \(1024,\)"):
        FusionGenerator.from_official({**fixture.state, "G.convt.bias": torch.zeros(1)})
