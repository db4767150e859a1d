"""`dp-semcom/bandwidth` and `dp-semcom/cliff`: quality over channel uses and over SNR, analogue and digital, honestly counted.

The analogue message is repeated and combined. The digital baseline puts the face into a file that as many uses carry, sealed:
at capacity, which no code reaches, and by 5G's LDPC codes and QAM. semveil's own latents go the same ways. All are counted with
their side information, headers apart.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from semveil.channels import Link, bandwidth, parse_link
from semveil.core.rng import streams
from semveil.experiments.dp_semcom.link_bench import AWGN, FADING, LinkBench, measured, prepare_bench
from semveil.experiments.dp_semcom.link_digital import digital_point, kinds, ways
from semveil.experiments.dp_semcom.link_figures import draw_bandwidth, draw_cliff
from semveil.experiments.dp_semcom.protected import Progress, quiet
from semveil.experiments.kit.keeping import Kept, measurement
from semveil.link.eves import hear
from semveil.methods.dp_semcom import DPSemCom

WORSE_DB = 1.0
BANDWIDTH = measurement("dp-semcom/bandwidth", revision=2)
CLIFF = measurement("dp-semcom/cliff", revision=1)
ANALOGUE = "rotation"


def reproduce_bandwidth(
    preset: str,
    out: Path,
    *,
    data: Path | None = None,
    model: str | None = None,
    verifier: str | None = None,
    progress: Progress = quiet,
) -> Path:
    """Run what is not there yet, write `bandwidth.json`, draw it; arguments as `reproduce_channels`."""
    bench = prepare_bench(preset, data=data, model=model, verifier=verifier, progress=progress)
    path, (carried, said) = Path(out) / "bandwidth.json", ways(bench.preset.ways)
    kept = Kept(path, BANDWIDTH, config={**bench.config, "ldpc": said}, head={"photos": list(bench.ids)})
    jobs = {f"{ANALOGUE} x {n}": partial(_analogue, bench, n) for n in bench.preset.repetitions}
    for kind in kinds():
        for way in carried:
            jobs |= {f"{kind}, {way} x {n}": partial(_digital, bench, kind, way, n) for n in bench.preset.digital_uses}
    kept.parts("points", jobs, stage="transmit", progress=progress)
    return draw_bandwidth(path)


def reproduce_cliff(
    preset: str,
    out: Path,
    *,
    data: Path | None = None,
    model: str | None = None,
    verifier: str | None = None,
    progress: Progress = quiet,
) -> Path:
    """Quality over Bob's SNR of messages made for one, in the same uses; `cliff.json`; arguments as `reproduce_channels`."""
    bench = prepare_bench(preset, data=data, model=model, verifier=verifier, progress=progress)
    path, (carried, said) = Path(out) / "cliff.json", ways(bench.preset.ways)
    kept = Kept(path, CLIFF, config={**bench.config, "ldpc": said}, head={"photos": list(bench.ids)})
    links = {channel: parse_link(channel) for channel in (AWGN, FADING)}
    cells = [(channel, kind, way) for channel in links for kind in kinds() for way in carried]
    cells += [(channel, ANALOGUE, "") for channel in links]
    jobs = {
        f"{kind} {way} | {channel}".replace("  ", " "): partial(_over_snr, bench, channel, links[channel], kind, way)
        for channel, kind, way in cells
    }
    kept.parts("cells", jobs, stage="transmit", progress=progress)
    return draw_cliff(path)


def _analogue(bench: LinkBench, repetitions: int) -> dict[str, Any]:
    """The keyed message sent so many times over AWGN and averaged."""
    shown, ratio = _repeated(bench, Link(), repetitions, (bench.preset.snr_db,))
    return {"kind": ANALOGUE, "way": "", "ratio": ratio, "bob": shown}


def _digital(bench: LinkBench, kind: str, way: str, times: int) -> dict[str, Any]:
    """A face over AWGN at the SNR that it was made for, and at one that is worse."""
    symbols, snr_db = times * bench.codes[0].numel() // 2, bench.preset.snr_db
    snrs = (snr_db, snr_db - WORSE_DB)
    point = digital_point(
        bench, kind, way, link=Link(), symbols=symbols, made_for_db=snr_db, snrs_db=snrs, outage=bench.preset.outage
    )
    return {**point, "ratio": round(bandwidth(symbols, bench.model.size).ratio, 5)}


def _over_snr(bench: LinkBench, channel: str, link: Link, kind: str, way: str) -> dict[str, Any]:
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
