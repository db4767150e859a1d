# SPDX-License-Identifier: Apache-2.0
"""Analogue messages with repetition and digital ones at given channel uses, overhead included.

All overhead except headers is counted. Digital messages carry faces as image files or as latents, encrypted,
at capacity or with 5G's codes.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.channels import Link, bandwidth
from semveil.core.rng import streams
from semveil.experiments.dp_semcom.link_bench import load, measured, side_bits
from semveil.experiments.dp_semcom.security import Bench
from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.statistics import value
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.link.eves import hear
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.latent_codec import LEAST_BYTES, LatentCodec
from semveil.radio.codecs import CODECS
from semveil.radio.digital import LOST, SEAL_BYTES, WAYS, Carrier, seal, seal_picture, shown_picture, unseal

WORSE_DB = 1.0
ANALOGUE = "rotation"
KEY = bytes(32)  # a measurement needs no secret key
LATENTS = "latents"
LENGTHS = ("message", "sent", "uses per value", "bytes", "file", "header")  # heads of `lengths`
TOLD = (
    "Bytes are those that fit the channel; file (header included) and header in bytes are means over photos. "
    "The analogue message's side information is counted and arrives without errors."
)


def load_digital(run: Run) -> Bench:
    """Load the inputs of a run over channels, and note whether 5G's codes are installed.

    Args:
        run: the run; its preset is a `LinkPreset`.
    """
    bench = load(run)
    return replace(bench, config={**bench.config, "ldpc": ways(bench.preset.ways)[1]})


def analogue(bench: Bench, repetitions: int) -> dict[str, Any]:
    """Measure the keyed message repeated over AWGN and averaged; its side information arrives without errors.

    Args:
        bench: inputs of the run; the preset sets the SNR.
        repetitions: number of transmissions that are averaged.
    """
    shown, ratio = _repeated(bench, Link(), repetitions, (bench.preset.snr_db,))
    return {"kind": ANALOGUE, "way": "", "ratio": ratio, "bob": shown}


def digital(bench: Bench, kind: str, way: str, times: int) -> dict[str, Any]:
    """Measure a digital message over AWGN at its design SNR and 1 dB below.

    Args:
        bench: inputs of the run.
        kind: a codec, or `latents`.
        way: `bound` or `5g`.
        times: channel uses, as a multiple of the analogue message's.
    """
    symbols, snr_db = times * bench.codes[0].numel() // 2, bench.preset.snr_db
    snrs = (snr_db, snr_db - WORSE_DB)
    point = digital_point(
        bench,
        kind,
        way,
        link=Link(),
        symbols=symbols,
        made_for_db=snr_db,
        snrs_db=snrs,
        outage=bench.preset.outage,
    )
    return {**point, "ratio": round(bandwidth(symbols, bench.model.size).ratio, 5)}


def over_snr(bench: Bench, channel: str, link: Link, kind: str, way: str) -> dict[str, Any]:
    """Measure a message designed for one SNR at all of Bob's SNRs.

    It takes as many channel uses as the repeated analogue message.

    Args:
        bench: inputs of the run.
        channel: name of the channel in results.
        link: the parsed channel.
        kind: a codec, `latents` or `ANALOGUE`.
        way: `bound` or `5g`; empty for `ANALOGUE`.
    """
    chosen = bench.preset
    snrs = [chosen.made_for_db + offset for offset in chosen.offsets_db]
    if kind == ANALOGUE:
        shown, ratio = _repeated(bench, link, chosen.cliff_uses, snrs)
        return {"kind": kind, "way": way, "channel": channel, "ratio": ratio, "bob": shown}
    symbols = chosen.cliff_uses * bench.codes[0].numel() // 2
    point = digital_point(
        bench,
        kind,
        way,
        link=link,
        symbols=symbols,
        made_for_db=chosen.made_for_db,
        snrs_db=snrs,
        outage=chosen.outage,
    )
    return {
        **point,
        "channel": channel,
        "ratio": round(bandwidth(symbols, bench.model.size, link=link).ratio, 5),
    }


def _repeated(
    bench: Bench, link: Link, repetitions: int, snrs_db: Sequence[float]
) -> tuple[list[dict[str, Any]], float]:
    """Bob's metrics of the repeated and averaged keyed message at each SNR, and the bandwidth ratio."""
    method, run = DPSemCom(bench.model, protection=ANALOGUE), streams(bench.preset.seed)
    sent, shown = method.send_codes(bench.codes), []
    uses = repetitions * sent.symbols.shape[1]
    counted = bandwidth(uses, bench.model.size, link=link, side_bits=side_bits(sent))
    for snr in snrs_db:
        rng = run[f"bob {snr:g}"]
        heard = torch.stack([hear(method, sent, snr, rng, link)[0].symbols for _ in range(repetitions)]).mean(
            0
        )
        shown.append({"snr_db": snr, **measured(bench, method.receive(replace(sent, symbols=heard)))})
    return shown, round(counted.ratio, 5)


def kinds() -> tuple[str, ...]:
    """Return the contents of digital messages: the codecs that Pillow supports here, and `latents`."""
    return (*(codec for codec in CODECS if CODECS[codec].available()), LATENTS)


