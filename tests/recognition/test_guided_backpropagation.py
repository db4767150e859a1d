# SPDX-License-Identifier: Apache-2.0
"""Guided backpropagation against autograd with a guided ReLU, the public implementation's maps, and finite
differences.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from reference.parity import Fixture
from torch import Tensor

from semveil.recognition import VGG16Classifier, VGG16Config, guided_explanation
from semveil.recognition.guided_backpropagation import Explanation, class_probabilities, scale_by_power_of_ten

LIMIT = 5e-5  # stated with the stored outputs
GOLDEN = Path(__file__).parent / "golden" / "ykn_explainer.npz"
TINY = VGG16Config(((6, 6), (8,)), pointwise=(2,), grid=2, hidden=(16,), classes=4, dropout=0.0)


def tiny(*, batch_norm: bool = False, config: VGG16Config = TINY) -> VGG16Classifier:
    rng = torch.Generator().manual_seed(3)
    network = (
        VGG16Classifier(replace(config, batch_norm=batch_norm), rng=rng).double().eval().requires_grad_(False)
    )
    for norm in network.norms:
        norm.weight.normal_(generator=rng)  # of either sign
        norm.bias.normal_(0, 0.3, generator=rng)
        norm.running_var.uniform_(0.5, 2, generator=rng)
    return network


def images(count: int, height: int, width: int, *, seed: int = 5) -> Tensor:
    return (
        torch.rand(
            count, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        * 2
        - 1
    )


class GuidedReLU(torch.autograd.Function):
    """The other way to do it: a ReLU whose derivative is the guided one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient.clamp(min=0) * (x >= 0)


