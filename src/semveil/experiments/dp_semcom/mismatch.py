"""`dp-semcom/mismatch`: pairs trained for one channel and SNR, or a range of them, and tested over others."""

from functools import partial
from pathlib import Path
from typing import Any

from semveil.channels import parse_link
from semveil.core.rng import streams
from semveil.experiments.dp_semcom.link_bench import AWGN, FADING, LinkBench, measured, prepare_bench
from semveil.experiments.dp_semcom.link_figures import draw_mismatch
from semveil.experiments.dp_semcom.protected import Progress, quiet
from semveil.experiments.kit.keeping import Kept, measurement
from semveil.link.eves import hear
from semveil.methods.dp_semcom import DPSemCom, pair_settings
from semveil.training.protector import train_pair

MISMATCH = measurement("dp-semcom/mismatch", revision=1)
CHANNELS = (AWGN, FADING)


def reproduce_mismatch(
    preset: str,
    out: Path,
    *,
    data: Path | None = None,
    model: str | None = None,
    verifier: str | None = None,
    progress: Progress = quiet,
) -> Path:
    """Train and test what is not there yet, write `mismatch.json`, draw it; arguments as `reproduce_channels`."""
    bench = prepare_bench(preset, data=data, model=model, verifier=verifier, progress=progress)
    path = Path(out) / "mismatch.json"
    kept = Kept(path, MISMATCH, config=bench.config, head={"photos": list(bench.ids)})
    jobs = {
        f"{channel} | {snrs[0]:g}..{snrs[1]:g}": partial(_cell, bench, channel, snrs)
        for channel in CHANNELS
        for snrs in bench.preset.trained_db
    }
    kept.parts("cells", jobs, stage="train and transmit", progress=progress)
    return draw_mismatch(path)


def _cell(bench: LinkBench, channel: str, snrs_db: tuple[float, float]) -> dict[str, Any]:
    """A pair trained over one channel, and Bob at every SNR of both."""
    chosen, run, (low, high) = bench.preset, streams(bench.preset.seed), snrs_db
    settings = pair_settings(bench.model, snr_db=low, snr_high_db=high if high > low else None, channel=channel)
    latents = bench.model.public_latents(chosen.trained_latents, rng=run["latents"])
    pair = train_pair(latents, settings, rng=run["train"], epochs=chosen.epochs)
    method = DPSemCom(bench.model, protection="nn", pair=pair)
    sent = method.send_codes(bench.codes)
    tested = []
    for other in CHANNELS:
        link = parse_link(other)
        for snr in chosen.snrs_db:
            heard, _ = hear(method, sent, snr, run[f"bob {other} {snr:g}"], link)
            error = (method.receive_codes(heard) - bench.codes).square().mean((1, 2))
            shown = measured(bench, method.receive(heard))
            tested.append({"channel": other, "snr_db": snr, "latent_mse": [round(float(e), 6) for e in error], **shown})
    return {"channel": channel, "snrs_db": list(snrs_db), "bob": tested}
