# SPDX-License-Identifier: Apache-2.0
"""One photo at several SNRs: sent once, received at each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from semveil.channels.wiretap import AnySnr
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.transmission import WiretapResult


@dataclass(frozen=True)
class Point:
    """SNRs of both receivers in dB, and a name that is valid as a folder name.

    Attributes:
        bob, eve: SNRs in dB.
        name: such as `snr_5`; `snr_5_eve_0` if Eve has SNRs of her own.
    """

    bob: float
    eve: float
    name: str


def snr_points(snr_db: AnySnr, eve_snr_db: AnySnr | None, photos: int) -> list[Point]:
    """SNRs at which a single photo is received, if there are several.

    Args:
        snr_db: Bob's, one number or several.
        eve_snr_db: Eve's, one number or as many as Bob's; Bob's where None.
        photos: number of photos.

    Returns:
        One point for each SNR; none if there are several photos or a single SNR.

    Raises:
        ValueError: Bob and Eve have different numbers of SNRs, or a pair of SNRs is given twice.

    Example:
        >>> [point.name for point in snr_points([-5, 2.5], None, photos=1)]
        ['snr_-5', 'snr_2.5']
        >>> snr_points([-5, 2.5], None, photos=2)
        []
    """
    given = (snr_db, snr_db if eve_snr_db is None else eve_snr_db)
    if photos != 1 or any(isinstance(value, str) for value in given):
        return []  # `snrs` refuses texts
    bob, eve = (torch.as_tensor(value) for value in given)
    many = max(bob.numel(), eve.numel())
    if many < 2 or max(bob.ndim, eve.ndim) > 1:
        return []
    if {bob.numel(), eve.numel()} - {1, many}:
        raise ValueError(
            f"Bob has {bob.numel()} SNRs and Eve {eve.numel()}; give one number, or as many for both"
        )
    own = eve_snr_db is not None and eve.numel() > 1
    points: list[Point] = []
    for b, e in zip(bob.double().expand(many).tolist(), eve.double().expand(many).tolist(), strict=True):
        point = Point(b, e, f"snr_{b:.9g}" + (f"_eve_{e:.9g}" if own else ""))
        if point.name in {other.name for other in points}:
            raise ValueError(f"SNR {b:g} dB is given twice; give each once")
        points.append(point)
    return points


def transmit_at(
    points: Sequence[Point], method: DPSemCom, images: Tensor, codes: Tensor, **options: Any
) -> WiretapResult:
    """Send one photo once and receive it at several SNRs.

    There is one transmission under one key, hence one release, whatever the number of SNRs; channel noise is
    independent at each.

    Args:
        points: SNRs of both receivers.
        method: Alice's method.
        images: (1, 3, S, S), the photo.
        codes: (1, K, D), its latents.
        options: further arguments of `DPSemCom.transmit`.

    Returns:
        Images and codes with one row for each point, and the one transmission.
    """
    results: list[WiretapResult] = []
    for point in points:
        sent = results[0].transmission if results else None
        results.append(
            method.transmit(images, snr_db=point.bob, eve_snr_db=point.eve, codes=codes, sent=sent, **options)
        )
    fields = ("source", "inverted", "direct", "bob", "eve", "codes")
    stacked = {name: torch.cat([getattr(result, name) for result in results]) for name in fields}
    return WiretapResult(**stacked, transmission=results[0].transmission)
