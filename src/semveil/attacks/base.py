# SPDX-License-Identifier: Apache-2.0
"""The interface of attacks that estimate latent codes, and two steps that they share."""

from typing import ClassVar, Protocol

import torch
from torch import Tensor

from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge


class Attack(Protocol):
    """Attack that maps an observation to Eve's estimate of the codes (B, K, D).

    `PublicKnowledge.synthesize` turns the estimate into images.

    Attributes:
        name: name by which users select the attack.
        knowledge: Eve's information in addition to the received signal, in words; results have the number
            of known transmissions in place of N.
        needs: inputs required in addition to observation and public knowledge: `pairs` (`KnownPairs`),
            `repeats` and `recordings` (fields of the `Observation`), `deprotect` or `protect` (constructor
            arguments).
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
        """Estimate the codes, (B, K, D).

        Args:
            observation: the received signal of B photos.
            public: public knowledge: the model, and latents of public faces.
            pairs: known transmissions, for attacks that need `pairs`; others ignore them.
            rng: source of the attack's own randomness; torch's default stream where None.

        Raises:
            ValueError: a required input is missing.
        """
        ...


def naive_decode(received: Tensor, public: PublicKnowledge) -> Tensor:
    """Received codes (B, K, D), with the private block decoded without a key ([DPSC] Eq. 15).

    Args:
        received: (B, K, D), in latent units.
        public: public knowledge, for `interpret`.
    """
    codes = received.clone()
    codes[:, public.private] = public.interpret(received[:, public.private])
    return codes


def impute_from_common(received: Tensor, variance: Tensor, public: PublicKnowledge) -> Tensor:
    """Posterior mean of all codes given the common ones, E[x | y_common], under the Gaussian prior.

    Args:
        received: (B, K, D); only the common codes are used.
        variance: (B, K), channel noise variance per real coordinate.
        public: public knowledge: the model, and latents of public faces.
    """
    return public.prior.posterior_mean(received[:, public.common], public.common, variance[:, public.common])


def require_pairs(pairs: KnownPairs | None, name: str) -> KnownPairs:
    """Return the known pairs, or raise if there are none.

    Args:
        pairs: pairs passed to the attack.
        name: name of the attack, for the error message.

    Raises:
        ValueError: `pairs` is None.
    """
    if pairs is None:
        raise ValueError(
            f"attack {name!r} learns from known pairs; give it pairs=KnownPairs(received, codes)"
        )
    return pairs
