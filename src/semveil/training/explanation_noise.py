# SPDX-License-Identifier: Apache-2.0
"""The noise N on explanations in the training of noise-image's conversion ([NI] Eqs. 1, 3 and 7)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from semveil.core.registry import suggest
from semveil.mechanisms import Gaussian
from semveil.privacy.guarantee import Guarantee, Norm, Sensitivity
from semveil.recognition.guided_backpropagation import class_probabilities

CALIBRATIONS = ("corrected", "as_published", "as_released")
PLACES = ("scores", "map")
_SMALLEST = 1e-12  # keeps a map of zeros at zero


@dataclass(frozen=True)
class ExplanationNoise:
    """Gaussian noise on the class weights from which an explanation starts, or on its map.

    Noise on the class weights (the softmax of f'(g(x)), clipped to an L2 norm) mixes the map with those of
    other classes. It acts only in the training loss, once per image and step, and not on any released image,
    so its guarantee does not cover g(x).

    Args:
        epsilon: budget of one explanation, positive.
        delta: in (0, 1).
        calibration: `corrected`: the analytic Gaussian mechanism for the sensitivity that follows from
            clipping. `as_published`: the classical sqrt(2 ln(1.25/delta)) / epsilon with sensitivity 1.
            `as_released`: 2 ln(1.25/delta) / epsilon^2 of the public code, a variance used as standard
            deviation.
        place: `scores` or `map`.
        clip: L2 norm to which class weights, or a map, are clipped. Class weights are not negative, so two of
            them differ by at most sqrt(2) times this norm, and two maps by at most twice this norm.

    Raises:
        ValueError: a value is out of range, or a choice is unknown.

    Example:
        >>> [round(ExplanationNoise(0.1, 1e-5, calibration=name).std, 1) for name in CALIBRATIONS]
        [43.5, 48.4, 2347.2]
    """

    epsilon: float = 0.9
    delta: float = 1e-5
    calibration: str = "corrected"
    place: str = "scores"
    clip: float = 1.0

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("calibration", self.calibration, CALIBRATIONS),
            ("place", self.place, PLACES),
        ):
            if value not in allowed:
                raise ValueError(
                    f"{name} has no choice {value!r}{suggest(value, allowed)}; allowed: {', '.join(allowed)}"
                )
        if not (self.epsilon > 0 and 0 < self.delta < 1 and self.clip > 0):
            raise ValueError(f"epsilon and clip must be positive and delta in (0, 1), got {self}")

    def sensitivity(self, dimension: int) -> Sensitivity:
        """Largest L2 distance between the noised quantities of two pictures.

        Args:
            dimension: number of class weights, or of values of a map.
        """
        if self.place == "map":
            return Sensitivity(2 * self.clip, Norm.L2, dimension, source="clipped maps")
        apart = math.nextafter(math.sqrt(2) * self.clip, math.inf)
        return Sensitivity(apart, Norm.L2, dimension, source="clipped class weights, none negative")

    @property
    def std(self) -> float:
        """Standard deviation of the noise on each class weight, or each value of the map."""
        if self.calibration == "corrected":
            return Gaussian.calibrate(self.sensitivity(1), self.epsilon, self.delta).sigma
        variance = 2 * math.log(1.25 / self.delta) / self.epsilon**2
        return math.sqrt(variance) if self.calibration == "as_published" else variance

    def guarantee(self, dimension: int) -> Guarantee:
        """Guarantee of one noisy explanation with the actual noise, whatever epsilon was requested.

        Args:
            dimension: number of class weights, or of values of a map.
        """
        return Gaussian(self.std, self.delta).guarantee(
            self.sensitivity(dimension),
            covers=(
                f"the {'class weights' if self.place == 'scores' else 'map'} of one explanation in one "
                "training step"
            ),
            not_covered=(
                "the converted picture",
                "the clean picture's map and its noised copy, which are in the loss as well",
            ),
        )

    def on_weights(self, scores: Tensor, *, rng: torch.Generator) -> Tensor:
        """Class weights (B, classes) for the explanation, noisy if `place` is `scores`.

        Args:
            scores: (B, classes), before the softmax.
            rng: source of the noise.
        """
        weights = class_probabilities(scores)
        return self._noisy(weights, rng) if self.place == "scores" else weights

    def on_maps(self, maps: Tensor, *, rng: torch.Generator) -> Tensor:
        """Explanation maps (B, 3, H, W); if `place` is `map`, scaled to L2 norm `clip` and noisy.

        Args:
            maps: (B, 3, H, W).
            rng: source of the noise.
        """
        if self.place == "scores":
            return maps
        return self._noisy(maps * (self.clip / _norms(maps).clamp_min(_SMALLEST)), rng)

    def _noisy(self, values: Tensor, rng: torch.Generator) -> Tensor:
        clipped = values * (self.clip / _norms(values).clamp_min(self.clip))
        return clipped + self.std * torch.randn(values.shape, generator=rng).to(values.device)


def _norms(values: Tensor) -> Tensor:
    """L2 norms (B, 1, ...) of records (B, ...)."""
    return torch.linalg.vector_norm(values, dim=tuple(range(1, values.ndim)), keepdim=True)
