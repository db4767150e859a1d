# SPDX-License-Identifier: Apache-2.0
"""noise-image: images that look like noise to people but that a classifier can still read [NI].

Hyeong-Geon Kim, Jinmyeong Shin, Yoon-Ho Choi, "Human-Unrecognizable Differential Private Noised Image
Generation Method", Sensors 24, 3166, 2024. The client converts, y = g(x), and transmits y; the service
classifies, f(y). Training of g and f is in `training.noise_image`; gaps and errors of the paper are listed in
`docs/methods/noise-image.md`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from semveil import mechanisms
from semveil.core.model_folders import ModelName
from semveil.core.registry import suggest
from semveil.mechanisms import ClipBox, Gaussian
from semveil.methods.on_model import OnModel
from semveil.methods.options import Option
from semveil.methods.release import Layout, Release
from semveil.models.noise_image import BUNDLED, NoiseImageModel, load_noise_image_model
from semveil.privacy.certificate import Bounds, Certificate, ReleaseKind
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Basis, Guarantee, Sensitivity

COVERED = Coverage.of(Part(Kind.PICTURE))
RANGE = ClipBox(-1.0, 1.0, source="the range of tanh")
DELTA = 1e-5
NETWORKS = ("service", "explainer")


@dataclass(frozen=True)
class Classified:
    """Result of the service.

    Attributes:
        labels: (N,) predicted class of each image, from 0.
        probabilities: (N,) predicted probability of that class.
        names: name of that class, for each image.
    """

    labels: Tensor
    probabilities: Tensor
    names: tuple[str, ...]


@dataclass(frozen=True)
class OutputNoise:
    """Gaussian noise on values in [-1, 1], scaled down first so that hardly any noise is clipped in 8 bits.

    With b = 1 / (1 + 3 sigma), sigma being the noise required on [-1, 1], values lie in [-b, b] and get noise
    of b sigma: three standard deviations from the edge of the box end at 1. The factor is public, so epsilon
    is that of sigma on [-1, 1].

    Attributes:
        box: [-b, b].
        mechanism: Gaussian mechanism, calibrated to the box.
        sensitivity: largest distance between two images in the box.
    """

    box: ClipBox
    mechanism: Gaussian
    sensitivity: Sensitivity

    @classmethod
    def calibrate(cls, values: int, epsilon: float, delta: float) -> "OutputNoise":
        """Calibrate the noise, and the box that keeps noisy images within 8 bits.

        Args:
            values: values per image, 3 S^2.
            epsilon: budget of each image, positive.
            delta: in (0, 1).

        Raises:
            ValueError: epsilon or delta out of range.
        """
        sigma = Gaussian.calibrate(RANGE.l2_sensitivity(values), epsilon, delta).sigma
        half = 1 / (1 + 3 * sigma)
        box = ClipBox(
            -half, half, source=f"{RANGE.source}, times {half:.6g} so that the noise fits into 8 bits"
        )
        sensitivity = box.l2_sensitivity(values)
        return cls(box, Gaussian.calibrate(sensitivity, epsilon, delta), sensitivity)

    def __call__(self, images: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Noisy copies of images, which are first clamped to [-1, 1]; exact noise without `rng`."""
        small = self.box.clip(float(self.box.upper) * RANGE.clip(images))
        return (
            mechanisms.ExactRelease(self.mechanism)(small) if rng is None else self.mechanism(small, rng=rng)
        )


