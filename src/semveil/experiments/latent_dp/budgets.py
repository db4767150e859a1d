"""What dp-image's and latent-dp's noise amounts to: sensitivities, scales and true epsilons, as Markdown tables.

    python -m semveil.experiments.latent_dp.budgets sensitivities --into docs/methods/dp-image.md
    python -m semveil.experiments.latent_dp.budgets clipping --into docs/methods/latent-dp.md

Nothing is drawn and no photo is read: all follows from the bounds that a model brings.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from semveil.core.registry import Registry
from semveil.experiments.kit.markdown import markdown
from semveil.experiments.kit.tables import publish
from semveil.mechanisms import CoordinateSensitivity, PerCoordinateLaplace
from semveil.mechanisms.weights import WEIGHTINGS, budget_shares, scales_as_published
from semveil.methods.latent_model import PAPER_RANGE, LatentModel, load_latent_model
from semveil.methods.quantile_bounds import SHARES

PAPER_OBSERVED, PAPER_SHAPE, PAPER_IDENTITY = 17_995.0, (18, 512), 7  # [DPI] 4.2.1, 4.1.3, 5.2
SCALES = (0.25, 0.5, 1.0)  # [DPI] Fig. 7


def sensitivities(model: LatentModel) -> str:
    """dp-image: L1 sensitivity in each reading, and the epsilon that follows at the paper's scales."""
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
            *((model.name, f"{s:g} % quantiles", _quantile_width(model, styles, s), "proved") for s in (0.0, 10.0, 25.0)),
        ):
            if value is not None:
                rows.append([where, styles, what, f"{value:,.0f}", *(f"{value / scale:,.0f}" for scale in SCALES), basis])
    head = ["model", "codes with noise", "sensitivity", "Δ₁", *(f"ε at scale {scale:g}" for scale in SCALES), "basis"]
    metric = ["any", "any", "metric form", "none", *(f"{1 / scale:g} per unit of L1" for scale in SCALES), "proved"]
    return markdown(head, [*rows, metric])


def clipping(model: LatentModel) -> str:
    """latent-dp: widths between the quantiles, and the noise that epsilon 10 takes by each weighting."""
    rows = []
    for share in SHARES:
        widths = model.quantiles(share).coordinate_sensitivity()
        rows.append(
            [
                f"{share:g} / {100 - share:g} %",
                f"{widths.l1().value:,.0f}",
                f"{float(widths.values.mean()):.2f}",
                *(f"{_mean_std(widths, name):,.0f}" for name in WEIGHTINGS),
                f"{_published(widths):,.0f}",
            ]
        )
    head = ["clip", "Σ S", "mean S", *(f"std, {name}" for name in WEIGHTINGS), "true ε of the published scale"]
    return markdown(head, rows)


def _mean_std(widths: CoordinateSensitivity, weighting: str) -> float:
    """Root mean square over the coordinates of the noise's standard deviation at epsilon 10."""
    noise = PerCoordinateLaplace.calibrate(widths, 10.0, weights=budget_shares(widths, weighting))
    variance: Tensor = 2 * noise.scales.square()
    return float(variance.mean().sqrt())


def _published(widths: CoordinateSensitivity) -> float:
    claim = scales_as_published(widths, 10.0, budget_shares(widths)).guarantee(widths)
    assert claim.epsilon is not None
    return claim.epsilon


def _quantile_width(model: LatentModel, styles: str, share: float) -> float:
    widths = model.quantiles(share).coordinate_sensitivity().values
    rows = list(range(len(widths))) if styles == "all" else list(model.identity_codes)
    return float(torch.sum(widths[rows]))


TABLES: Registry[Callable[[LatentModel], str]] = Registry("table")
TABLES.add("sensitivities", sensitivities)
TABLES.add("clipping", clipping)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print a table, or write it into a page.")
    parser.add_argument("table", choices=list(TABLES))
    parser.add_argument("--model", default="faces-64", help="a latent model with bounds from training photos")
    parser.add_argument("--into", type=Path, help="page with the table's markers")
    given = parser.parse_args()
    publish(TABLES[given.table](load_latent_model(given.model)), given.table, given.into)


if __name__ == "__main__":
    main()
