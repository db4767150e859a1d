# SPDX-License-Identifier: Apache-2.0
"""Ciphertext-only attack that learns from recorded transmissions of unknown photos.

The common codes, which are transmitted in clear, serve as an instrument.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import impute_from_common
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge
from semveil.attacks.ridge import Ridge

SHRINKAGE = 0.02  # of the residual covariance towards its diagonal


@dataclass(frozen=True)
class Recordings:
    """Instrumental-variable regression with E[x_private | y_common] as the instrument.

    With m = E[x_private | y_common] and y = A x_private + b + noise, regressing y on m gives A where m
    varies, since x - m is uncorrelated with m. Then x = m + S A' R^-1 (y - A m - b), where S is the public
    covariance of x - m and R the residual covariance of the regression; fitted on one half of the recordings
    and weighted on the other. If A is not identifiable (fresh noise or keys, or no common codes) the estimate
    is m, as in `impute`.
    """

    name: ClassVar[str] = "recordings"
    knowledge: ClassVar[str] = (
        "the generator, public faces, N recorded transmissions of photos that she does not know"
    )
    needs: ClassVar[tuple[str, ...]] = ("recordings",)

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        recordings = observation.recordings
        if recordings is None:
            raise ValueError(
                "attack 'recordings' learns from other transmissions; give Observation(..., recordings=...)"
            )
        private, variance = public.private, observation.code_variance
        codes = impute_from_common(observation.received, variance, public)
        if not public.common:
            return public.box.clip(codes)
        like = variance.mean(0).expand(len(recordings), -1)
        expected = impute_from_common(recordings, like, public)[:, private].flatten(1)
        spread = public.prior.given(public.common, private, variance.mean(0))
        received = recordings[:, private].flatten(1)
        halves = [_Half.learn(expected[part::2], received[part::2], spread) for part in (0, 1)]
        known, received = codes[:, private].flatten(1), observation.received[:, private].flatten(1)
        steps = [
            half.worth(other) * ((received - half.fitted(known)) @ half.gain)
            for half, other in (halves, halves[::-1])
        ]
        codes[:, private] += torch.stack(steps).mean(0).unflatten(1, (len(private), -1))
        return public.box.clip(codes)


@dataclass(frozen=True, eq=False)
class _Half:
    """Regression fitted on half of the recordings.

    Attributes:
        fitted: regression of y on m.
        across: (q, q) A S, covariance of the residual y - E[y | m] with x - m.
        rest: (q, q) R, covariance of the residual y - E[y | m].
        gain: (q, q) R^-1 A S.
    """

    fitted: Ridge
    across: Tensor
    rest: Tensor
    gain: Tensor

    @classmethod
    def learn(cls, expected: Tensor, received: Tensor, spread: Tensor) -> "_Half":
        fitted = Ridge.fit(expected, received)
        left = received - fitted.left_out
        rest = left.T @ left / len(left)
        rest = (1 - SHRINKAGE) * rest + SHRINKAGE * rest.diagonal().clamp_min(1e-8).diag()
        across = fitted.weight.T @ spread
        return cls(fitted, across, rest, torch.linalg.solve(rest, across))

    def worth(self, other: "_Half") -> Tensor:
        """Best factor (q,) of the gain per coordinate, judged by recordings from which it was not learnt."""
        power = (self.gain * (other.rest @ self.gain)).sum(0).clamp_min(1e-12)
        return ((self.gain * other.across).sum(0) / power).clamp(0, 1)
