# SPDX-License-Identifier: Apache-2.0
"""Genuine noise with per-block power normalisation, proposed in errata dp-semcom 7.

With a single gain for the whole message, genuine noise on the private codes takes nearly all the power. Here
private and common codes are normalised separately, at the same overall power per symbol, so the common codes
keep their power.
"""

import torch
from torch import Tensor

from semveil.channels import awgn, code_blocks, denormalise_power_blocks, normalise_power_blocks, pack, unpack
from semveil.methods.dp_semcom import DPSemCom


def blocks_link(
    method: DPSemCom, codes: Tensor, *, snr_db: float, noise: torch.Generator, channel: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Simulate a message whose private and common codes have separate gains.

    Args:
        method: method with genuine noise, which is not removed.
        codes: (B, K, D) latents.
        snr_db: SNR of the channel.
        noise: source of the protection's noise.
        channel: source of the channel noise.

    Returns:
        Bob's images, and his received codes (B, K, D).
    """
    sent, private = method.model.box.clip(codes), list(method.private_codes)
    sent[:, private] = method.protector.protect(sent[:, private], rng=noise).block
    blocks = code_blocks(method.private_codes, method.model.latent_shape)
    symbols, gains = normalise_power_blocks(pack(sent.flatten(1)), blocks)
    reals = unpack(denormalise_power_blocks(awgn(symbols, snr_db, rng=channel), gains, blocks))
    heard = reals.unflatten(1, method.model.latent_shape).clone()
    return method.synthesize(heard), heard
