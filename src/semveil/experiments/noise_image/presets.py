# SPDX-License-Identifier: Apache-2.0
"""Presets (run sizes) of noise-image, and the settings measured in its tables."""

from dataclasses import dataclass, replace
from typing import Literal

from semveil.experiments.kit.experiment import presets
from semveil.recognition.vgg16_config import VGG16Config

SIGMAS = (3.0, 4.0, 5.0)
PRIVACY = ((0.1, 1e-5), (0.1, 0.9), (0.9, 1e-5), (0.9, 0.9))  # epsilon and delta of [NI] Table 3
AS_PUBLISHED = ", N as published"
Role = Literal["explainer", "service"]
MAIN = (0.9, 1e-5)  # the setting whose effect is measured over several seeds


@dataclass(frozen=True)
class Cell:
    """A setting of the conversion, and the seed of the networks trained for it.

    Attributes:
        sigma: target noise.
        kind: `published`: explanation loss with N; `without noise`: explanation loss without N; `without
            loss`: the ablation; `as_released`: loss and generator of the public code,
            `ConversionConfig.released()`; `noised`: n(x) itself.
        epsilon, delta: of N, for `published`.
        seed: for training the conversion, for the noise and for training the service model.
        calibration: of N: `corrected`, or `as_published`, the classical formula cited by the paper.
    """

    sigma: float
    kind: str = "published"
    epsilon: float | None = None
    delta: float | None = None
    seed: int = 0
    calibration: str = "corrected"

    @property
    def setting(self) -> str:
        """Name of its row in our Table 3: the paper's, with a note if N is calibrated as published."""
        printed = f"epsilon {self.epsilon:g}, delta {self.delta:g}" if self.kind == "published" else self.kind
        return printed + (AS_PUBLISHED if self.calibration == "as_published" else "")

    @property
    def name(self) -> str:
        """Name used in result files."""
        return f"sigma {self.sigma:g}, {self.setting}, seed {self.seed}"


@dataclass(frozen=True)
class NoiseImagePreset:
    """Run size; the defaults are those of `small`.

    Attributes:
        name: preset name.
        needs_data: whether pictures are required; otherwise synthetic ones of four classes are used if none
            are given, which are not representative of photographs.
        explainer_width, explainer_epochs: of f', trained once with seed 0; unused if a model with an
            explainer is given.
        service_width, service_epochs: of f, trained for each cell.
        batch: batch size of the classifiers.
        classifier_rate: their learning rate (stochastic gradient descent).
        classes: required number of classes in the data set; None accepts any.
        size: side in pixels to which pictures are upsampled; None keeps theirs. At 224 px CIFAR-100's
            training pictures take 7.5 GB, and their protected versions the same again.
        table2: whether the classifiers are those of [NI] Table 2 (4,096 hidden units, no batch norm), not
            narrow ones.
        generator_width, blocks, halvings: of g.
        released_width: of the generator of `as_released` (64 in the public code); all else is as in that
            code.
        discriminator_width: of D.
        conversion_steps, conversion_batch: for training g and D.
        conversion_rates: Adam's learning rates, of g and of D.
        decay: factor on both rates after each epoch; None decays them linearly to zero.
        main_seeds: number of seeds for the main cells: explanation loss at `MAIN`, no loss, and n(x), at
            sigma 3 and 5.
        tested: number of test pictures for accuracy; None uses all.
        compared: number of test pictures for SSIM.
        attacked: number of test pictures reconstructed by the inverter.
        inverter_steps, inverter_width: of the attack.
        epsilons: of local privacy at the output, at delta 1e-5.
        private_epsilon: total of DP-SGD over all networks trained on private pictures, at delta 1e-5.
        private_steps, private_rate, private_width: of DP-SGD for each network.
    """

    name: str
    needs_data: bool = True
    explainer_width: int = 16
    explainer_epochs: int = 12
    service_width: int = 16
    service_epochs: int = 10
    batch: int = 128
    generator_width: int = 8
    blocks: int = 4
    halvings: int = 0
    discriminator_width: int = 16
    conversion_steps: int = 800
    conversion_batch: int = 32
    main_seeds: int = 5
    tested: int | None = None
    compared: int = 500
    attacked: int = 400
    inverter_steps: int = 1000
    inverter_width: int = 32
    epsilons: tuple[float, ...] = (100.0, 1000.0)
    private_epsilon: float = 8.0
    private_steps: int = 150
    private_rate: float = 0.017
    private_width: int = 8
    released_width: int = 64
    conversion_rates: tuple[float, float] = (1e-3, 5e-4)
    decay: float | None = None
    classifier_rate: float = 0.1
    classes: int | None = None
    size: int | None = None
    table2: bool = False

    def classifier(self, role: Role, classes: int) -> VGG16Config:
        """Layer sizes of an explainer or a service model.

        Args:
            role: which of both.
            classes: number of classes.
        """
        if self.table2:
            return VGG16Config.published(classes=classes)
        width = self.service_width if role == "service" else self.explainer_width
        return VGG16Config.small(classes=classes, width=width)


