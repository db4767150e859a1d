# SPDX-License-Identifier: Apache-2.0
"""Size of the side information of an image."""

import math

from torch import Tensor

from semveil.channels.keyed_part import KeyedPart
from semveil.channels.power import GAIN_BITS

TAG_BYTES = 16  # of ChaCha20-Poly1305, which seals the side information


def side_bits(gains: Tensor, keyed: KeyedPart | None) -> int:
    """Side information in bits of an image, were it sent alone: gain, norms, tag and nonce.

    Images of one message share a tag and a nonce; here each image has its own, so the count does not depend
    on how many images a message has.

    Args:
        gains: (B,) or (B, G), gains of the images of a message.
        keyed: nonce and sealed side information of all of them; None without a key.

    Example:
        >>> import torch
        >>> part = {"source": {"kind": "file"}, "parameters": {}, "authenticated": True}
        >>> keyed = KeyedPart(nonce=bytes(32), sealed=bytes(2 * 112 + 16), **part)
        >>> side_bits(torch.ones(2), keyed), side_bits(torch.ones(2), None)
        (1312, 32)
    """
    bits = GAIN_BITS * gains[0].numel()
    if keyed is None:
        return bits
    tag = TAG_BYTES if keyed.authenticated else 0
    norms = math.ceil((len(keyed.sealed) - tag) / len(gains))
    return bits + 8 * (norms + tag + len(keyed.nonce))
