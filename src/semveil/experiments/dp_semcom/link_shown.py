# SPDX-License-Identifier: Apache-2.0
"""What the figures of experiments over channels share."""

from typing import Any

import numpy as np

from semveil.experiments.dp_semcom.link_bench import mean, strongest
from semveil.experiments.kit.plots import COLOURS

LABEL = {"lpips": "LPIPS to the photo", "ssim": "SSIM to the photo", "fppsr": "share taken for another person"}


def gap(cell: dict[str, Any], metric: str, bob_snr: float, eve_snr: float) -> float:
    """How much farther from the photos the strongest Eve is than Bob; negative where she is nearer."""
    bob = next(party for party in cell["bob"] if party["snr_db"] == bob_snr)
    eve = strongest(cell, metric, eve_snr)
    difference = (mean(eve, metric) if eve else np.nan) - mean(bob, metric)
    return -difference if metric == "ssim" else difference


def look(kind: str, way: str) -> dict[str, Any]:
    """Colour by what is sent, line by how it is carried."""
    kinds = ("rotation", "latents", "jpeg", "jpeg2000", "avif")
    name = {"rotation": "semveil, analogue under rotation", "latents": "semveil's latents"}.get(kind, kind)
    label = f"{name}, {'at capacity' if way == 'bound' else '5G LDPC, QAM'}" if way else name
    return {
        "color": COLOURS["series"][kinds.index(kind)],
        "ls": "-" if way in ("", "5g") else "--",
        "marker": "o",
        "label": label,
    }
