# SPDX-License-Identifier: Apache-2.0
"""The metrics as `torchmetrics.Metric`: over batches of any sizes they are what the functions are over
everything.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from semveil.metrics import frechet_distance, l2, moments, psnr, ssim
from semveil.metrics.torch_metrics import FPPSR, L2, PSNR, SSIM, Frechet, IdentitySimilarity, PairMetric

IMAGES = torch.rand(2, 7, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Brightness:
    """A verifier and a feature network that look at brightness alone."""

    metric = "frechet_brightness"

    def __call__(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))

    embed = __call__

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return -(a - b).norm(dim=1)

    def same(self, a: Tensor, b: Tensor) -> Tensor:
        return self.similarity(a, b) > -0.1


CASES: dict[str, tuple[PairMetric, Callable[[Tensor, Tensor], Tensor]]] = {
    "psnr": (PSNR(), psnr),
    "ssim": (SSIM(), ssim),
    "l2": (L2(), l2),
}


@pytest.mark.parametrize("name", CASES)
def test_batches_add_up_to_the_functions_mean(name: str) -> None:
    metric, function = CASES[name]
    for rows in (slice(0, 1), slice(1, 5), slice(5, 7)):  # uneven: the mean of batches' means would differ
        metric.update(IMAGES[0, rows], IMAGES[1, rows])
    values = function(*IMAGES).double()
    assert metric.compute().item() == pytest.approx(values.mean().item(), rel=1e-6)
    uneven = torch.stack([values[0], values[1:5].mean(), values[5:].mean()]).mean().item()
    assert abs(uneven - values.mean().item()) > 1e-5 * abs(uneven)
    metric.reset()
    metric.update(IMAGES[0, :1], IMAGES[1, :1])
    assert metric.compute().item() == pytest.approx(values[0].item(), rel=1e-6)


def test_recognisers_are_given() -> None:
    verifier = Brightness()
    similar, protected = IdentitySimilarity(verifier), FPPSR(verifier)
    for metric in (similar, protected):
        metric.update(*IMAGES)
    apart = (verifier(IMAGES[0]) - verifier(IMAGES[1])).norm(dim=1)
    assert similar.compute().item() == pytest.approx(-apart.mean().item(), rel=1e-5)
    assert protected.compute().item() == pytest.approx((apart >= 0.1).float().mean().item())


def test_frechet_takes_sets_of_different_sizes() -> None:
    network = Brightness()
    metric = Frechet(network)
    metric.update(IMAGES[0, :4], IMAGES[1, :2])
    metric.update(IMAGES[0, 4:], IMAGES[1, 2:5])
    wanted = frechet_distance(moments(IMAGES[0], network), moments(IMAGES[1, :5], network))
    assert metric.compute().item() == pytest.approx(wanted, rel=1e-6)


def test_states_of_several_processes_are_summed() -> None:
    first, second = PSNR(), PSNR()
    first.update(IMAGES[0, :2], IMAGES[1, :2])
    second.update(IMAGES[0, 2:], IMAGES[1, 2:])
    first.merge_state(second)
    assert first.compute().item() == pytest.approx(psnr(*IMAGES).double().mean().item(), rel=1e-6)
