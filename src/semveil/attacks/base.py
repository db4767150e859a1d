# SPDX-License-Identifier: Apache-2.0
"""The interface of attacks that estimate latent codes, and two steps that they share."""

from typing import ClassVar, Protocol

import torch
from torch import Tensor

from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


class Attack(Protocol):
    """Maps an observation to Eve's estimate of the codes (B, K, D); `PublicKnowledge.synthesize` turns it into images.

    Attributes:
        name: that users select it by.
        knowledge: Eve's information besides the received signal, in words.
        needs: what must be given besides observation and public knowledge: `pairs` (`KnownPairs`), `repeats`
            and `recordings` (fields of the `Observation`), `deprotect` or `protect` (arguments of the
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
    ) -> Tensor:
        """Estimated codes (B, K, D).

        Args:
            observation: the received signal of B photos.
            public: the model, and latents of public faces.
            pairs: known transmissions, for attacks that need `pairs`; others ignore them.
            rng: the attack's own randomness; torch's default stream where None.

        Raises:
            ValueError: something that the attack needs is not given.
        """
        ...


def naive_decode(received: Tensor, public: PublicKnowledge) -> Tensor:
    """The received codes (B, K, D), the private block decoded without a key ([DPSC] Eq. 15).

    Args:
        received: (B, K, D), in latent units.
        public: the model, with `interpret`.
    """
    codes = received.clone()
    codes[:, public.private] = public.interpret(received[:, public.private])
    return codes


def impute_from_common(received: Tensor, variance: Tensor, public: PublicKnowledge) -> Tensor:
    """Posterior mean of all codes given the common ones, E[x | y_common], under the Gaussian prior.

    Args:
        received: (B, K, D); only the common codes are read.
        variance: (B, K), channel noise per real coordinate.
        public: the model, and latents of public faces.
    """
    return public.prior.posterior_mean(received[:, public.common], public.common, variance[:, public.common])


def require_pairs(pairs: KnownPairs | None, name: str) -> KnownPairs:
    """Return the known pairs of an attack that learns from them.

    Args:
        pairs: as passed to the attack.
        name: of the attack, for the message.

    Raises:
        ValueError: there are none.
    """
    if pairs is None:
        raise ValueError(
            f"attack {name!r} learns from known pairs; give it pairs=KnownPairs(received, codes)"
        )
    return pairs
