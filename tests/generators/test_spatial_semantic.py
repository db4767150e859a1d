# SPDX-License-Identifier: Apache-2.0
"""The spatial generator: its codes act on their parts and boxes, masks compose, sizes are checked, gradients
flow.
"""

from dataclasses import replace

import pytest
import torch

from semveil.faces.parts import PARTS
from semveil.generators.spatial_config import SpatialSemanticConfig
from semveil.generators.spatial_semantic import SpatialSemanticGAN

CONFIG = SpatialSemanticConfig(
    size=32, style_dim=8, part_hidden=16, features=8, grid=16, render_channels=(16, 8)
)


@pytest.fixture(scope="module")
def generator() -> SpatialSemanticGAN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SpatialSemanticGAN(CONFIG).eval()


def codes(count: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, CONFIG.codes, CONFIG.style_dim, generator=torch.Generator().manual_seed(seed))


def test_shapes_and_masks(generator: SpatialSemanticGAN) -> None:
    out = generator.synthesize_with_masks(codes())
    assert out.images.shape == (2, 3, 32, 32) and out.masks.shape == (2, 13, 32, 32)
    assert out.coarse_masks.shape == out.depths.shape == (2, 13, 16, 16)
    torch.testing.assert_close(((out.coarse_masks + 1) / 2).sum(1), torch.ones(2, 16, 16))
    assert torch.equal(generator.synthesize(codes()), out.images)


def test_a_part_code_moves_its_own_depth_only_and_only_inside_its_box(generator: SpatialSemanticGAN) -> None:
    eyes = PARTS.index("eyes")
    first, second = codes(1), codes(1)
    second[:, 2 + 2 * eyes] += 1
    with torch.no_grad():
        a, b = generator.synthesize_with_masks(first), generator.synthesize_with_masks(second)
    moved = (a.depths - b.depths).abs()[0]
    assert moved[eyes].max() > 1e-3
    assert moved[[i for i in range(13) if i != eyes]].max() == 0
    assert moved[eyes][generator.parts.inside[eyes] == 0].max() == 0
    left, top, right, bottom = (16 * end for end in CONFIG.boxes[eyes])
    outside = torch.ones(16, 16, dtype=torch.bool)
    outside[int(top) : int(bottom) + 1, int(left) : int(right) + 1] = False
    assert moved[eyes][outside].max() == 0


def test_shared_codes_do_not_reach_the_background(generator: SpatialSemanticGAN) -> None:
    first, second = codes(1), codes(1)
    second[:, :2] += 1
    with torch.no_grad():
        (features, depths), (others, other_depths) = generator.parts(first), generator.parts(second)
    assert torch.equal(features[:, 0], others[:, 0])
    assert (features[:, 1:] - others[:, 1:]).abs().amax((0, 2, 3, 4)).min() > 0
    assert depths[:, 0].abs().max() == other_depths[:, 0].abs().max() == 0


def test_dropped_parts_have_no_mask(generator: SpatialSemanticGAN) -> None:
    keep = torch.ones(1, 13)
    keep[0, PARTS.index("hair")] = 0
    out = generator.synthesize_with_masks(codes(1), keep_parts=keep)
    assert out.coarse_masks[0, PARTS.index("hair")].max() == -1
    torch.testing.assert_close(((out.coarse_masks + 1) / 2).sum(1), torch.ones(1, 16, 16), atol=1e-5, rtol=0)


def test_each_code_has_a_gradient(generator: SpatialSemanticGAN) -> None:
    z = codes(1).requires_grad_()
    (gradient,) = torch.autograd.grad(generator.synthesize(z).square().mean(), z)
    assert gradient.abs().amax(2).min() > 0


def test_wrong_sizes_are_refused(generator: SpatialSemanticGAN) -> None:
    with pytest.raises(ValueError, match=r"latents must be \(B, 28, 8\)"):
        generator.synthesize(torch.zeros(1, 27, 8))
    with pytest.raises(ValueError, match="size must be 32"):
        replace(CONFIG, size=64)
    with pytest.raises(ValueError, match="box for each"):
        replace(CONFIG, boxes=CONFIG.boxes[:3])
    with pytest.raises(ValueError, match="unknown generator settings: widths"):
        SpatialSemanticConfig.from_dict({"widths": 3})
    assert SpatialSemanticConfig.from_dict(CONFIG.as_dict()) == CONFIG
