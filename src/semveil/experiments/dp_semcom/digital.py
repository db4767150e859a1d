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
from semveil.experiments.dp_semcom.link_bench import load, measured
from semveil.experiments.dp_semcom.security import Bench
from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.statistics import value
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.link.eves import hear
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.latent_codec import LEAST_BYTES, LatentCodec
from semveil.radio.codecs import CODECS
from semveil.radio.digital import LOST, SEAL_BYTES, WAYS, Sealed, seal, seal_picture, shown_picture, unseal

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
    snr_db = bench.preset.snr_db
    snrs = (snr_db, snr_db - WORSE_DB)
    return _digital(bench, kind, way, Link(), times, made_for_db=snr_db, snrs_db=snrs, told={})


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
    told = {"channel": channel}
    uses, made_for = chosen.cliff_uses, chosen.made_for_db
    return _digital(bench, kind, way, link, uses, made_for_db=made_for, snrs_db=snrs, told=told)


def _repeated(
    bench: Bench, link: Link, repetitions: int, snrs_db: Sequence[float]
) -> tuple[list[dict[str, Any]], float]:
    """Bob's metrics of the repeated and averaged keyed message at each SNR, and the bandwidth ratio."""
    method, run = DPSemCom(bench.model, protection=ANALOGUE), streams(bench.preset.seed)
    sent, shown = method.send_codes(bench.codes), []
    uses = repetitions * sent.symbols.shape[1]
    counted = bandwidth(uses, bench.model.size, link=link, side_bits=sent.side_bits())
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


def _digital(
    bench: Bench,
    kind: str,
    way: str,
    link: Link,
    times: int,
    *,
    made_for_db: float,
    snrs_db: Sequence[float],
    told: dict[str, str],
) -> dict[str, Any]:
    """Transmit every face once at each SNR and measure Bob's images, lengths and headers.

    A message takes `times` the channel uses of the analogue one; its size, modulation and code are those for
    `made_for_db`.
    """
    symbols = times * bench.codes[0].numel() // 2
    carrier = WAYS[way](link, symbols, made_for_db, outage=bench.preset.outage)
    sent = [None] * len(bench.codes) if carrier is None else _sealed(bench, kind, carrier.size)
    bob = []
    for snr in snrs_db:
        rng = streams(bench.preset.seed)[f"{kind} {way} {snr:g}"]
        heard = [carrier.send(one.data, link, snr, rng) if one and carrier else None for one in sent]
        lost = sum(unseal(data, KEY) is None for data in heard) / len(heard)
        bob.append({"snr_db": snr, "lost": lost, **measured(bench, _shown(bench, kind, heard))})
    return {
        "kind": kind,
        "way": way,
        "bytes": carrier and carrier.size,
        "file": [one and one.file for one in sent],
        "header": [one and one.header for one in sent],
        "bob": bob,
        **told,
        "ratio": round(bandwidth(symbols, bench.model.size, link=link).ratio, 5),
    }


def _sealed(bench: Bench, kind: str, size: int) -> list[Sealed | None]:
    """Message of each face; None where the face does not fit."""
    if kind != LATENTS:
        return [seal_picture(face, KEY, codec=kind, size=size) for face in to_pixels(bench.faces.attacked)]
    if size < SEAL_BYTES + LEAST_BYTES:
        return [None] * len(bench.codes)
    codec = LatentCodec(bench.model)
    coded = [codec.encode(codes, size - SEAL_BYTES) for codes in bench.codes]
    # the header of one byte is the quantiser's step
    return [Sealed(seal(data, KEY), len(data), 1) for data in coded]


def _shown(bench: Bench, kind: str, heard: Sequence[bytes | None]) -> Tensor:
    shape = (bench.model.size, bench.model.size, 3)
    if kind != LATENTS:
        return to_tensor([shown_picture(data, KEY, shape) for data in heard])
    codec, plain = LatentCodec(bench.model), [unseal(data, KEY) for data in heard]
    grey = to_tensor([np.full(shape, LOST, np.uint8)])[0]
    with torch.inference_mode():
        synthesize = bench.model.generator.synthesize
        return torch.stack([grey if p is None else synthesize(codec.decode(p)[None])[0] for p in plain])
