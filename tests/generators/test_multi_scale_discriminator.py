# SPDX-License-Identifier: Apache-2.0
"""The multi-scale discriminator: sizes of its maps, what a score sees, that it can be trained."""

import pytest
import torch
from torch import Tensor

from semveil.generators import MultiScaleDiscriminator


def images(count: int, side: int) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def judge() -> MultiScaleDiscriminator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MultiScaleDiscriminator(scales=2, width=4, layers=3).eval()


@pytest.mark.parametrize(
    ("side", "layers", "sides"), [(256, 4, [35, 19, 11]), (64, 4, [11, 7, 5]), (64, 3, [19, 11, 7])]
)
def test_one_map_for_each_scale(side: int, layers: int, sides: list[int]) -> None:
    scores = MultiScaleDiscriminator(width=2, layers=layers)(images(2, side))
    assert [tuple(score.shape) for score in scores] == [(2, 1, s, s) for s in sides]


def test_the_second_scale_is_the_second_judge_on_the_halved_image(judge: MultiScaleDiscriminator) -> None:
    flat = torch.full((1, 3, 64, 64), 0.3)  # halving keeps a constant, at the borders too
    torch.testing.assert_close(judge(flat)[1], judge.judges[1](torch.full((1, 3, 32, 32), 0.3)))
    x = images(2, 64)
    assert (judge(x)[1] - judge.judges[1](x[..., ::2, ::2])).abs().max() > 1e-3


def test_images_are_judged_apart(judge: MultiScaleDiscriminator) -> None:
    x = images(3, 64)
    for whole, part in zip(judge(x), judge(x[1:2]), strict=True):
        torch.testing.assert_close(whole[1:2], part)


def test_convolutions_between_the_first_and_the_score_have_spectral_norm_one() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        judge = MultiScaleDiscriminator(scales=1, width=4, layers=3)
    for _ in range(400):  # power iterations, one a pass
        judge(images(1, 16))
    judge.eval()
    weights = [module.weight.detach() for module in judge.modules() if isinstance(module, torch.nn.Conv2d)]
    norms = [float(torch.linalg.matrix_norm(weight.flatten(1), 2)) for weight in weights]
    assert norms[1:-1] == pytest.approx([1.0, 1.0], abs=1e-4)
    assert abs(norms[-1] - 1) > 0.02, "the score is not normalised"


def test_every_weight_is_trained() -> None:
    judge = MultiScaleDiscriminator(scales=2, width=4, layers=3)
    photos = images(2, 64).requires_grad_()
    sum(score.square().mean() for score in judge(photos)).backward()  # type: ignore[union-attr]
    assert photos.grad is not None and photos.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in judge.parameters())


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="layers must be at least 2, got 1"):
        MultiScaleDiscriminator(layers=1)
    with pytest.raises(ValueError, match="scales must be at least 1, got 0"):
        MultiScaleDiscriminator(scales=0)
