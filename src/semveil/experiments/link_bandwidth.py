"""`dp-semcom/bandwidth`: quality over channel uses, analogue and digital, honestly counted.

The analogue message is repeated and combined; the digital baseline puts the face into a file that as many uses carry, on a
channel that is as good as it was made for and on one that is 1 dB worse. Both are counted with their side information.
"""

from functools import partial
from pathlib import Path
from typing import Any

import torch

from semveil.channels import Link, bandwidth
from semveil.core.pixels import to_pixels, to_tensor
from semveil.core.rng import streams
from semveil.experiments.keeping import Kept, measurement
from semveil.experiments.link_bench import LinkBench, measured, prepare_bench
from semveil.experiments.link_figures import draw_bandwidth
from semveil.experiments.protected import Progress, quiet
from semveil.link.eves import hear
from semveil.methods.dp_semcom import DPSemCom
from semveil.radio.codecs import CODECS
from semveil.radio.digital import open_picture_at, seal_picture, spectral_efficiency

DIGITAL_USES = (1, 2, 4, 8)  # times the analogue message's
WORSE_DB = 1.0
BANDWIDTH = measurement("dp-semcom/bandwidth", revision=1)


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
    path = Path(out) / "bandwidth.json"
    kept = Kept(path, BANDWIDTH, config=bench.config, head={"photos": list(bench.ids)})
    analogue = [("rotation", n) for n in bench.preset.repetitions]
    digital = [(codec, n) for codec in CODECS if CODECS[codec].available() for n in DIGITAL_USES]
    jobs = analogue + digital
    for done, (kind, times) in enumerate(jobs):
        progress("transmit", done, len(jobs))
        measure = partial(_analogue, bench) if kind == "rotation" else partial(_digital, bench, kind)
        kept.part("points", f"{kind} x {times}", measure=partial(measure, times))
    progress("transmit", len(jobs), len(jobs))
    return draw_bandwidth(path)


def _analogue(bench: LinkBench, repetitions: int) -> dict[str, Any]:
    """The keyed message sent so many times over AWGN and averaged."""
    method, run = DPSemCom(bench.model, protection="rotation"), streams(bench.preset.seed)
    sent = method.send_codes(bench.codes)
    assert sent.keyed is not None
    side = 32 + -(-8 * len(sent.keyed.sealed) // len(bench.codes))
    counted = bandwidth(repetitions * sent.symbols.shape[1], bench.model.size, side_bits=side)
    heard = [hear(method, sent, bench.preset.snr_db, run["bob"], Link())[0].symbols for _ in range(repetitions)]
    received = type(sent)(torch.stack(heard).mean(0), sent.gains, sent.guarantee, sent.keyed)
    return {"kind": "rotation", "ratio": round(counted.ratio, 5), "bob": measured(bench, method.receive(received))}


def _digital(bench: LinkBench, codec: str, times: int) -> dict[str, Any]:
    """The face as a file over AWGN at the SNR that it was made for, and at one that is worse."""
    uses, snr_db, key = times * bench.codes[0].numel() // 2, bench.preset.snr_db, bytes(32)
    rate = spectral_efficiency(snr_db)
    pixels = to_pixels(bench.images)
    sealed = [seal_picture(face, key, codec=codec, uses=uses, rate=rate) for face in pixels]
    shown = {
        name: to_tensor([open_picture_at(s, key, face.shape, rate=carried) for s, face in zip(sealed, pixels, strict=True)])
        for name, carried in (("bob", rate), ("bob_worse", spectral_efficiency(snr_db - WORSE_DB)))
    }
    return {
        "kind": codec,
        "ratio": round(bandwidth(uses, bench.model.size).ratio, 5),
        "bytes": [None if s is None else len(s.data) for s in sealed],
        "header_bytes": [None if s is None else s.header for s in sealed],
        **{name: measured(bench, images) for name, images in shown.items()},
    }