# Resolution and networks of [NI] (Tables 1 and 2). Batch, epochs and rates of g and D are the public
# code's (batch 24, 30 epochs, Adam 2e-4, 0.95 per epoch). The paper gives neither those of the classifiers
# nor the architecture of D.
_PAPER = NoiseImagePreset(
    "paper", explainer_width=64, explainer_epochs=60, service_width=64, service_epochs=60, generator_width=64,
    blocks=6, discriminator_width=64, main_seeds=3, compared=10_000, attacked=1000, size=224, table2=True,
    conversion_steps=62_500,  # 30 epochs of 50,000 pictures
    conversion_batch=24, conversion_rates=(2e-4, 2e-4), decay=0.95, classifier_rate=0.01,
    inverter_steps=20_000, inverter_width=128, epsilons=(10.0, 100.0, 1000.0, 10_000.0), private_steps=5000,
    private_rate=0.02, private_width=16,
)  # fmt: skip
# `cifar10`: [NI] Table 4 also covers CIFAR-10. Not measured here.
NOISE_IMAGE_PRESETS = presets(
    NoiseImagePreset(
        "smoke", needs_data=False, explainer_width=4, explainer_epochs=2, service_width=4, service_epochs=1,
        batch=32, generator_width=4, blocks=1, halvings=1, discriminator_width=4, conversion_steps=4,
        conversion_batch=8, main_seeds=1, tested=64, compared=32, attacked=8, inverter_steps=3,
        inverter_width=4, epsilons=(100.0,), private_steps=3, private_rate=0.1, private_width=4,
        released_width=4,
    ),
    NoiseImagePreset("small"),
    _PAPER,
    replace(_PAPER, name="cifar10", classes=10),
)  # fmt: skip


def table3_cells(preset: NoiseImagePreset) -> list[Cell]:
    """Cells of [NI] Table 3, with n(x) and the public code for comparison.

    The paper's five settings at three sigmas, with N by either calibration. The main settings come first,
    seed by seed, then the others with one seed.

    Args:
        preset: sets the number of seeds of the main cells.
    """
    kinds = [("published", *MAIN), ("without loss", None, None), ("noised", None, None)]
    seeds = range(preset.main_seeds)
    main = [Cell(sigma, *kind, seed=seed) for seed in seeds for sigma in (3.0, 5.0) for kind in kinds]
    settings = [(sigma, "published", *privacy) for sigma in SIGMAS for privacy in PRIVACY]
    return [
        *main,
        *(Cell(4.0, *kind) for kind in kinds),
        *(Cell(*setting) for setting in settings if setting[2:] != MAIN),
        *(Cell(*setting, calibration="as_published") for setting in settings),
        *(Cell(sigma, "as_released") for sigma in (3.0, 5.0)),
    ]


def table4_cells() -> list[Cell]:
    """Cells of [NI] Table 4: n(x), and conversions at delta 0.9 with N by either calibration."""
    return [Cell(sigma, "noised") for sigma in SIGMAS] + [
        Cell(sigma, "published", epsilon, 0.9, calibration=law)
        for law in ("corrected", "as_published")
        for epsilon in (0.9, 0.5, 0.1)
        for sigma in SIGMAS
    ]
