# SPDX-License-Identifier: Apache-2.0
"""Claims of [NI] about its Tables 3 and 4, checked against the measured cells."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from semveil.attacks.intervals import Score
from semveil.experiments.kit.claims import Claim, side
from semveil.experiments.kit.statistics import mean_of_photos, paired
from semveil.experiments.noise_image.hits import unpacked
from semveil.experiments.noise_image.presets import AS_PUBLISHED, MAIN, SIGMAS, Cell

Cells = dict[str, dict[float, list[dict[str, Any]]]]
EFFECT, BARE = Cell(3.0, "published", *MAIN).setting, Cell(3.0, "without loss").setting
NEAR_SSIM = 0.005  # tolerance for "no difference in SSIM"


def cells_by_setting(result: dict[str, Any]) -> Cells:
    """Cells by setting and sigma, one per seed, in the order of Table 3.

    Args:
        result: content of `cells.json`.
    """
    found: Cells = {}
    for record in result["cells"].values():
        named = {name: record[name] for name in ("sigma", "kind", "epsilon", "delta", "seed")}
        # older cells have one calibration
        cell = Cell(**named, calibration=record.get("calibration", "corrected"))
        found.setdefault(cell.setting, {}).setdefault(cell.sigma, []).append(record)
    order = ["noised", *result["paper"]["table3"]]
    rows = {setting: setting.removesuffix(AS_PUBLISHED) for setting in found}
    places = {setting: order.index(row) if row in order else len(order) for setting, row in rows.items()}
    return {s: dict(sorted(found[s].items())) for s in sorted(found, key=lambda s: (places[s], s))}


def _hits(cells: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Correct classifications of the same pictures by a setting's cells, (seeds, pictures), 0 or 1."""
    return np.array([unpacked(cell["right"], cell["accuracy"]["count"]) for cell in cells], float)


def mean_accuracy(cells: list[dict[str, Any]]) -> Score:
    """Mean accuracy over pictures and seeds, with an interval over pictures.

    Args:
        cells: one per seed, of the same test pictures.
    """
    return _over_pictures(_hits(cells))


def over_seeds(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> tuple[Score, Score | None]:
    """Difference of accuracies, first - second, paired by seed, with intervals over pictures and over seeds.

    The interval over seeds includes the variation between trainings; it is None for a single seed.

    Args:
        first: cells of one setting.
        second: cells of the other, of the same test pictures; unpaired seeds are ignored.
    """
    rows = _gains(first, second)
    return _over_pictures(rows), _over_trainings(rows)


def _over_pictures(rows: NDArray[np.float64]) -> Score:
    mean = mean_of_photos(rows)
    assert mean is not None
    return mean


def _over_trainings(rows: NDArray[np.float64]) -> Score | None:
    """Mean of (trainings, pictures) with Student's t interval over trainings; None for a single training."""
    trainings = rows.mean(1)
    if len(trainings) < 2:
        return None
    half = float(t.ppf(0.975, len(trainings) - 1) * trainings.std(ddof=1) / len(trainings) ** 0.5)
    centre = float(trainings.mean())
    return Score(centre, centre - half, centre + half, len(trainings))


def noise_claims(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the gain of the conversion over genuine noise, which [NI] does not measure.

    Args:
        result: content of `cells.json`.
    """
    cells = cells_by_setting(result)
    noise = cells.get("noised", {})
    for setting in (EFFECT, BARE):
        text = f"Converted pictures ({named(setting)}) are classified more accurately"
        for sigma, of in cells.get(setting, {}).items():
            if sigma in noise:
                yield _compare(f"{text}, σ = {sigma:g}", of, noise[sigma])
    if {3.0, 5.0} <= noise.keys():
        yield _compare("Accuracy on genuine noise falls with σ, from 3 to 5", noise[3.0], noise[5.0])


def cell_claims(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claims of [NI] about Tables 3 and 4.

    Args:
        result: content of `cells.json`.
    """
    cells, paper = cells_by_setting(result), result["paper"]
    helped, bare = (cells.get(setting, {}) for setting in (EFFECT, BARE))
    both = [sigma for sigma in SIGMAS if sigma in helped and sigma in bare]
    improves = "The explanation loss improves accuracy"
    for sigma in both:
        yield _compare(f"{improves}: {EFFECT} against none, σ = {sigma:g}", helped[sigma], bare[sigma])
    several = [effect for sigma in both if len(effect := _gains(helped[sigma], bare[sigma])) > 1]
    if len(several) > 1 and len({len(effect) for effect in several}) == 1:
        # cells of one seed start from the same weights, so they count as one trial
        together = _over_trainings(np.concatenate(several, 1))
        assert together is not None
        ours = f"{together} over {together.count} seeds"
        yield Claim(f"{improves}: mean over every σ with several seeds", ours, side(together, 0))
    for setting, of in cells.items():
        if setting.removesuffix(AS_PUBLISHED) in paper["table3"] and {3.0, 5.0} <= of.keys():
            yield _compare(f"Accuracy falls with σ, from 3 to 5 ({named(setting)})", of[3.0], of[5.0])
    for law, words in (("", "N corrected"), (AS_PUBLISHED, "N as published")):
        weak, strong = (
            [one for d in ("1e-05", "0.9") for one in _first(cells, f"epsilon {e}, delta {d}{law}")]
            for e in ("0.9", "0.1")
        )
        if len(weak) == len(strong) > 1:
            gain = _over_trainings(_hits(weak) - _hits(strong))
            text = f"Accuracy is higher at epsilon 0.9 than at 0.1 ({words})"
            yield Claim(text, f"{gain} over {len(weak)} pairs of cells", side(gain, 0))
    noise = cells.get("noised", {})
    gaps = [
        paired(of[0], noise[sigma][0], "ssim")
        for name in paper["table4"]
        if name != "noised"
        for law in ("", AS_PUBLISHED)
        for sigma, of in cells.get(name + law, {}).items()
        if sigma in noise
    ]
    if gaps:
        worst = max(gaps, key=lambda gap: abs(gap.value))
        yield Claim(
            "Converted pictures are as dissimilar to the original as genuinely noised ones (SSIM)",
            f"largest mean difference {worst} (tolerance: {NEAR_SSIM})",
            max(abs(worst.low), abs(worst.high)) <= NEAR_SSIM,
        )


def _compare(text: str, first: list[dict[str, Any]], second: list[dict[str, Any]]) -> Claim:
    """Claim that the first is more accurate, decided by the interval over seeds if there are several."""
    over_pictures, seeds = over_seeds(first, second)
    said = f"{seeds} over {seeds.count} seeds" if seeds else "one seed"
    return Claim(text, f"{over_pictures} over pictures, {said}", side(seeds, 0))


def _gains(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Differences of correctness (-1, 0 or 1) for seeds in both, (seeds, pictures)."""
    pairs = [(a, b) for a in first for b in second if a["seed"] == b["seed"]]
    return _hits([a for a, _ in pairs]) - _hits([b for _, b in pairs])


def _first(cells: Cells, setting: str) -> list[dict[str, Any]]:
    """Cells of a setting with seed 0."""
    of = cells.get(setting, {})
    return [cell for sigma in SIGMAS for cell in of.get(sigma, []) if cell["seed"] == 0]


def named(setting: str) -> str:
    """Display name of a setting.

    Args:
        setting: as in `Cell.setting`.
    """
    names = {
        "noised": "n(x), genuine noise",
        "without loss": "without $L_{exp}$",
        "without noise": "$L_{exp}$ without N",
    }
    return names.get(setting, setting.replace("epsilon", "ε").replace("delta", "δ").replace("noised", "n(x)"))
