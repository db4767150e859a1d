# SPDX-License-Identifier: Apache-2.0
"""A small world to attack: correlated Gaussian latents, of which some codes are private."""

import pytest
import torch
from torch import Tensor

from semveil.attacks import Observation, PublicKnowledge
from semveil.mechanisms import ClipBox

CODES, SIZE = 6, 4


class World:
    """Latents x = A z / 2 with 8 common factors z and a little of their own; box so wide that it rarely
    clips.
    """

    def __init__(self) -> None:
        self.private = [1, 2, 4]
        self.rng = torch.Generator().manual_seed(5)
        self.loadings = torch.randn(8, CODES * SIZE, generator=self.rng) / 4
        self.box = ClipBox(-4.0, 4.0)
        self.public = PublicKnowledge(
            self.private, self.box, self.latents(4000), synthesize=lambda codes: codes
        )

    def latents(self, count: int) -> Tensor:
        factors = torch.randn(count, 8, generator=self.rng)
        own = 0.2 * torch.randn(count, CODES * SIZE, generator=self.rng)
        return self.box.clip((factors @ self.loadings + own).unflatten(1, (CODES, SIZE)))

    def hear(self, sent: Tensor, variance: float, noise_scale: float | None = None) -> Observation:
        """What Eve hears through additive noise of a variance per coordinate."""
        noise = variance**0.5 * torch.randn(sent.shape, generator=self.rng)
        return Observation(sent + noise, torch.full((len(sent),), variance), noise_scale)

    def error(self, estimate: Tensor, codes: Tensor) -> float:
        """Mean square error of the private codes as a share of their variance:
        1 is as good as the mean face.
        """
        estimate, codes = estimate[:, self.private], codes[:, self.private]
        return float((estimate - codes).square().mean() / (codes - codes.mean(0)).square().mean())


@pytest.fixture
def world() -> World:
    """New for each test, whose random numbers then do not depend on the tests before it."""
    return World()
