# SPDX-License-Identifier: Apache-2.0
# %% [markdown]
# # An attack of your own
#
# An attack receives Eve's data under the threat model, an `Observation` and `PublicKnowledge`, and returns
# codes. This one finds the public face with the common codes nearest to the received ones (they are sent
# in the clear), and returns its private codes.

# %%
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

import semveil
from semveil.attacks import Direct, KnownPairs, Linear, Observation, PublicKnowledge
from semveil.channels.awgn import awgn
from semveil.link.eves import Traffic, listen


@dataclass(frozen=True)
class Lookalike:
    """Private codes of the public face that is nearest in the common ones."""

    name: ClassVar[str] = "lookalike"
    knowledge: ClassVar[str] = "the generator and public faces"
    needs: ClassVar[tuple[str, ...]] = ()

    def __call__(
        self,
        observation: Observation,
        public: PublicKnowledge,
        *,
        pairs: KnownPairs | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        heard = observation.received
        distance = torch.cdist(
            heard[:, public.common].flatten(1), public.latents[:, public.common].flatten(1)
        )
        found = public.latents[distance.argmin(1)]
        guess = heard.clone()
        guess[:, public.private] = found[:, public.private]
        return guess


# %% [markdown]
# Alice sends faces under the paper's networks. Eve receives them at 20 dB, and knows the photos of 600
# earlier transmissions.

# %%
rng = torch.Generator().manual_seed(0)
method = semveil.load_method("dp-semcom", protection="nn", epsilon=10.0)
target = method.model.box.clip(method.model.public_latents(32, rng=rng))
known = method.model.public_latents(600, rng=rng)
sent = method.send_codes(target)
heard = replace(sent, symbols=awgn(sent.symbols, 20.0, rng=rng))
traffic = Traffic.of(method, target, shots=1, known=known)
eve = listen(method, heard, traffic, snr_db=20.0, latents=known, rng=rng)

# %% [markdown]
# Comparison with two of semveil's own attacks, by the mean square error of the private codes. The faces are
# drawn from the generator's prior, in which codes are nearly independent; the common codes of real photos
# reveal more.

# %%
private = list(method.private_codes)
errors = {}
for attack in (Direct(), Lookalike(), Linear()):
    codes = attack(eve.observation, eve.public, pairs=eve.pairs, rng=rng)
    errors[attack.name] = (codes - target)[:, private].square().mean().item()
    print(f"{attack.name:10} {errors[attack.name]:8.4f}   knows {attack.knowledge}")
assert errors["linear"] < errors["direct"]  # the paper's networks are undone by regression

# %% [markdown]
# `ATTACKS.add(Lookalike.name, Lookalike)` makes `semveil.link.attack_message` run it too.
