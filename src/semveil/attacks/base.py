# SPDX-License-Identifier: Apache-2.0
"""What all attacks that rebuild codes share: their interface, and the two things each of them does."""

from typing import ClassVar, Protocol

import torch
from torch import Tensor

from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


class Attack(Protocol):
    """From an observation to Eve's estimate of the codes (B, K, D); what she makes of it in pixels is `synthesize`'s.

    `knowledge` says in words what she has beside the signal; `needs` names what must be given beyond observation and public
    knowledge: `pairs` (`KnownPairs`), `repeats` and `recordings` (of the `Observation`), `deprotect` or `protect` (to the
    constructor).
    """

    name: ClassVar[str]
    knowledge: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor: ...


def read_plainly(received: Tensor, public: PublicKnowledge) -> Tensor:
    """(B, K, D) as heard, with the private block read the way anybody can."""
    codes = received.clone()
    codes[:, public.private] = public.interpret(received[:, public.private])
    return codes


def impute_from_common(received: Tensor, variance: Tensor, public: PublicKnowledge) -> Tensor:
    """All codes from the common ones alone, under the Gaussian model: E[x | y_common].

    Args:
        received: (B, K, D); only the common codes are read.
        variance: (B, K) of the channel's noise.
        public: the model, and latents of public faces.
    """
    return public.prior.posterior_mean(received[:, public.common], public.common, variance[:, public.common])


def require_pairs(pairs: KnownPairs | None, name: str) -> KnownPairs:
    """The pairs, or an error that says what to give."""
    if pairs is None:
        raise ValueError(f"attack {name!r} learns from known pairs; give it pairs=KnownPairs(received, codes)")
    return pairs
