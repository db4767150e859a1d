# SPDX-License-Identifier: Apache-2.0
"""Messages counted honestly: the analogue one repeated and combined, and digital ones, with side information, headers apart."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from semveil.channels import Link, bandwidth
from semveil.core.rng import streams
from semveil.experiments.dp_semcom.link_bench import LinkBench, load, measured
from semveil.experiments.dp_semcom.link_digital import digital_point, ways
from semveil.experiments.kit.experiment import Run
from semveil.link.eves import hear
from semveil.methods.dp_semcom import DPSemCom

WORSE_DB = 1.0
ANALOGUE = "rotation"


def load_digital(run: Run) -> LinkBench:
    """What a run works on, and whether 5G's codes are on this machine."""
    bench = load(run)
    return replace(bench, config={**bench.config, "ldpc": ways(bench.preset.ways)[1]})


def analogue(bench: LinkBench, repetitions: int) -> dict[str, Any]:
    """The keyed message sent so many times over AWGN and averaged."""
    shown, ratio = _repeated(bench, Link(), repetitions, (bench.preset.snr_db,))
    return {"kind": ANALOGUE, "way": "", "ratio": ratio, "bob": shown}


def digital(bench: LinkBench, kind: str, way: str, times: int) -> dict[str, Any]:
    """A face over AWGN at the SNR that it was made for, and at one that is worse."""
    symbols, snr_db = times * bench.codes[0].numel() // 2, bench.preset.snr_db
    snrs = (snr_db, snr_db - WORSE_DB)
    point = digital_point(
        bench, kind, way, link=Link(), symbols=symbols, made_for_db=snr_db, snrs_db=snrs, outage=bench.preset.outage
    )
    return {**point, "ratio": round(bandwidth(symbols, bench.model.size).ratio, 5)}


def over_snr(bench: LinkBench, channel: str, link: Link, kind: str, way: str) -> dict[str, Any]:
    """One kind of message made for one SNR, at all of them, over as many uses as the repeated analogue message has."""
    chosen = bench.preset
    snrs = [chosen.made_for_db + offset for offset in chosen.offsets_db]
    if kind == ANALOGUE:
        shown, ratio = _repeated(bench, link, chosen.cliff_uses, snrs)
        return {"kind": kind, "way": way, "channel": channel, "ratio": ratio, "bob": shown}
    symbols = chosen.cliff_uses * bench.codes[0].numel() // 2
    point = digital_point(
        bench, kind, way, link=link, symbols=symbols, made_for_db=chosen.made_for_db, snrs_db=snrs, outage=chosen.outage
    )
    return {**point, "channel": channel, "ratio": round(bandwidth(symbols, bench.model.size, link=link).ratio, 5)}


def _repeated(bench: LinkBench, link: Link, repetitions: int, snrs_db: Sequence[float]) -> tuple[list[dict[str, Any]], float]:
    """The keyed message sent so many times and averaged: what Bob sees at each SNR, and the bandwidth ratio."""
    method, run = DPSemCom(bench.model, protection=ANALOGUE), streams(bench.preset.seed)
    sent, shown = method.send_codes(bench.codes), []
    assert sent.keyed is not None
    side = 32 + -(-8 * len(sent.keyed.sealed) // len(bench.codes))
    counted = bandwidth(repetitions * sent.symbols.shape[1], bench.model.size, link=link, side_bits=side)
    for snr in snrs_db:
        rng = run[f"bob {snr:g}"]
        heard = torch.stack([hear(method, sent, snr, rng, link)[0].symbols for _ in range(repetitions)]).mean(0)
        shown.append({"snr_db": snr, **measured(bench, method.receive(replace(sent, symbols=heard)))})
    return shown, round(counted.ratio, 5)
