# SPDX-License-Identifier: Apache-2.0
"""DP-SGD: the accountant against published and exact values, gradients against one picture at a time."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semveil.generators.noise_discriminator import NoiseDiscriminator
from semveil.mechanisms import gaussian_epsilon
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.recognition.vgg16_config import VGG16Config
from semveil.training.dp_sgd import DPSGD, Phase, PrivateTrainer, noise_for, spent, training_guarantee

rdp = pytest.importorskip("opacus.accountants.analysis.rdp")
ABADI = Phase("a network", 0.01, 10_000)  # their section 5.1: q = 0.01, sigma = 4, T = 10,000, delta = 1e-5
SILENT = DPSGD(noise=1e-9, clip=0.5)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_published_value_of_the_moments_accountant() -> None:
    orders = range(2, 65)
    spent_by_order = rdp.compute_rdp(
        q=ABADI.rate, noise_multiplier=4.0, steps=ABADI.steps, orders=list(orders)
    )
    theirs = min(
        loss + math.log(1e5) / (order - 1) for loss, order in zip(spent_by_order, orders, strict=True)
    )  # their conversion
    assert theirs == pytest.approx(1.26, abs=0.005)
    assert 0.9 < spent([ABADI], 4.0, 1e-5) < theirs, "a later conversion is tighter"


@pytest.mark.parametrize(("noise", "steps"), [(10.0, 4), (30.0, 100)])
def test_without_subsampling_it_lies_just_above_the_exact_composition(noise: float, steps: int) -> None:
    exact = gaussian_epsilon(1e-5, noise / math.sqrt(steps))
    assert exact < spent([Phase("a network", 1.0, steps)], noise, 1e-5) < 1.15 * exact


def test_phases_add_up_under_one_accountant() -> None:
    half, whole = Phase("a", 0.02, 100), Phase("b", 0.02, 200)
    assert spent([half, half], 1.0, 1e-5) == pytest.approx(spent([whole], 1.0, 1e-5))
    assert spent([half, whole], 1.0, 1e-5) > spent([whole], 1.0, 1e-5)
    claim = training_guarantee([half, whole], 1.0, 1e-5, pictures=50)
    assert claim.epsilon == spent([half, whole], 1.0, 1e-5)
    assert "50 training pictures" in claim.covers and claim.basis == "simulation"


def test_the_least_noise_for_an_epsilon() -> None:
    phases = [Phase("a", 0.05, 50), Phase("b", 0.05, 50)]
    noise = noise_for(phases, 3.0, 1e-5)
    assert spent(phases, noise, 1e-5) <= 3.0 < spent(phases, 0.99 * noise, 1e-5)
    with pytest.raises(ValueError, match="epsilon must be positive"):
        noise_for(phases, 0.0, 1e-5)


def test_an_epsilon_that_no_noise_reaches_is_refused_with_the_least() -> None:
    phases = [Phase("a", 0.05, 50)]
    for epsilon in (0.1, 1e-4, 1e-300):
        with pytest.raises(
            ValueError, match=r"does not fall below 0\.103; ask for more, or for a larger delta"
        ):
            noise_for(phases, epsilon, 1e-5)
    noise = noise_for(phases, 0.104, 1e-5)  # just above it there is one
    assert 50 < noise < 1e6 and spent(phases, noise, 1e-5) <= 0.104
    assert spent(phases, 1e6, 0.5) == 0.0  # a loose delta gives no negative epsilon
    for epsilon in (math.inf, math.nan):
        with pytest.raises(ValueError, match="positive and finite"):
            noise_for(phases, epsilon, 1e-5)


def by_one_picture(network: nn.Module, loss, count: int, clip: float) -> list[Tensor]:
    """The clipped gradients of each picture by itself, added up and divided by their number."""
    total = [torch.zeros_like(p) for p in network.parameters()]
    for row in range(count):
        gradients = torch.autograd.grad(loss(torch.tensor([row])), list(network.parameters()))
        size = torch.cat([g.flatten() for g in gradients]).norm()
        for place, gradient in zip(total, gradients, strict=True):
            place += gradient * min(1.0, clip / float(size)) / count
    return total


def test_gradients_are_clipped_picture_by_picture() -> None:
    """Also where a loss calls the network twice for each picture, as the discriminator's does."""
    images, labels = torch.randn(5, 3, 16, 16, generator=rng()), torch.arange(5)
    sizes = VGG16Config(((4, 4), (4,)), grid=1, hidden=(8,), classes=5, dropout=0.0)
    classifier, discriminator = (
        VGG16Classifier(sizes, rng=rng()),
        NoiseDiscriminator(width=4, halvings=2, rng=rng()),
    )

    def classify(rows: Tensor) -> Tensor:
        return F.cross_entropy(classifier(images[rows]), labels[rows])

    def judge(rows: Tensor) -> Tensor:
        return (discriminator(images[rows]) - 1).square().mean() + discriminator(
            -images[rows]
        ).square().mean()

    for network, loss in ((classifier, classify), (discriminator, judge)):
        expected = by_one_picture(network, loss, 5, SILENT.clip)
        trainer = PrivateTrainer(network, Phase("it", 1.0, 1), SILENT, pictures=5, rng=rng())
        trainer.step(loss)
        for parameter, gradient in zip(network.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)
        whole = torch.cat([g.flatten() for g in expected]).norm()
        assert whole <= SILENT.clip
        trainer.finish()
        assert not any(p.requires_grad for p in network.parameters())


def test_noise_has_its_size_and_an_empty_batch_is_noise_alone() -> None:
    network = nn.Linear(400, 10)
    trainer = PrivateTrainer(network, Phase("it", 1e-9, 1), DPSGD(noise=3.0, clip=0.5), pictures=4, rng=rng())
    trainer.step(lambda rows: pytest.fail("there are no rows"))
    assert network.weight.grad is not None
    # clip * noise / 1
    assert float(network.weight.grad.std()) == pytest.approx(1.5, rel=4 / math.sqrt(2 * 4000))


def test_steps_that_nobody_paid_for_and_batch_norm_are_refused() -> None:
    network = nn.Linear(2, 1)
    trainer = PrivateTrainer(network, Phase("it", 1.0, 1), SILENT, pictures=3, rng=rng())
    trainer.step(lambda rows: network(torch.ones(len(rows), 2)).mean())
    with pytest.raises(ValueError, match="the accountant knows of 1 steps"):
        trainer.step(lambda rows: network(torch.ones(len(rows), 2)).mean())
    with pytest.raises(ValueError, match="batch norm mixes"):
        PrivateTrainer(nn.BatchNorm2d(3), Phase("it", 1.0, 1), SILENT, pictures=3, rng=rng())
