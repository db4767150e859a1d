# SPDX-License-Identifier: Apache-2.0
"""noise-image's training: what it minimises, that it learns, and that a run which broke off goes on."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from semveil.core.errors import OutputError
from semveil.data.labelled_pictures import LabelledPictures
from semveil.generators.conversion import ConversionConfig
from semveil.generators.noise_discriminator import NoiseDiscriminator
from semveil.models.noise_image import load_noise_image_model
from semveil.recognition.guided_backpropagation import guided_explanation, scale_by_power_of_ten
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.recognition.vgg16_config import VGG16Config
from semveil.training.classifier import ClassifierTraining, accuracy, train_classifier, vary
from semveil.training.explanation_noise import ExplanationNoise
from semveil.training.noise_image import (
    ConversionTraining,
    _schedule,
    convert,
    explanation_loss,
    noised,
    train_conversion,
)
from semveil.training.noise_image_networks import NoiseImageTraining, _told_apart, train_networks

TINY = VGG16Config.small(classes=2, width=4)
SMALL_G = ConversionConfig(width=4, blocks=1, halvings=1)


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _red_and_blue(count: int, seed: int) -> LabelledPictures:
    """Two classes that a small network tells apart at once."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    pixels = rng.integers(0, 100, (count, 16, 16, 3))
    pixels[np.arange(count), :, :, 2 * labels] += 120
    return LabelledPictures(pixels.astype(np.uint8), labels, ("red", "blue"))


def _tensors(pictures: LabelledPictures) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(pictures.pixels).permute(0, 3, 1, 2), torch.from_numpy(pictures.labels)


def test_noised_pictures_are_clipped_gaussian_ones() -> None:
    images = torch.full((40, 3, 16, 16), 0.5)
    out = noised(images, 3.0, rng=_rng())
    for value, expected in ((1.0, norm.sf(0.5 / 3)), (-1.0, norm.cdf(-1.5 / 3))):
        share = (out == value).double().mean().item()
        assert share == pytest.approx(expected, abs=5 * (expected * (1 - expected) / images.numel()) ** 0.5)


def test_a_classifier_learns_what_can_be_learnt_and_nothing_from_noise() -> None:
    pixels, labels = _tensors(_red_and_blue(64, 1))
    shown, truth = _tensors(_red_and_blue(40, 2))
    images = shown.float() / 127.5 - 1
    settings = ClassifierTraining(epochs=6, batch=16, learning_rate=0.02)
    network = train_classifier(pixels, labels, TINY, settings, rng=_rng())
    assert accuracy(network, images, truth) > 0.9
    blind = partial(noised, sigma=1e4, rng=_rng(5))
    unseeing = train_classifier(pixels, labels, TINY, settings, rng=_rng(), through=blind)
    assert accuracy(unseeing, images, truth) < 0.8  # it never saw a colour


def test_varied_pictures_are_shifted_and_half_of_them_mirrored() -> None:
    pixels = torch.arange(16, dtype=torch.uint8).view(1, 1, 1, 16).expand(400, 3, 16, 16)
    rows = vary(pixels, 0, _rng())[:, 0, 0]
    mirrored = (rows[:, 0] > rows[:, -1]).double().mean().item()
    assert mirrored == pytest.approx(0.5, abs=5 * 0.5 / 20)
    assert vary(pixels, 2, _rng()).shape == pixels.shape
    others = torch.full_like(pixels, 255)
    shown = vary(pixels, 0, _rng(), mirrored=others)[:, 0, 0]
    # the same ones, and no other is changed
    assert torch.equal((shown == 1).all(-1), rows[:, 0] > rows[:, -1])
    assert torch.equal(shown[shown[:, 0] == -1], rows[rows[:, 0] < rows[:, -1]])


def test_the_released_loss_compares_the_picture_itself_and_hears_no_noise() -> None:
    explainer = VGG16Classifier(TINY, rng=_rng()).eval().requires_grad_(False)
    images, converted = torch.rand(2, 2, 3, 16, 16, generator=_rng(3)) * 2 - 1
    released = ConversionTraining(explanation="as_released")
    loss = explanation_loss(explainer, images, converted, released, _rng())
    maps = scale_by_power_of_ten(guided_explanation(explainer, images).maps)
    assert loss.item() == pytest.approx((converted - maps).abs().mean().item(), rel=0.02)  # half precision
    louder = replace(released, noise=ExplanationNoise(1e-3, 1e-5))
    assert explanation_loss(explainer, images, converted, louder, _rng(9)).item() == loss.item()


def test_the_published_loss_vanishes_for_the_picture_itself_and_grows_with_the_noise() -> None:
    explainer = VGG16Classifier(TINY, rng=_rng()).eval().requires_grad_(False)
    images = torch.rand(4, 3, 16, 16, generator=_rng(3)) * 2 - 1
    faint, loud = (
        ConversionTraining(noise=ExplanationNoise(epsilon, 1e-5), sharpness=1e6) for epsilon in (1e6, 0.1)
    )
    nothing = explanation_loss(explainer, images, images, faint, _rng()).item()
    assert nothing < 0.05
    assert explanation_loss(explainer, images, images, loud, _rng()).item() > 2 * nothing
    converted = torch.zeros_like(images, requires_grad=True)
    explanation_loss(explainer, images, converted, ConversionTraining(), _rng()).backward()
    assert converted.grad is not None and converted.grad.abs().max() > 0


