# SPDX-License-Identifier: Apache-2.0
"""Presets `paper` and `cifar10` of noise-image are what they say, and run: one step of each training at 224
px.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semveil.core.progress import quiet
from semveil.experiments.kit.experiment import Run
from semveil.experiments.noise_image.bench import conversion_settings, load
from semveil.experiments.noise_image.cells import measure_cell
from semveil.experiments.noise_image.presets import MAIN, NOISE_IMAGE_PRESETS, Cell, NoiseImagePreset
from semveil.generators.conversion import ConversionConfig
from semveil.recognition.vgg16_config import VGG16Config

PAPER = NOISE_IMAGE_PRESETS["paper"]


def one_step(preset: NoiseImagePreset) -> NoiseImagePreset:
    """The preset with one picture a step and one step of each training; side, networks and rates stay."""
    cut = {
        "explainer_epochs": 1,
        "service_epochs": 1,
        "batch": 1,
        "conversion_steps": 1,
        "conversion_batch": 1,
    }
    return replace(preset, **cut, tested=1, compared=1)


@pytest.fixture
def ten_classes(tmp_path: Path) -> Path:
    """One picture of 32 px for training and testing, of ten classes."""
    images = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    path, labels = tmp_path / "ten.npz", np.array([3])
    names = np.array([f"class {i}" for i in range(10)])
    np.savez(
        path,
        train_images=images,
        train_labels=labels,
        test_images=images,
        test_labels=labels,
        class_names=names,
    )
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["published", "as_released"])
def test_one_step_of_the_papers_networks_at_the_papers_side(
    kind: str, ten_classes: Path, tmp_path: Path
) -> None:
    cell = (
        Cell(3.0, "published", *MAIN, calibration="as_published") if kind == "published" else Cell(3.0, kind)
    )
    bench = load(
        Run("cells", one_step(NOISE_IMAGE_PRESETS["cifar10"]), tmp_path, ten_classes, None, None, quiet)
    )
    assert bench.train.pixels.shape[1:] == (3, 224, 224) and bench.explainer.config == VGG16Config.published(
        classes=10
    )
    made = measure_cell(bench, cell)
    assert made["calibration"] == cell.calibration and len(made["ssim"]) == 1
    assert made["accuracy"]["count"] == 1 and made["standard_deviation"] > 0


def test_sizes_and_rates_are_those_of_the_paper_and_its_code() -> None:
    settings = conversion_settings(PAPER, Cell(3.0, "published", *MAIN))
    assert settings.generator == ConversionConfig.published()
    assert conversion_settings(PAPER, Cell(3.0, "as_released")).generator == ConversionConfig.released()
    assert (
        conversion_settings(NOISE_IMAGE_PRESETS["small"], Cell(3.0, "as_released")).generator
        == ConversionConfig.released()
    )
    assert (settings.learning_rate, settings.discriminator_rate, settings.decay) == (2e-4, 2e-4, 0.95)
    assert (PAPER.size, settings.batch, settings.steps * settings.batch) == (224, 24, 30 * 50_000)
    assert replace(NOISE_IMAGE_PRESETS["cifar10"], name="paper", classes=None) == PAPER


def test_cifar10_wants_ten_classes(tmp_path: Path) -> None:
    images, labels = np.zeros((1, 32, 32, 3), np.uint8), np.array([0])
    arrays = {
        f"{part}_{what}": value
        for part in ("train", "test")
        for what, value in (("images", images), ("labels", labels))
    }
    np.savez(tmp_path / "two.npz", **arrays, class_names=np.array(["a", "b"]))
    with pytest.raises(ValueError, match="10 classes"):
        load(Run("cells", NOISE_IMAGE_PRESETS["cifar10"], tmp_path, tmp_path / "two.npz", None, None, quiet))
