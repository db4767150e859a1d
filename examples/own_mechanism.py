# SPDX-License-Identifier: Apache-2.0
# %% [markdown]
# # A mechanism of your own, with its privacy map
#
# A mechanism adds noise, and its `guarantee` maps a sensitivity to an epsilon. Logistic noise serves as
# the example. Its density is $f(n) = e^{-n/s} / (s (1 + e^{-n/s})^2)$, whose logarithm has a slope of at
# most $1/s$ everywhere. So two records that differ by $\Delta_1$ in L1 have output densities within a
# factor of $e^{\Delta_1/s}$: **epsilon is $\Delta_1/s$**.

# %%
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from semveil import Guarantee, Sensitivity
from semveil.audit import Verdict, law_game, play
from semveil.mechanisms import base
from semveil.privacy.guarantee import Norm


@dataclass(frozen=True)
class Logistic:
    """Adds independent logistic noise of a scale to every coordinate; epsilon = Delta_1 / scale."""

    scale: float
    name: ClassVar[str] = "logistic"

    def __call__(self, x: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        base.check_records(x)
        uniform = torch.rand(x.shape, generator=rng, dtype=torch.float64).clamp_min(
            torch.finfo(torch.float64).tiny
        )
        return base.add_noise(x, self.scale * torch.logit(uniform))

    def guarantee(
        self,
        sensitivity: Sensitivity,
        *,
        covers: str = base.EVERYTHING,
        not_covered: Sequence[str] = (),
        assumptions: Sequence[str] = (),
    ) -> Guarantee:
        base.require_norm(sensitivity, Norm.L1, "logistic noise")
        return base.simulated_guarantee(
            sensitivity.value / self.scale,
            covers=covers,
            sensitivity_basis=sensitivity.basis,
            not_covered=not_covered,
            assumptions=assumptions,
        )

    def coordinate_std(self, dimension: int) -> float:
        return self.scale * np.pi / np.sqrt(3)

    @classmethod
    def calibrate(cls, sensitivity: Sensitivity, epsilon: float) -> "Logistic":
        base.require_norm(sensitivity, Norm.L1, "logistic noise")
        return cls(base.calibrated_ratio(sensitivity, epsilon))

    @classmethod
    def example(cls) -> "tuple[Logistic, Sensitivity]":
        return cls(2.0), Sensitivity(4.0, Norm.L1, 6, source="an example")


# %% [markdown]
# The basis of the claim is `simulation`, because noise drawn in floats has gaps that reveal the record; a
# release needs an exact sampler (`semveil.mechanisms.exact.release`).

# %%
sensitivity = Sensitivity(1.0, Norm.L1, 1, source="a number in [0, 1]")
mechanism = Logistic.calibrate(sensitivity, epsilon=1.0)
claim = mechanism.guarantee(sensitivity)
print(claim.summary())

# %% [markdown]
# Now try to refute it. The auditor draws many outputs for two records at the largest allowed distance, and
# searches for an event that contradicts the claim. A `pass` means that a doubled epsilon would have been
# detected.


# %%
def audit(noise: Logistic, claimed: Guarantee) -> Verdict:
    """Play two opposite inputs against the claim, and print what that shows.

    Args:
        noise: the mechanism.
        claimed: for numbers in [0, 1].
    """
    rng = torch.Generator().manual_seed(3)
    game = law_game(
        "logistic", "opposite ends", lambda x: noise(x, rng=rng), [np.zeros(1), np.ones(1)], claimed
    )
    finding = play(game, draws=200_000)
    print(f"claimed {claimed.epsilon:g}, shown at least {finding.lower:.3f}: {finding.verdict}")
    return finding.verdict


assert audit(mechanism, claim) == Verdict.PASS

# %% [markdown]
# An audit that cannot fail is worthless. Half the noise under the same claim is detected:

# %%
assert audit(Logistic(mechanism.scale / 2), claim) == Verdict.VIOLATED