def ways(wanted: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Return the available ways of transmission, and their description for a result's config.

    Args:
        wanted: of `bound` (at capacity) and `5g`, which requires Sionna.
    """
    try:
        return tuple(wanted), f"sionna-no-rt {version('sionna-no-rt')}"
    except PackageNotFoundError:
        return tuple(way for way in wanted if way != "5g"), "not measured: 5G's codes need the extra channels"


def lengths(point: dict[str, Any]) -> list[str]:
    """Table cells of a message: content, way, channel uses and lengths in bytes, of all photos that fit.

    Args:
        point: record of a message, see `digital_point`.
    """
    sizes = []
    for name in ("file", "header"):
        fit = [size for size in point.get(name, []) if size is not None]
        sizes.append(f"{sum(fit) / len(fit):,.0f}" if fit else "")
    way = {"": "analogue", "bound": "at capacity", "5g": "5G"}[point["way"]]
    fitting = f"{point['bytes']:,}" if point.get("bytes") else ""
    return [point["kind"], way, f"{point['ratio']:.4f}", fitting, *sizes]


def quality(party: dict[str, Any], metric: str) -> str:
    """Table cell: Bob's mean of a metric and, of a digital message, the share of lost messages in brackets.

    Args:
        party: Bob's record at one SNR; empty where none was measured.
        metric: name of the metric.
    """
    if not party:
        return ""
    lost = f" ({party['lost']:.2f})" if "lost" in party else ""
    return f"{value(party, metric):.3f}{lost}"


def digital_point(
    bench: Bench,
    kind: str,
    way: str,
    *,
    link: Link,
    symbols: int,
    made_for_db: float,
    snrs_db: Sequence[float],
    outage: float,
) -> dict[str, Any]:
    """Transmit every face once at each SNR and measure Bob's images, lengths and headers.

    Args:
        bench: inputs of the run.
        kind: a codec, or `latents`.
        way: `bound` or `5g`.
        link: channel and receiver.
        symbols: payload symbols per face.
        made_for_db: design SNR, which determines size, modulation and code.
        snrs_db: SNRs of the channel.
        outage: outage probability that the sender accepts.
    """
    carrier = WAYS[way](link, symbols, made_for_db, outage=outage)
    sent, sizes, headers = _sealed(bench, kind, carrier)
    said = {
        "kind": kind,
        "way": way,
        "bytes": None if carrier is None else carrier.size,
        "file": sizes,
        "header": headers,
    }
    bob = [
        {
            "snr_db": snr,
            **_received(
                bench, kind, carrier, sent, link, snr, streams(bench.preset.seed)[f"{kind} {way} {snr:g}"]
            ),
        }
        for snr in snrs_db
    ]
    return {**said, "bob": bob}


def _sealed(
    bench: Bench, kind: str, carrier: Carrier | None
) -> tuple[list[bytes | None], list[int | None], list[int | None]]:
    """Message, file length and header length in bytes of each face; None where the face does not fit."""
    nothing = [None] * len(bench.faces.attacked)
    if carrier is None or (kind == LATENTS and carrier.size < SEAL_BYTES + LEAST_BYTES):
        return list(nothing), list(nothing), list(nothing)
    if kind == LATENTS:
        codec = LatentCodec(bench.model)
        coded = [codec.encode(codes, carrier.size - SEAL_BYTES) for codes in bench.codes]
        # the header of one byte is the quantiser's step
        return [seal(data, KEY) for data in coded], [len(data) for data in coded], [1] * len(coded)
    found = [
        seal_picture(face, KEY, codec=kind, size=carrier.size) for face in to_pixels(bench.faces.attacked)
    ]
    return (
        [None if one is None else one.data for one in found],
        [None if one is None else one.file for one in found],
        [None if one is None else one.header for one in found],
    )


def _received(
    bench: Bench,
    kind: str,
    carrier: Carrier | None,
    sent: Sequence[bytes | None],
    link: Link,
    snr_db: float,
    rng: torch.Generator,
) -> dict[str, Any]:
    """Metrics of Bob's images of all faces, and the fraction of lost messages."""
    heard = [
        None if data is None or carrier is None else carrier.send(data, link, snr_db, rng) for data in sent
    ]
    lost = sum(unseal(data, KEY) is None for data in heard) / len(heard)
    return {"lost": lost, **measured(bench, _shown(bench, kind, heard))}


def _shown(bench: Bench, kind: str, heard: Sequence[bytes | None]) -> Tensor:
    if kind != LATENTS:
        return to_tensor(
            [shown_picture(data, KEY, (bench.model.size, bench.model.size, 3)) for data in heard]
        )
    codec, plain = LatentCodec(bench.model), [unseal(data, KEY) for data in heard]
    grey = to_tensor([np.full((bench.model.size, bench.model.size, 3), LOST, np.uint8)])[0]
    with torch.inference_mode():
        pictures = [
            grey if p is None else bench.model.generator.synthesize(codec.decode(p)[None])[0] for p in plain
        ]
    return torch.stack(pictures)
