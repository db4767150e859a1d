# SPDX-License-Identifier: Apache-2.0
"""Genuine noise with per-block power normalisation, as errata dp-semcom 7 proposes: the common codes keep their power.

With a single gain for the whole message, genuine noise on the private codes takes nearly all the power. Here
private and common codes are normalised separately, at the same overall power per symbol.
"""

import torch
from torch import Tensor

from semveil.channels import awgn, code_blocks, denormalise_power_blocks, normalise_power_blocks, pack, unpack
from semveil.methods.dp_semcom import DPSemCom


def blocks_link(
    method: DPSemCom, codes: Tensor, *, snr_db: float, noise: torch.Generator, channel: torch.Generator
) -> tuple[Tensor, Tensor]:
    """What Bob sees of a message whose two blocks have gains of their own.

    Args:
        method: with genuine noise, which nobody takes off.
        codes: (B, K, D).
        snr_db: of the channel.
        noise: simulates the protection.
        channel: of the channel's noise.

    Returns:
        Bob's images, and the codes (B, K, D) that he hears.
    """
    sent, private = method.model.box.clip(codes), list(method.private_codes)
    sent[:, private] = method.protector.protect(sent[:, private], rng=noise).block
    blocks = code_blocks(method.private_codes, method.model.latent_shape)
    symbols, gains = normalise_power_blocks(pack(sent.flatten(1)), blocks)
    reals = unpack(denormalise_power_blocks(awgn(symbols, snr_db, rng=channel), gains, blocks))
    heard = reals.unflatten(1, method.model.latent_shape).clone()
    return method.synthesize(heard), heard
