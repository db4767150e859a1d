# SPDX-License-Identifier: Apache-2.0
"""Metrics of Bob, Eve and the direct link, per photo and channel seed; the paper's values."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from semveil.core.results import rounded
from semveil.core.rng import streams
from semveil.experiments.dp_semcom.setup import PRESETS, Setup
from semveil.experiments.kit.experiment import experiment
from semveil.link.measure import measure
from semveil.methods.dp_semcom import DPSemCom
from semveil.protection.linear_pair import LinearPair

CHUNK = 32  # photos transmitted together; changing it changes the channel's draws
# Values from the paper's text; none are read off its curves.
PAPER = {
    "source": "read from the text of [DPSC] Section 4.2; null where the text gives no number",
    "lpips_gap_eve_minus_bob": [0.1, 0.2], "lpips_bob_reaches_direct_from_nominal_epsilon": 5,
    "fppsr_eve": [0.9, 1.0], "fppsr_bob": None, "lpips_bob": None, "lpips_eve": None, "lpips_direct": None,
    "eve_sees_clear_faces_from_nominal_epsilon": 15,
}  # fmt: skip
result_of_paper = partial(experiment, presets=PRESETS, paper=PAPER)


def measured_point(setup: Setup, method: DPSemCom, seeds: Sequence[int]) -> dict[str, Any]:
    """Describe a method and measure Bob and Eve.

    Args:
        setup: inputs of the run.
        method: method that transmits.
        seeds: seeds of the channel.

    Returns:
        The fields of `describe`, and `per_seed` of `bob` and `eve`.
    """
    return {**_describe(setup, method), **per_seed(setup, method, ["bob", "eve"], seeds)}


def _describe(setup: Setup, method: DPSemCom) -> dict[str, Any]:
    """Return a method's protection, noise and guarantee."""
    calibration, noise = method.calibration, method.noise_calibration(setup.codes)
    genuine = DPSemCom(
        setup.model, epsilon=calibration.nominal_epsilon, calibration="as_published", protection="laplace"
    )
    return {
        "nominal_epsilon": calibration.nominal_epsilon,
        "protection": method.protection,
        "noise": method.pair.settings.noise if method.pair else None,
        "start": method.pair.settings.start if method.pair else None,
        "guarantee": method.guarantee(simulated=True).as_dict(),
        "nominal_scale": calibration.scale,
        "guarantee_of_genuine_noise": genuine.guarantee(simulated=True).as_dict(),
        "noise_calibration": noise.as_dict() if noise else None,
        "distance_from_identity": method.pair.distance_from_identity()
        if isinstance(method.pair, LinearPair)
        else None,
    }


def per_seed(
    setup: Setup, method: DPSemCom, parties: Sequence[str], seeds: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Measure the parties' images for each channel seed.

    Args:
        setup: inputs of the run.
        method: method that transmits.
        parties: of `inverted`, `direct`, `bob`, `eve`.
        seeds: seeds of the channel.

    Returns:
        Party -> metric -> (seeds, photos) values, or None with `<metric>_reason`.
    """
    table: dict[str, dict[str, Any]] = {party: {} for party in parties}
    for seed in seeds:
        run = streams(seed)
        records: list[dict[str, Any]] = []
        for first in range(0, len(setup.codes), CHUNK):
            rows = slice(first, first + CHUNK)
            result = method.transmit(
                setup.photos.images[rows], snr_db=setup.preset.snr_db, codes=setup.codes[rows], run=run
            )
            records += measure(result, method, setup.verifier, ids=setup.photos.ids[rows], parties=parties)
        for party in parties:
            for name in records[0][party]:
                column = [record[party][name] for record in records]
                if name.endswith("_reason") or f"{name}_reason" in records[0][party]:
                    table[party][name] = column[0]
                else:
                    table[party].setdefault(name, []).append(rounded(column))
    return table
