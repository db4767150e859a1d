# SPDX-License-Identifier: Apache-2.0
"""What dp-semcom sends, and what all parties have of a simulated transmission."""

import json
from dataclasses import dataclass

from torch import Tensor

from semveil.channels import KeyedPart
from semveil.core.brief import Brief
from semveil.core.privacy import Guarantee


@dataclass(frozen=True, eq=False, repr=False)
class Transmission(Brief):
    """What crosses the channel, and the side information beside it.

    Attributes:
        symbols: (B, N) complex, N = K * D / 2, mean power 1 per symbol as sent.
        gains: (B,) factor by which power normalisation multiplied; computed from what is sent.
        guarantee: what holds for Eve, who hears the symbols.
        keyed: nonce and sealed side information of a keyed protection.
    """

    symbols: Tensor
    gains: Tensor
    guarantee: Guarantee
    keyed: KeyedPart | None = None

    def bound(self) -> bytes:
        """What sealed side information is bound to, beside its context; the symbols are analogue and are not."""
        said = [self.guarantee.as_dict(), [gain.hex() for gain in self.gains.double().tolist()]]
        return json.dumps(said, sort_keys=True, allow_nan=False).encode()


@dataclass(frozen=True, eq=False, repr=False)
class WiretapResult(Brief):
    """A simulated transmission; images (B, 3, H, W) about [-1, 1], not clamped.

    Attributes:
        source: the photos.
        inverted: what the generator makes of their clipped latents, before any channel.
        direct: Bob's image when the same latents are sent without protection over the same channel noise.
        bob, eve: what the two make of the protected signal.
        codes: (B, K, D) clipped latents.
        transmission: what was sent.
    """

    source: Tensor
    inverted: Tensor
    direct: Tensor
    bob: Tensor
    eve: Tensor
    codes: Tensor
    transmission: Transmission