def by_autograd(network: VGG16Classifier, pictures: Tensor, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    with monkeypatch.context() as patch:
        patch.setattr("semveil.recognition.vgg16_classifier.F.relu", GuidedReLU.apply)
        pictures = pictures.clone().requires_grad_()
        scores = network(pictures)
        return torch.autograd.grad(scores, pictures, scores.softmax(1).detach())[0]


@pytest.mark.parametrize("size", [(8, 8), (13, 22), (20, 9)])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(
    "config", [TINY, replace(TINY, grid=1, hidden=()), replace(TINY, grid=3)], ids=["2", "no-hidden", "3"]
)
def test_maps_are_those_of_a_guided_relu(
    config: VGG16Config, batch_norm: bool, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny(batch_norm=batch_norm, config=config)
    pictures = images(3, *size)
    expected = by_autograd(network, pictures, monkeypatch)
    found = guided_explanation(network, pictures)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(found.maps, expected)
    assert torch.equal(found.scores, network(pictures)) and torch.equal(found.seed, found.scores.softmax(1))
    plain = pictures.clone().requires_grad_()
    scores = network(plain)
    (gradient,) = torch.autograd.grad(scores, plain, scores.softmax(1).detach())
    assert (gradient - expected).abs().max() > 1e-3  # the plain gradient is not the guided one


@pytest.mark.parametrize("sharpness", [None, 3.0])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_maps_derivative_is_the_true_one(batch_norm: bool, sharpness: float | None) -> None:
    network = tiny(batch_norm=batch_norm)
    explain = lambda x: guided_explanation(network, x, sharpness=sharpness).maps  # noqa: E731
    assert torch.autograd.gradcheck(explain, images(1, 8, 9).requires_grad_())


def test_a_guided_relu_would_have_a_false_derivative() -> None:
    """Why the pass back is written out: with guided ReLUs in the network the seed's own derivative would be
    guided too.
    """
    network = tiny()

    def explain(x: Tensor) -> Tensor:
        scores = network(x)
        return torch.autograd.grad(scores, x, scores.softmax(1), create_graph=True)[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("semveil.recognition.vgg16_classifier.F.relu", GuidedReLU.apply)
        assert not torch.autograd.gradcheck(explain, images(1, 8, 9).requires_grad_(), raise_exception=False)


def test_steps_let_the_derivative_through_the_seed_only() -> None:
    network, pictures = tiny(), images(2, 8, 8).requires_grad_()
    fixed = lambda scores: torch.eye(4, dtype=torch.float64)[:2]  # noqa: E731

    def gradient(**settings: Any) -> Tensor:
        loss = guided_explanation(network, pictures, **settings).maps.square().sum()
        (found,) = torch.autograd.grad(loss, pictures, allow_unused=True, materialize_grads=True)
        return found.abs().max()

    network.requires_grad_(True)  # so that there is a graph at all
    assert gradient(seed=fixed) == 0
    assert gradient() > 1e-4
    assert gradient(seed=fixed, sharpness=3.0) > 1e-4


def test_smooth_gates_tend_to_steps() -> None:
    network, pictures = tiny(), images(2, 8, 8)
    exact = guided_explanation(network, pictures)
    errors = []
    for sharpness in (10.0, 100.0, 1e9):
        smooth = guided_explanation(network, pictures, sharpness=sharpness)
        assert torch.equal(smooth.scores, exact.scores)
        errors.append(float((smooth.maps - exact.maps).abs().max()))
    assert errors[0] > errors[1] > errors[2] and errors[2] < 1e-6


def test_a_network_before_can_be_trained_through_the_maps() -> None:
    network = tiny().float()
    before = torch.nn.Conv2d(3, 3, 3, padding=1)
    torch.nn.init.dirac_(before.weight)
    pictures = images(4, 16, 16).float()
    target = guided_explanation(network, pictures).maps
    noise = torch.Generator().manual_seed(0)
    seed = lambda scores: scores.softmax(1) + 0.1 * torch.randn(scores.shape, generator=noise)  # noqa: E731
    (guided_explanation(network, before(pictures), seed=seed).maps - target).abs().mean().backward()
    assert (
        before.weight.grad is not None
        and before.weight.grad.isfinite().all()
        and before.weight.grad.abs().max() > 0
    )
    assert all(p.grad is None for p in network.parameters())


def test_a_map_is_linear_in_positive_multiples_of_the_seed() -> None:
    network, pictures = tiny(), images(2, 8, 8)
    once, thrice = (
        guided_explanation(network, pictures, seed=lambda s, k=k: k * s.softmax(1)).maps for k in (1, 3)
    )
    torch.testing.assert_close(thrice, 3 * once)
    against = guided_explanation(network, pictures, seed=lambda s: -s.softmax(1)).maps
    # but not in negative ones: what speaks against a class is another map
    assert (against + once).abs().max() > 1e-3


# The public implementation's maps.


@pytest.fixture(scope="module")
def released() -> tuple[Fixture, VGG16Classifier]:
    fixture = Fixture(GOLDEN)
    return fixture, VGG16Classifier.from_released(fixture.state)


def one_hot(scores: Tensor) -> Tensor:
    return F.one_hot(torch.tensor([1, 3]), scores.shape[1]).to(scores)


def errors(fixture: Fixture, network: VGG16Classifier, **settings: Any) -> dict[str, float]:
    settings = {"through_norm": False} | settings
    with torch.inference_mode():
        found = guided_explanation(network, fixture.inputs["img"], **settings)
        outputs = {
            "logits": found.scores,
            "confidence": found.seed,
            "prediction": found.scores.argmax(1),
            "raw_map": found.maps,
            "raw_map_absmax": found.maps.abs().amax((1, 2, 3)),
            "normalized_map": scale_by_power_of_ten(found.maps),
            "raw_map_onehot_1_3": guided_explanation(
                network, fixture.inputs["img"], **settings | {"seed": one_hot}
            ).maps,
        }
    assert outputs.keys() == fixture.outputs.keys()
    return {name: fixture.error(name, output) for name, output in outputs.items()}


def test_released_maps(released: tuple[Fixture, VGG16Classifier]) -> None:
    assert max(errors(*released).values()) < LIMIT


def test_all_stored_samples(shared: Path, released: tuple[Fixture, VGG16Classifier]) -> None:
    fixture = Fixture(shared / "parity" / "ykn_explainer.npz")
    found = errors(fixture, released[1])
    assert max(found.values()) < LIMIT, found


def never_closed(relevance: Tensor, entered: Tensor, sharpness: float | None) -> Tensor:
    return relevance.relu()


def plain_gradient(relevance: Tensor, entered: Tensor, sharpness: float | None) -> Tensor:
    return relevance * (entered >= 0)


@pytest.mark.parametrize("guided", [never_closed, plain_gradient])
def test_other_ways_back_fail_the_same_comparison(
    guided: Callable[..., Tensor], released: tuple[Fixture, VGG16Classifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(guided_explanation.__globals__, "_guided", guided)
    found = errors(*released)
    assert found["logits"] < LIMIT and min(found["raw_map"], found["raw_map_onehot_1_3"]) > 1000 * LIMIT


@pytest.mark.parametrize(
    "settings",
    [{"through_norm": True}, {"sharpness": 5.0}, {"seed": lambda scores: scores}],
    ids=["through-norm", "smooth", "seed-before-softmax"],
)
def test_other_settings_fail_the_same_comparison(
    settings: dict[str, Any], released: tuple[Fixture, VGG16Classifier]
) -> None:
    assert errors(*released, **settings)["raw_map"] > 1000 * LIMIT


# The released code's scaling, and what is refused.


@pytest.mark.parametrize("largest", [3e-7, 0.01, 0.02, 0.99, 1.0, 5.0, 12_345.0])
def test_scaling_by_a_power_of_ten(largest: float) -> None:
    maps = images(2, 4, 4) / 2
    maps[0, 0, 0, 0], maps[1] = 1, 0
    scaled = scale_by_power_of_ten(maps * largest)
    factor = 10.0 ** -math.floor(math.log10(largest))
    torch.testing.assert_close(scaled[0], (maps[0] * largest * factor).clamp(-1, 1))
    assert scaled[0].max() == pytest.approx(1) and scaled[1].abs().max() == 0


def test_scaling_has_a_finite_derivative() -> None:
    maps = torch.zeros(2, 3, 4, 4)
    maps[0, 0, 0, 0], maps[0, 0, 0, 1] = 0.05, 0.002
    maps.requires_grad_()
    scale_by_power_of_ten(maps).sum().backward()
    assert maps.grad is not None and maps.grad.isfinite().all()
    assert maps.grad[0, 0, 0, :2].tolist() == pytest.approx([0, 100])  # cut off, and scaled


def test_what_cannot_be_explained_is_refused() -> None:
    network, pictures = tiny(), images(1, 8, 8)
    with pytest.raises(ValueError, match=r"training mode.*call \.eval\(\) first"):
        guided_explanation(tiny().train(), pictures)
    with pytest.raises(ValueError, match="sharpness must be positive, or None for steps, got 0"):
        guided_explanation(network, pictures, sharpness=0)
    with pytest.raises(ValueError, match=r"seed must keep the scores' shape \(1, 4\), got \(1,\)"):
        guided_explanation(network, pictures, seed=lambda scores: scores.amax(1))


def test_an_explanation_says_what_it_explains() -> None:
    found = guided_explanation(tiny(), images(1, 8, 8), seed=class_probabilities)
    assert (
        isinstance(found, Explanation)
        and found.maps.shape == (1, 3, 8, 8)
        and found.seed.sum() == pytest.approx(1)
    )
