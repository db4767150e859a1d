# SPDX-License-Identifier: Apache-2.0
"""Transmission of dp-semcom, and the images of all parties in a simulation."""

import json
from dataclasses import dataclass

from torch import Tensor

from semveil.channels import KeyedPart, side_bits
from semveil.core.brief import Brief
from semveil.privacy.guarantee import Guarantee


@dataclass(frozen=True, eq=False, repr=False)
class Transmission(Brief):
    """Symbols on the channel, and the side information.

    Attributes:
        symbols: (B, N) complex, N = K * D / 2, mean power 1 per symbol as transmitted.
        gains: (B,) factor of the power normalisation, computed from the transmitted block.
        guarantee: guarantee against Eve, who receives the symbols.
        keyed: nonce and sealed side information of a keyed protection.
    """

    symbols: Tensor
    gains: Tensor
    guarantee: Guarantee
    keyed: KeyedPart | None = None

    def side_bits(self) -> int:
        """Side information in bits of an image, were it sent alone: gain, norms, tag and nonce."""
        return side_bits(self.gains, self.keyed)

    def bound(self) -> bytes:
        """Bytes to which sealed side information is bound besides its context; not the analogue symbols."""
        said = [self.guarantee.as_dict(), [gain.hex() for gain in self.gains.double().tolist()]]
        return json.dumps(said, sort_keys=True, allow_nan=False).encode()


@dataclass(frozen=True, eq=False, repr=False)
class WiretapResult(Brief):
    """Result of a simulated transmission, with images (B, 3, H, W) about [-1, 1], not clamped.

    Attributes:
        source: the photos.
        inverted: images synthesised from the clipped latents, without a channel.
        direct: Bob's images if the same latents are transmitted without protection over a channel of the same
            kind and SNR, with independent noise.
        bob, eve: the two receivers' images from the protected signal.
        codes: (B, K, D) clipped latents.
        transmission: Alice's transmission.
    """

    source: Tensor
    inverted: Tensor
    direct: Tensor
    bob: Tensor
    eve: Tensor
    codes: Tensor
    transmission: Transmission