class NoiseImage(OnModel):
    """Turns a picture into colour noise that a classifier reads in part, and so does an inverter.

    y = g(x) ([NI] section 3.1, phase 3). No guarantee by default: g is deterministic, the same image always
    gives the same y, and the noise that the paper calls differential privacy acts in the training loss only,
    behind g. With an epsilon, y is g(x) + Gaussian noise, calibrated to the range of tanh: (epsilon,
    delta)-private for any two images (local differential privacy), at a cost in accuracy. The sum is scaled
    to the range of 8 bits, see `OutputNoise`.

    Args:
        model: trained networks, or their name.
        epsilon: budget of each image; the paper's deterministic conversion where None.
        delta: delta of the noise; 1e-5 by default.

    Raises:
        ValueError: epsilon or delta out of range, a delta without an epsilon, or no such model.

    Example:
        >>> method = NoiseImage(NoiseImageModel.example())
        >>> method.protect(torch.zeros(1, 3, 8, 8)).guarantee.epsilon is None
        True
        >>> private = NoiseImage(NoiseImageModel.example(), epsilon=2.0)
        >>> claim = private.protect(torch.zeros(1, 3, 8, 8)).guarantee
        >>> round(claim.epsilon, 3), claim.delta, claim.basis.value
        (2.0, 1e-05, 'proved')
    """

    name: ClassVar[str] = "noise-image"
    hides: ClassVar[str] = "most of the picture from people"
    leaves: ClassVar[str] = (
        "outlines of plain objects; its class, to a classifier; part of it, to an inverter"
    )
    by_default: ClassVar[str] = "no finite epsilon: no guarantee"
    layout: ClassVar[Layout] = Layout.PICTURE

    def __init__(
        self,
        model: NoiseImageModel | ModelName = BUNDLED,
        *,
        epsilon: Annotated[
            float | None,
            Option("Epsilon of Gaussian noise on the converted picture; without it nothing is guaranteed."),
        ] = None,
        delta: Annotated[float | None, Option(f"Delta of that noise; {DELTA:g} by default.")] = None,
    ) -> None:
        if delta is not None and epsilon is None:
            raise ValueError("delta belongs to the noise that --epsilon asks for; give both or neither")
        self.model = load_noise_image_model(model) if isinstance(model, str | Path) else model
        self.epsilon, self.delta = epsilon, DELTA if delta is None else delta
        self.noise: OutputNoise | None = None
        if epsilon is not None:
            self.noise = OutputNoise.calibrate(3 * self.size**2, epsilon, self.delta)

    @property
    def model_digest(self) -> str:
        return self.model.digest

    @torch.no_grad()
    def convert(self, images: Tensor) -> Tensor:
        """Converted images g(x), without noise, (B, 3, S, S) in [-1, 1].

        Args:
            images: (B, 3, S, S) in [-1, 1].

        Raises:
            ValueError: the images do not fit the model.
        """
        self.model.check(images)
        return self.model.generator(self.model.placed(images))

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """Converted images, with Gaussian noise if the method has an epsilon.

        With noise, all but about one in 700 values lie in [-1, 1].

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: source of simulated noise; exact noise from the operating system where None.

        Raises:
            ValueError: the images do not fit the model.
        """
        converted = self.convert(images)
        if self.noise is None:
            return Release(converted, None, self.guarantee())
        return Release(self.noise(converted, rng=rng), None, self.guarantee(simulated=rng is not None))

    def guarantee(self, *, simulated: bool = False) -> Guarantee:
        """Guarantee for each image alone.

        Args:
            simulated: the noise comes from a seeded stream and not from the operating system.
        """
        if self.noise is None:
            reason = "the conversion is deterministic: the same picture always gives the same output"
            return Guarantee.none(COVERED.words, reason=reason).about(COVERED)
        law = self.noise.mechanism if simulated else mechanisms.ExactRelease(self.noise.mechanism)
        rests_on = ("the networks were trained without the pictures that are protected",)
        return law.guarantee(self.noise.sensitivity, assumptions=rests_on).about(COVERED)

    def certificate(self, release: Release) -> Certificate:
        """Certificate of a release from `protect`.

        Args:
            release: result of `protect` of this object.
        """
        made = Certificate(
            release=ReleaseKind.IMAGE,
            method=self.name,
            protection="conversion",
            guarantee=release.guarantee,
            images=len(release),
            model=self.model.name,
            model_hash=self.model.digest,
        )
        if self.noise is None:
            return made
        mechanism, box = self.noise.mechanism, self.noise.box
        simulated = release.guarantee.basis == Basis.SIMULATION
        return replace(
            made,
            protection="conversion-gaussian",
            mechanism=Gaussian.name,
            nominal_epsilon=self.epsilon,
            scale=mechanism.sigma,
            grid_step=None if simulated else mechanisms.ExactRelease(mechanism).step,
            bounds=Bounds(float(box.lower), float(box.upper), box.source),
            sensitivity=self.noise.sensitivity,
        )


@torch.no_grad()
def classify(model: NoiseImageModel, images: Tensor, *, network: str = "service") -> Classified:
    """Classify images with the service or the explainer.

    Args:
        model: trained networks.
        images: (N, 3, S, S) in [-1, 1]; converted for the service, unconverted for the explainer.
        network: `service` or `explainer`.

    Raises:
        ValueError: an unknown network, or images that do not fit the model.

    Example:
        >>> classify(NoiseImageModel.example(), torch.zeros(2, 3, 8, 8)).labels.shape
        torch.Size([2])
    """
    model.check(images)
    if network not in NETWORKS:
        raise ValueError(
            f"network has no choice {network!r}{suggest(network, NETWORKS)}; allowed: {', '.join(NETWORKS)}"
        )
    judge = model.service if network == "service" else model.explainer
    best = torch.cat([judge(part).softmax(1) for part in model.placed(images).split(256)]).max(1)
    return Classified(best.indices, best.values, tuple(model.classes[i] for i in best.indices.tolist()))
