"""Recordings only: Eve knows no photo behind any transmission, and learns from the codes that are sent in clear."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.attacks.base import impute_from_common
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge
from semveil.attacks.ridge import Ridge

SHRINKAGE = 0.02  # of the covariance of what is left, towards its diagonal


@dataclass(frozen=True)
class Recordings:
    """E[x | y_common] as an instrument: of each recording the common codes say what its private ones are like on average.

    With m = E[x_private | y_common] and y = A x_private + b + noise, regressing y on m gives A where m varies, since x - m
    is uncorrelated with m. Then x = m + S A' R^-1 (y - A m - b), S being the public covariance of x - m and R what the
    regression leaves. Where A cannot be seen (fresh noise or keys, or no code in clear) m remains, which is `impute`.
    """

    name: ClassVar[str] = "recordings"
    knowledge: ClassVar[str] = "the generator, public faces, N recorded transmissions of photos that she does not know"
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
            raise ValueError("attack 'recordings' learns from other transmissions; give Observation(..., recordings=...)")
        private, variance = public.private, observation.code_variance
        codes = impute_from_common(observation.received, variance, public)
        if not public.common:
            return public.box.clip(codes)
        like = variance.mean(0).expand(len(recordings), -1)
        expected = impute_from_common(recordings, like, public)[:, private].flatten(1)
        fitted = Ridge.fit(expected, recordings[:, private].flatten(1))
        left = recordings[:, private].flatten(1) - fitted.left_out
        rest = left.T @ left / len(left)
        rest = (1 - SHRINKAGE) * rest + SHRINKAGE * rest.diagonal().clamp_min(1e-8).diag()
        known = codes[:, private].flatten(1)
        surprise = observation.received[:, private].flatten(1) - fitted(known)
        spread = public.prior.given(public.common, private, variance.mean(0))
        gain = torch.linalg.solve(rest, fitted.weight.T @ spread)  # R^-1 A S
        codes[:, private] += (surprise @ gain).unflatten(1, (len(private), -1))
        return public.box.clip(codes)
