# SPDX-License-Identifier: Apache-2.0
"""The dual-branch discriminator against closed forms and the slow equations."""

import math

import pytest
import torch
from reference.parity import fill
from reference.slow_stylegan import deviation, discriminate
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint
from semveil.generators.discriminators import DualBranchDiscriminator, minibatch_deviation
from semveil.generators.official import load_discriminator

CONFIG = {"img_size": 16, "seg_size": 8}


def official_state() -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {}
    for prefix, inputs, blocks in (("convs_img", 3, 2), ("convs_seg", 13, 1)):
        shapes |= {f"{prefix}.0.0.weight": (512, inputs, 1, 1), f"{prefix}.0.1.bias": (512,)}
        for i in range(1, blocks + 1):
            block = f"{prefix}.{i}"
            shapes |= {f"{block}.conv1.0.weight": (512, 512, 3, 3), f"{block}.conv1.1.bias": (512,)}
            shapes |= {f"{block}.conv2.1.weight": (512, 512, 3, 3), f"{block}.conv2.2.bias": (512,)}
            shapes[f"{block}.skip.1.weight"] = (512, 512, 1, 1)
    shapes |= {"final_conv.0.weight": (512, 513, 3, 3), "final_conv.1.bias": (512,)}
    shapes |= {"final_linear.0.weight": (512, 8192), "final_linear.0.bias": (512,)}
    shapes |= {"final_linear.1.weight": (1, 512), "final_linear.1.bias": (1,)}
    return fill(shapes, salt=5)


def test_groups_are_interleaved() -> None:
    x = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(minibatch_deviation(x), torch.cat([x, deviation(x)], 1))
    consecutive = torch.cat([deviation(x[:4]), deviation(x[4:])])
    assert (minibatch_deviation(x)[:, 3:] - consecutive).abs().max() > 1e-3


def test_deviation_of_known_groups() -> None:
    values = torch.tensor([0.0, 10, 2, 10, 4, 10, 6, 10])  # groups 0, 2, 4, 6 and 10, 10, 10, 10
    out = minibatch_deviation(values.view(8, 1, 1, 1).expand(-1, 2, 3, 3))
    expected = torch.tensor([math.sqrt(5), 1e-4] * 4)
    torch.testing.assert_close(out[:, 2], expected.view(8, 1, 1).expand(-1, 3, 3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_small_batches_are_one_group(batch: int) -> None:
    x = torch.randn(batch, 2, 2, 2, generator=torch.Generator().manual_seed(1))
    expected = (x.var(0, correction=0) + 1e-8).sqrt().mean()
    torch.testing.assert_close(minibatch_deviation(x)[:, 2], expected.expand(batch, 2, 2))


def test_a_file_equals_the_slow_equations() -> None:
    state = official_state()
    model = load_discriminator(state, CONFIG)
    rng = torch.Generator().manual_seed(2)
    images, masks = torch.randn(4, 3, 16, 16, generator=rng), torch.randn(4, 13, 8, 8, generator=rng)
    with torch.no_grad():
        for given in (masks, None):
            expected = discriminate(state, images, given)
            torch.testing.assert_close(model(images, given).double(), expected, rtol=0, atol=2e-5)
        judged_apart = torch.cat([model(images[i : i + 1], masks[i : i + 1]) for i in range(4)]).double()
    assert (judged_apart - discriminate(state, images, masks)).abs().max() > 1e-3  # the batch matters


def test_a_missing_or_mis_shaped_key_is_named() -> None:
    state = official_state()
    with pytest.raises(BadCheckpoint, match=r"missing convs_seg\.1\.skip\.1\.weight"):
        load_discriminator(
            {key: value for key, value in state.items() if key != "convs_seg.1.skip.1.weight"}, CONFIG
        )
    with pytest.raises(BadCheckpoint, match=r"final_linear\.1\.bias is \(2,\), expected \(1,\)"):
        load_discriminator({**state, "final_linear.1.bias": torch.zeros(2)}, CONFIG)


def test_r1_penalty_has_a_gradient() -> None:
    model = DualBranchDiscriminator(16, mask_size=8, channel_multiplier=1 / 64, channel_cap=8)
    images, masks = (
        torch.randn(4, 3, 16, 16, requires_grad=True),
        torch.randn(4, 13, 8, 8, requires_grad=True),
    )
    gradients = torch.autograd.grad(model(images, masks).sum(), (images, masks), create_graph=True)
    sum(g.square().sum() for g in gradients).backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all()
        for name, p in model.named_parameters()
        if name != "score.bias"
    )
