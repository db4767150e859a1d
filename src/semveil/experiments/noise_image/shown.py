# SPDX-License-Identifier: Apache-2.0
"""What noise-image's figures and tables share."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from semveil.experiments.kit.plots import COLOURS


def bars(axes: Axes, places: "np.ndarray[Any, Any]", found: list[tuple[float, float, float]], label: str) -> None:
    values, low, high = np.array(found).T
    axes.barh(places, values, xerr=[values - low, high - values], color=COLOURS["series"][1])
    axes.set_xlabel(label)


def label_of(setting: str) -> str:
    for name, sign in (("sigma", "σ"), ("epsilon", "ε"), ("delta", "δ"), ("noised", "n(x), true noise")):
        setting = setting.replace(name, sign)
    return setting


def score_of(score: dict[str, float]) -> str:
    return f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"
