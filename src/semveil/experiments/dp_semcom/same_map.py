# SPDX-License-Identifier: Apache-2.0
"""The unprotected baseline of keyed rotation: the same public map without a key.

Rotation centres the private block by a public mean, halves the spread of its variances by a public
covariance, and transmits the norm to Bob. This improves Bob's reception without any key: no power is spent on
the public mean, directions of large variance are sent with less gain than those of small variance (under
white noise, power proportional to the standard deviation minimises the error), and noise along the known norm
is removed. A link without the map differs from Bob's in both map and key, a link with the map only in the
key.
"""

import math

import torch
from torch import Tensor

from semveil.channels import normalise_power, pack
from semveil.link.eves import over_the_air
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.protectors import Keyed
from semveil.methods.transmission import Transmission
from semveil.privacy.guarantee import Guarantee
from semveil.protection.code_rotation import CodeRotation
from semveil.protection.rotation import Rotation


def same_map_link(method: DPSemCom, codes: Tensor, *, snr_db: float, rng: torch.Generator) -> Tensor:
    """Return Bob's images if the private block is mapped as by `method`, but neither rotated nor masked.

    Args:
        method: method with protection `rotation`.
        codes: (B, K, D) latents.
        snr_db: SNR of the channel.
        rng: source of the channel noise.

    Raises:
        ValueError: the method has another protection.
    """
    keyed = method.protector
    if not isinstance(keyed, Keyed) or not isinstance(keyed.protection, Rotation | CodeRotation):
        raise ValueError(f"the public map is rotation's; protection {method.protection!r} has none")
    return method.synthesize(_heard(method, keyed.protection, codes, snr_db=snr_db, rng=rng))


def _heard(
    method: DPSemCom, rotation: Rotation | CodeRotation, codes: Tensor, *, snr_db: float, rng: torch.Generator
) -> Tensor:
    """Codes (B, K, D) received by Bob."""
    private, space, sent = list(method.private_codes), rotation.space, method.model.box.clip(codes)
    directions, norms = space.to_sphere(sent[:, private])
    mapped = directions * (space.signal * math.sqrt(space.dimension))
    sent[:, private] = mapped.view_as(sent[:, private]).to(sent)
    symbols, gains = normalise_power(pack(sent.flatten(1)))
    nothing = Guarantee.none(
        "nothing", reason="the latents are sent as they are", not_covered=("the whole photo",)
    )
    heard = method.heard_codes(over_the_air(Transmission(symbols, gains, nothing), snr_db, rng))
    heard[:, private] = space.from_sphere(heard[:, private].double().cpu().flatten(1), norms).to(heard)
    return heard
