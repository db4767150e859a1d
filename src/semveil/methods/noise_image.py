# SPDX-License-Identifier: Apache-2.0
"""noise-image: pictures that look like noise to people and that a classifier still reads [NI].

Hyeong-Geon Kim, Jinmyeong Shin, Yoon-Ho Choi, "Human-Unrecognizable Differential Private Noised Image
Generation Method", Sensors 24, 3166, 2024. The client converts, y = g(x), and sends y; the service
classifies, f(y). How g and f are trained is in `training.noise_image`; what the paper leaves open or gets
wrong is in `docs/methods/noise-image.md`.
"""

import copy
import os
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from semveil import mechanisms
from semveil.core.model_folders import ModelName
from semveil.core.registry import suggest
from semveil.mechanisms import ClipBox, Gaussian
from semveil.methods.options import Option, Shown
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
    """The service's answer.

    Attributes:
        labels: (N,) the class of each picture, from 0.
        probabilities: (N,) that the network gives that class.
        names: the class's name, for each picture.
    """

    labels: Tensor
    probabilities: Tensor
    names: tuple[str, ...]


@dataclass(frozen=True)
class OutputNoise:
    """Gaussian noise on values in [-1, 1], which are made smaller before, so that hardly any noise is lost in 8 bits.

    With b = 1 / (1 + 3 sigma), sigma being the noise that [-1, 1] needs, values lie in [-b, b] and get noise
    of b sigma: three standard deviations from the edge of the box end at 1. The factor is public, so epsilon
    is that of sigma on [-1, 1].

    Attributes:
        box: [-b, b].
        mechanism: calibrated to it.
        sensitivity: largest distance of two pictures in the box.
    """

    box: ClipBox
    mechanism: Gaussian
    sensitivity: Sensitivity

    @classmethod
    def calibrate(cls, values: int, epsilon: float, delta: float) -> "OutputNoise":
        """The noise for images of a given number of values, with the box in which sums of image and noise fit into 8 bits.

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
        """Noisy copies of images about [-1, 1], which are clamped to it; without `rng` a release's, drawn exactly."""
        small = self.box.clip(float(self.box.upper) * RANGE.clip(images))
        return (
            mechanisms.ExactRelease(self.mechanism)(small) if rng is None else self.mechanism(small, rng=rng)
        )


class NoiseImage(Shown):
    """Converts pictures, y = g(x), so that only a classifier reads them ([NI] section 3.1, phase 3).

    Nothing is guaranteed: g is deterministic, the same picture always gives the same y, and the noise that
    the paper calls differential privacy acts in the training loss only, behind g. With an epsilon, y is g(x)
    + Gaussian noise, calibrated to the range of tanh: (epsilon, delta)-private for any two pictures (local
    differential privacy), at the price of the accuracy that the noise leaves. The sum is brought to the range
    of 8 bits, see `OutputNoise`.

    Args:
        model: trained networks, or their name.
        epsilon: of each picture; without it, the paper's deterministic conversion.
        delta: of the noise; 1e-5 by default.

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
    hides: ClassVar[str] = "the picture from people; a classifier still reads its class"
    leaves: ClassVar[str] = "part of the picture, to an inverter trained for it"
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
        self.model = load_noise_image_model(model) if isinstance(model, str | os.PathLike) else model
        self.epsilon, self.delta = epsilon, DELTA if delta is None else delta
        self.noise: OutputNoise | None = None
        if epsilon is not None:
            self.noise = OutputNoise.calibrate(3 * self.size**2, epsilon, self.delta)

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "NoiseImage":
        """The same method with its networks on another device or in another precision; exact noise stays on the CPU.

        Args:
            device: such as `cuda:1`, see `core.device.choose_device`.
            dtype: float32 or float64.
        """
        there = copy.copy(self)
        there.model = self.model.to(device, dtype)
        return there

    @property
    def size(self) -> int:
        return self.model.size

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
        """Converted images, with Gaussian noise where the method has an epsilon.

        With noise all but about one in 700 values lie in [-1, 1].

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
        """The guarantee for each picture alone.

        Args:
            simulated: the noise comes from a seeded stream rather than the operating system.
        """
        if self.noise is None:
            reason = "the conversion is deterministic: the same picture always gives the same output"
            return Guarantee.none(COVERED.words, reason=reason).about(COVERED)
        law = self.noise.mechanism if simulated else mechanisms.ExactRelease(self.noise.mechanism)
        rests_on = ("the networks were trained without the pictures that are protected",)
        return law.guarantee(self.noise.sensitivity, assumptions=rests_on).about(COVERED)

    def certificate(self, release: Release) -> Certificate:
        """The certificate of a release from `protect`."""
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
    """The service: the class of each picture.

    Args:
        model: trained networks.
        images: (N, 3, S, S) in [-1, 1], converted for the service, as they are for the explainer.
        network: `service` or `explainer`.

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
