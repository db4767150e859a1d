"""`dp-semcom/channels` and `dp-semcom/snr`: Bob and every Eve over channels, and over both parties' SNRs.

`channels.json` has all Eves on AWGN and on block Rayleigh fading with pilots, and the two strongest on the others;
`snr.json` has Bob's SNR against Eve's for each channel and quality of channel knowledge. Secrecy is the gap between Bob and the
strongest Eve.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from semveil.experiments.dp_semcom.link_bench import STRONGEST, LinkBench, prepare_bench, run_cell
from semveil.experiments.dp_semcom.link_figures import draw_channels, draw_snr
from semveil.experiments.dp_semcom.protected import Progress, quiet
from semveil.experiments.dp_semcom.security import EVES
from semveil.experiments.kit.keeping import Kept, Measurement, measurement

CHANNELS = measurement("dp-semcom/channels", revision=1)
SNR = measurement("dp-semcom/snr", revision=1)


def reproduce_channels(
    preset: str,
    out: Path,
    *,
    data: Path | None = None,
    model: str | None = None,
    verifier: str | None = None,
    progress: Progress = quiet,
) -> Path:
    """All channels at one SNR; cells that an interrupted run has done are kept.

    Args:
        preset: `smoke` or `small`.
        out: folder of the results.
        data: a face set or a folder of photos; `smoke` needs none.
        model: name or folder of a face model.
        verifier: recogniser; the preset's where None.
        progress: what is being done, how much is done, how much there is.

    Returns:
        The figure, a PNG.

    Raises:
        DataMissing: the preset needs `data`.
        ValueError: no such preset, model or verifier.
    """
    bench = prepare_bench(preset, data=data, model=model, verifier=verifier, progress=progress)
    chosen = bench.preset
    cells = {
        f"{protection} | {channel}": (protection, channel, EVES if channel in chosen.fully else STRONGEST)
        for channel in (*chosen.fully, *chosen.others)
        for protection in chosen.protections
    }

    def run(name: str) -> dict[str, Any]:
        protection, channel, attacks = cells[name]
        snrs = (chosen.snr_db,)
        return run_cell(bench, protection, channel, bob_snrs=snrs, eve_snrs=snrs, attacks=attacks)

    return draw_channels(_run(bench, CHANNELS, list(cells), run, Path(out) / "channels.json", progress))


def reproduce_snr(
    preset: str,
    out: Path,
    *,
    data: Path | None = None,
    model: str | None = None,
    verifier: str | None = None,
    progress: Progress = quiet,
) -> Path:
    """Bob's SNR against Eve's, for each channel and what its receivers know; arguments as `reproduce_channels`."""
    bench = prepare_bench(preset, data=data, model=model, verifier=verifier, progress=progress)
    chosen = bench.preset
    cells = {f"{protection} | {channel}": (protection, channel) for channel in chosen.csi for protection in chosen.protections}

    def run(name: str) -> dict[str, Any]:
        protection, channel = cells[name]
        return run_cell(
            bench, protection, channel, bob_snrs=chosen.snrs_db, eve_snrs=chosen.snrs_db, attacks=("direct", *STRONGEST)
        )

    return draw_snr(_run(bench, SNR, list(cells), run, Path(out) / "snr.json", progress))


def _run(
    bench: LinkBench,
    measured: Measurement,
    names: list[str],
    run: Callable[[str], dict[str, Any]],
    path: Path,
    progress: Progress,
) -> Path:
    """Run the cells that are not there yet, each written when it is done."""
    kept = Kept(path, measured, config=bench.config, head={"photos": list(bench.ids)})
    kept.parts("cells", {name: partial(run, name) for name in names}, stage="transmit and attack", progress=progress)
    return path
