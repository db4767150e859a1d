# SPDX-License-Identifier: Apache-2.0
"""Effect of quantile clipping in latent-dp: widths, noise scales and true epsilons.

Only a model's own bounds are used.
"""

from functools import partial

from semveil.experiments.kit.latent_tables import of_model
from semveil.experiments.kit.tables import markdown
from semveil.experiments.kit.text_table import text_table
from semveil.mechanisms import CoordinateSensitivity, PerCoordinateLaplace
from semveil.mechanisms.bounds.weights import WEIGHTINGS, budget_shares, scales_as_published
from semveil.methods.latent_model import LatentModel
from semveil.models.quantile_bounds import SHARES


def clipping(model: LatentModel) -> str:
    """Widths between the quantiles, and latent-dp's noise at epsilon 10 for each weighting.

    Args:
        model: its public quantiles are the bounds.
    """
    rows = []
    for share in SHARES:
        widths = model.quantiles(share).coordinate_sensitivity()
        stds = (f"{_mean_std(widths, name):,.0f}" for name in WEIGHTINGS)
        sums = (f"{widths.l1().value:,.0f}", f"{float(widths.values.mean()):.2f}")
        rows.append([f"{share:g} / {100 - share:g} %", *sums, *stds, f"{_published(widths):,.0f}"])
    head = [
        "clip", "Σ S", "mean S", *(f"std, {name}" for name in WEIGHTINGS), "true ε of the published scale",
    ]  # fmt: skip
    return markdown(head, rows)


def _mean_std(widths: CoordinateSensitivity, weighting: str) -> float:
    """Root mean square, over coordinates, of the noise standard deviation at epsilon 10."""
    noise = PerCoordinateLaplace.calibrate(widths, 10.0, weights=budget_shares(widths, weighting))
    return float((2 * noise.scales.square()).mean().sqrt())


def _published(widths: CoordinateSensitivity) -> float:
    claim = scales_as_published(widths, 10.0, budget_shares(widths)).guarantee(widths)
    assert claim.epsilon is not None
    return claim.epsilon


CLIPPING = text_table("latent-dp/clipping", revision=1, load=partial(of_model, clipping))