def test_a_conversion_moves_towards_the_noise() -> None:
    """Clipped noise of sigma 3 is almost black and white; an untrained network's pictures are grey."""
    pixels, _ = _tensors(_red_and_blue(64, 1))
    settings = ConversionTraining(
        beta=0.0, generator=SMALL_G, discriminator_width=8, discriminator_halvings=2, learning_rate=5e-3
    )
    told: list[dict[str, float]] = []
    size = {}
    for steps in (1, 60):
        g, _ = train_conversion(
            pixels,
            VGG16Classifier(TINY, rng=_rng()).eval(),
            replace(settings, steps=steps),
            rng=_rng(),
            progress=lambda step, steps, losses: told.append(losses),
        )
        size[steps] = convert(g, pixels.float() / 127.5 - 1).square().mean().item()
    assert all(losses["explanation"] == 0 for losses in told)
    assert size[60] > size[1]


SETTINGS = NoiseImageTraining(
    width=2,
    explainer=ClassifierTraining(epochs=1, batch=8),
    conversion=ConversionTraining(
        steps=2, batch=4, generator=SMALL_G, discriminator_width=2, discriminator_halvings=2
    ),
    service=ClassifierTraining(epochs=1, batch=8),
)


def test_all_networks_are_written_measured_and_read_again(tmp_path: Path) -> None:
    train, test = _red_and_blue(16, 1), _red_and_blue(8, 2)
    figures = train_networks(tmp_path / "mine", train, test, SETTINGS, trained_on="a test")
    assert figures["chance"] == 0.5
    assert 0 <= figures["discriminator"] <= 1 and figures["noised_std"] > 0.8  # clipped noise of sigma 3
    assert not (tmp_path / "mine" / "discriminator.safetensors").exists()
    model = load_noise_image_model(str(tmp_path / "mine"))
    assert (model.size, model.classes, model.card["trained_on"]) == (16, ("red", "blue"), "a test")
    images, truth = _tensors(test)
    images = images.float() / 127.5 - 1
    assert accuracy(model.service, convert(model.generator, images), truth) == pytest.approx(
        figures["service"], abs=1 / 8
    )
    with pytest.raises(OutputError, match="trained model"):
        train_networks(tmp_path / "mine", train, test, SETTINGS, trained_on="a test")


def test_a_run_that_broke_off_goes_on_and_another_is_refused(tmp_path: Path) -> None:
    train, test = _red_and_blue(16, 1), _red_and_blue(8, 2)
    folder = tmp_path / "mine"

    def breaks(phase: str, step: int, steps: int, loss: float) -> None:
        if phase == "conversion":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_networks(folder, train, test, SETTINGS, trained_on="a test", progress=breaks)
    assert not list(folder.glob("noise-image.json"))
    phases = set()
    with pytest.raises(OutputError, match="other settings"):
        train_networks(folder, train, test, SETTINGS, seed=1, trained_on="a test")
    train_networks(
        folder, train, test, SETTINGS, trained_on="a test", progress=lambda phase, *_: phases.add(phase)
    )
    assert phases == {"conversion", "service"}
    assert load_noise_image_model(str(folder)).size == 16


def test_a_conversion_without_its_discriminator_is_trained_again(tmp_path: Path) -> None:
    train, test = _red_and_blue(16, 1), _red_and_blue(8, 2)
    folder, phases = tmp_path / "mine", set()

    def breaks(phase: str, step: int, steps: int, loss: float) -> None:
        if phase == "service":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_networks(folder, train, test, SETTINGS, trained_on="a test", progress=breaks)
    (folder / "discriminator.safetensors").unlink()  # as an earlier version left the folder
    train_networks(
        folder, train, test, SETTINGS, trained_on="a test", progress=lambda phase, *_: phases.add(phase)
    )
    assert phases == {"conversion", "service"}


def test_a_discriminator_tells_apart_what_it_was_trained_on_and_a_constant_one_does_not() -> None:
    images = torch.rand((32, 3, 8, 8), generator=_rng()) - 0.5
    grey, real = torch.zeros_like(images), noised(images, 3.0, rng=_rng())
    network = NoiseDiscriminator(width=8, halvings=1, rng=_rng())
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        ((network(real) - 1).square().mean() + network(grey).square().mean()).backward()
        optimiser.step()
    assert _told_apart(network, grey, real) == 1.0
    assert _told_apart(network, real, real) == 0.5  # negative control: nothing to tell apart


def test_rates_fall_by_a_factor_after_each_epoch_or_along_a_line() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))

    def rates(settings: ConversionTraining) -> list[float]:
        optimiser = torch.optim.Adam([parameter], 1.0)
        schedule = _schedule(optimiser, settings, epoch=3)
        found = []
        for _ in range(6):
            found.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step()
        return found

    assert rates(ConversionTraining(decay=0.95)) == pytest.approx([1, 1, 1, 0.95, 0.95, 0.95])
    assert rates(ConversionTraining(steps=6)) == pytest.approx([1 - step / 6 for step in range(6)])
    with pytest.raises(ValueError, match="decay"):
        ConversionTraining(decay=1.5)
