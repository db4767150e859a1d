# SPDX-License-Identifier: Apache-2.0
"""The digital side of the experiments over channels: faces as files or as latents, sealed, at capacity or by 5G's codes."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.channels import Link
from semveil.core.pixels import to_pixels, to_tensor
from semveil.core.rng import streams
from semveil.experiments.dp_semcom.link_bench import LinkBench, measured
from semveil.methods.latent_codec import LEAST_BYTES, LatentCodec
from semveil.radio.codecs import CODECS
from semveil.radio.digital import LOST, SEAL_BYTES, WAYS, Carrier, seal, seal_picture, shown_picture, unseal

KEY = bytes(32)  # nobody is kept out of a measurement
LATENTS = "latents"


def kinds() -> tuple[str, ...]:
    """What is sent digitally: the aligned face by each codec that this Pillow has, and semveil's latents."""
    return (*(codec for codec in CODECS if CODECS[codec].available()), LATENTS)


def ways(wanted: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """How it is carried: `bound`, and `5g` where Sionna is; and what is said of that in a result's config.

    Args:
        wanted: of the two.
    """
    try:
        return tuple(wanted), f"sionna-no-rt {version('sionna-no-rt')}"
    except PackageNotFoundError:
        return tuple(way for way in wanted if way != "5g"), "not measured: 5G's codes need the extra channels"


def digital_point(
    bench: LinkBench,
    kind: str,
    way: str,
    *,
    link: Link,
    symbols: int,
    made_for_db: float,
    snrs_db: Sequence[float],
    outage: float,
) -> dict[str, Any]:
    """Every face sent once at each SNR by a sender who counts on one: bytes, headers, and what Bob shows.

    Args:
        bench: the faces.
        kind: a codec, or `latents`.
        way: `bound` or `5g`.
        link: channel and receiver.
        symbols: payload of a face.
        made_for_db: SNR that size, modulation and code are chosen for.
        snrs_db: that are met.
        outage: that the sender allows.
    """
    carrier = WAYS[way](link, symbols, made_for_db, outage=outage)
    sent, sizes, headers = _sealed(bench, kind, carrier)
    said = {"kind": kind, "way": way, "bytes": None if carrier is None else carrier.size, "file": sizes, "header": headers}
    bob = [
        {"snr_db": snr, **_received(bench, kind, carrier, sent, link, snr, streams(bench.preset.seed)[f"{kind} {way} {snr:g}"])}
        for snr in snrs_db
    ]
    return {**said, "bob": bob}


def _sealed(
    bench: LinkBench, kind: str, carrier: Carrier | None
) -> tuple[list[bytes | None], list[int | None], list[int | None]]:
    """What is sent for each face, bytes of the file in it, and how many of them describe it; None where nothing fits."""
    nothing = [None] * len(bench.images)
    if carrier is None or (kind == LATENTS and carrier.size < SEAL_BYTES + LEAST_BYTES):
        return list(nothing), list(nothing), list(nothing)
    if kind == LATENTS:
        codec = LatentCodec(bench.model)
        coded = [codec.encode(codes, carrier.size - SEAL_BYTES) for codes in bench.codes]
        return [seal(data, KEY) for data in coded], [len(data) for data in coded], [1] * len(coded)  # the quantiser's step
    found = [seal_picture(face, KEY, codec=kind, size=carrier.size) for face in to_pixels(bench.images)]
    return (
        [None if one is None else one.data for one in found],
        [None if one is None else one.file for one in found],
        [None if one is None else one.header for one in found],
    )


def _received(
    bench: LinkBench,
    kind: str,
    carrier: Carrier | None,
    sent: Sequence[bytes | None],
    link: Link,
    snr_db: float,
    rng: torch.Generator,
) -> dict[str, Any]:
    """What Bob shows of all faces, measured; and the share that he lost."""
    heard = [None if data is None or carrier is None else carrier.send(data, link, snr_db, rng) for data in sent]
    lost = sum(unseal(data, KEY) is None for data in heard) / len(heard)
    return {"lost": lost, **measured(bench, _shown(bench, kind, heard))}


def _shown(bench: LinkBench, kind: str, heard: Sequence[bytes | None]) -> Tensor:
    if kind != LATENTS:
        return to_tensor([shown_picture(data, KEY, (bench.model.size, bench.model.size, 3)) for data in heard])
    codec, plain = LatentCodec(bench.model), [unseal(data, KEY) for data in heard]
    grey = to_tensor([np.full((bench.model.size, bench.model.size, 3), LOST, np.uint8)])[0]
    with torch.inference_mode():
        pictures = [grey if p is None else bench.model.generator.synthesize(codec.decode(p)[None])[0] for p in plain]
    return torch.stack(pictures)
