# SPDX-License-Identifier: Apache-2.0
"""Differentially private stochastic gradient descent (DP-SGD, Abadi et al., CCS 2016).

It protects membership in the training set, but not the images that a trained network processes later.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from semveil.core.errors import SemveilError
from semveil.core.rounding import text_above
from semveil.privacy.guarantee import Basis, Guarantee

# relative to the clip; the accountant's bound is flat far below this, since it uses finitely many orders
_LARGEST_NOISE = 1e6


@dataclass(frozen=True)
class Phase:
    """Steps of one network, for the accountant.

    Attributes:
        name: name of the trained network.
        rate: sampling probability of each image per batch, in (0, 1]; batches are drawn independently.
        steps: number of steps.
    """

    name: str
    rate: float
    steps: int


@dataclass(frozen=True)
class DPSGD:
    """Settings of private gradients.

    Attributes:
        noise: standard deviation of the noise on a sum of clipped gradients, relative to `clip`.
        clip: L2 norm to which each image's gradient is clipped.
        learning_rate: learning rate of Adam.
    """

    noise: float
    clip: float = 1.0
    learning_rate: float = 2e-3


def spent(phases: Sequence[Phase], noise: float, delta: float) -> float:
    """Total epsilon of all phases under one accountant.

    Uses Rényi differential privacy of the subsampled Gaussian mechanism (Mironov et al., 2019). Neighbours
    are training sets with and without one image, not with one replaced.

    Args:
        phases: every use of the private images.
        noise: noise multiplier (relative to the clip), the same in all phases.
        delta: in (0, 1); meaningful below 1 over the number of images.

    Raises:
        SemveilError: opacus is not installed.
    """
    opacus = _opacus()
    accountant = opacus.accountants.RDPAccountant()
    accountant.history.extend((noise, phase.rate, phase.steps) for phase in phases)
    with warnings.catch_warnings():
        # ignore the warning that the best order is the last one listed: the bound holds at every order
        warnings.simplefilter("ignore")
        return max(0.0, float(accountant.get_epsilon(delta)))


def noise_for(phases: Sequence[Phase], epsilon: float, delta: float) -> float:
    """Least noise multiplier, within 0.1 %, for which all phases together spend at most epsilon.

    Args:
        phases: every use of the private images.
        epsilon: total budget, positive and finite.
        delta: in (0, 1).

    Raises:
        ValueError: epsilon or delta out of range, or epsilon below the least that the accountant can prove at
            this delta.
        SemveilError: opacus is not installed.
    """
    if not (0 < epsilon < math.inf and 0 < delta < 1):
        raise ValueError(
            f"epsilon must be positive and finite and delta in (0, 1), got {epsilon} and {delta}"
        )
    least = spent(phases, _LARGEST_NOISE, delta)
    if least > epsilon:
        raise ValueError(
            f"no noise is known to spend at most epsilon {epsilon:g} at delta {delta:g}: the accountant's "
            f"bound does not fall below {text_above(least, 3)}; ask for more, or for a larger delta"
        )
    low, high = 0.0, 1.0
    while spent(phases, high, delta) > epsilon:
        low, high = high, 2 * high
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if spent(phases, middle, delta) > epsilon else (low, middle)
    return high


def training_guarantee(phases: Sequence[Phase], noise: float, delta: float, *, pictures: int) -> Guarantee:
    """Guarantee for each training image and its label.

    Args:
        phases: every use of the private images.
        noise: noise multiplier: standard deviation over the clipping norm.
        delta: in (0, 1).
        pictures: number of private images.

    Raises:
        SemveilError: opacus is not installed.
    """
    return Guarantee(
        spent(phases, noise, delta),
        covers=f"each of the {pictures} training pictures with its label, in the weights of: "
        + ", ".join(dict.fromkeys(phase.name for phase in phases)),
        basis=Basis.SIMULATION,
        delta=delta,
        assumptions=(
            "neighbours are training sets with and without one picture",
            "every batch holds each picture with the same chance, independently of the others",
            "settings were chosen without looking at these pictures",
            "pictures that are converted later are not covered",
        ),
    )


class PrivateTrainer:
    """DP-SGD training of one network, one step at a time.

    Args:
        network: changed in place; must not use batch norm, which mixes the images of a batch.
        phase: its steps.
        settings: clip, noise and learning rate.
        pictures: number of images in the training set.
        rng: source of batches and noise.

    Raises:
        SemveilError: opacus is not installed.
        ValueError: the network uses batch norm.
    """

    def __init__(
        self, network: nn.Module, phase: Phase, settings: DPSGD, *, pictures: int, rng: torch.Generator
    ) -> None:
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
            raise ValueError(
                "batch norm mixes the pictures of a batch, so no gradient is that of one picture; leave it "
                "out"
            )
        opacus = _opacus()
        self._phase, self._pictures, self._rng, self._taken = phase, pictures, rng, 0
        self._network = network.train()
        self._module = opacus.GradSampleModule(network)
        self._module.disable_hooks()  # losses of other networks may pass through this one
        self._optimiser = opacus.optimizers.DPOptimizer(
            torch.optim.Adam(network.parameters(), settings.learning_rate),
            noise_multiplier=settings.noise,
            max_grad_norm=settings.clip,
            expected_batch_size=max(1, round(phase.rate * pictures)),
            generator=rng,
        )

    def step(self, loss: Callable[[Tensor], Tensor]) -> None:
        """Take one step on a new batch.

        Args:
            loss: maps the rows of the batch to the mean of a per-image loss over them; it may call the
                network several times.

        Raises:
            ValueError: all steps that were accounted for are taken.
        """
        if self._taken == self._phase.steps:
            raise ValueError(
                f"{self._phase.name}: the accountant knows of {self._phase.steps} steps, no further one is "
                "paid for"
            )
        self._taken += 1
        rows = (torch.rand(self._pictures, generator=self._rng) < self._phase.rate).nonzero().flatten()
        self._optimiser.zero_grad()
        if len(rows):
            with warnings.catch_warnings():
                # images need no gradient
                warnings.filterwarnings("ignore", "Full backward hook is firing", UserWarning)
                self._module.enable_hooks()
                loss(rows).backward()
                self._module.disable_hooks()
        else:  # an empty batch: only noise
            for parameter in self._network.parameters():
                parameter.grad_sample = parameter.new_zeros(0, *parameter.shape)  # type: ignore[attr-defined]
        self._optimiser.step()

    def finish(self) -> None:
        """Remove the hooks and freeze the network in evaluation mode."""
        self._module.to_standard_module()
        self._network.eval().requires_grad_(False)


def _opacus() -> Any:
    """Import opacus, which is used only here."""
    try:
        import opacus
        import opacus.accountants
        import opacus.optimizers
    except ImportError as error:
        raise SemveilError(
            "private training needs opacus; install it with: pip install 'semveil[dp-sgd]'"
        ) from error
    return opacus
