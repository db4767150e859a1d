# SPDX-License-Identifier: Apache-2.0
"""Sensitivities and true epsilons of dp-image's noise, from a model's own bounds."""

from functools import partial

import torch

from semveil.experiments.kit.latent_tables import of_model
from semveil.experiments.kit.tables import markdown
from semveil.experiments.kit.text_table import text_table
from semveil.methods.latent_model import PAPER_RANGE, LatentModel

PAPER_OBSERVED, PAPER_SHAPE, PAPER_IDENTITY = 17_995.0, (18, 512), 7  # [DPI] 4.2.1, 4.1.3, 5.2
SCALES = (0.25, 0.5, 1.0)  # [DPI] Fig. 7


def sensitivities(model: LatentModel) -> str:
    """L1 sensitivity of dp-image in each reading, and the resulting epsilon at the paper's scales.

    Args:
        model: provides latent shape and public bounds, compared with the paper's.
    """
    style_dim, paper_dim = model.latent_shape[1], PAPER_SHAPE[1]
    rows = []
    for styles, codes, paper_codes in (
        ("all", model.latent_shape[0], PAPER_SHAPE[0]),
        ("identity", len(model.identity_codes), PAPER_IDENTITY),
    ):
        observed = model.bounds().observed_sensitivity(styles, codes * style_dim).value
        box = model.box.l1_sensitivity(codes * style_dim).value
        paper_box = PAPER_RANGE.l1_sensitivity(paper_codes * paper_dim).value
        paper = PAPER_OBSERVED if styles == "all" else None
        for where, what, value, basis in (
            ("paper", "observed, as published", paper, "observed-sensitivity"),
            ("paper", "box [-20, 20]", paper_box, "proved"),
            (model.name, f"observed, {model.bounds().count} photos", observed, "observed-sensitivity"),
            (model.name, "box", box, "proved"),
            *(
                (model.name, f"{s:g} % quantiles", _quantile_width(model, styles, s), "proved")
                for s in (0.0, 10.0, 25.0)
            ),
        ):
            if value is not None:
                epsilons = (f"{value / scale:,.0f}" for scale in SCALES)
                rows.append([where, styles, what, f"{value:,.0f}", *epsilons, basis])
    head = [
        "model", "noisy codes", "sensitivity", "Δ₁", *(f"ε at scale {scale:g}" for scale in SCALES), "basis",
    ]  # fmt: skip
    metric = [
        "any", "any", "metric form", "none", *(f"{1 / scale:g} per unit of L1" for scale in SCALES), "proved",
    ]  # fmt: skip
    return markdown(head, [*rows, metric])


def _quantile_width(model: LatentModel, styles: str, share: float) -> float:
    widths = model.quantiles(share).coordinate_sensitivity().values
    rows = list(range(len(widths))) if styles == "all" else list(model.identity_codes)
    return float(torch.sum(widths[rows]))


SENSITIVITIES = text_table("dp-image/sensitivities", revision=1, load=partial(of_model, sensitivities))
