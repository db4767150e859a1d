"""The paper's claims in its own terms, held against a run of Figs. 3 and 4."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.experiments.dp_semcom.figures import inconclusive
from semveil.experiments.kit.statistics import Mean, mean_of_photos

NEAR_LPIPS, NEAR_FPPSR = 0.01, 0.05  # what "reaches" and "very close" are taken to mean


@dataclass(frozen=True)
class Claim:
    """Attributes: text of the paper; ours, in words with numbers; holds: None where the run cannot tell."""

    text: str
    ours: str
    holds: bool | None

    @property
    def verdict(self) -> str:
        return {True: "holds", False: "does not hold", None: "cannot tell"}[self.holds]


def values(columns: dict[str, Any], metric: str) -> NDArray[np.float64] | None:
    """(seeds, photos) values of a metric, None where it was not measured."""
    rows = columns.get(metric)
    return None if rows is None else np.array(rows, float)


def difference(a: dict[str, Any], b: dict[str, Any], metric: str) -> Mean | None:
    """Mean over photos of a - b, paired by photo and seed."""
    first, second = values(a, metric), values(b, metric)
    return None if first is None or second is None else mean_of_photos(first - second)


def judge(result: dict[str, Any]) -> list[Claim]:
    """Every claim of [DPSC] Section 4.2 that has a number or a direction.

    Args:
        result: the JSON of a run of Figs. 3 and 4.
    """
    return [*_lpips_claims(result), *_fppsr_claims(result), *_others(result)]


def _lpips_claims(result: dict[str, Any]) -> Iterator[Claim]:
    points, direct = result["points"], result["direct"]
    unmeasured = direct["lpips"] is None
    high = [p for p in points if p["nominal_epsilon"] >= 5]
    gaps = [difference(p["bob"], direct, "lpips") for p in high]
    text = "Bob's LPIPS reaches that of direct transmission for nominal epsilon >= 5"
    if unmeasured or not gaps:
        yield Claim(text, "LPIPS not measured", None)
    else:
        worst = max((g for g in gaps if g), key=lambda g: g.value)
        yield Claim(text, f"largest mean difference {worst} (near: {NEAR_LPIPS})", worst.high <= NEAR_LPIPS)

    text = "Eve's LPIPS is about .1 to .2 above Bob's"
    if unmeasured:
        yield Claim(text, "LPIPS not measured", None)
    else:
        gap = [g.value for p in points if (g := difference(p["eve"], p["bob"], "lpips"))]
        yield Claim(text, f"{_span(gap)} above", min(gap) >= 0.1 and max(gap) <= 0.2)

    for party, name in (("bob", "Bob"), ("eve", "Eve")):
        text = f"{name}'s LPIPS falls as nominal epsilon grows"
        if unmeasured or len(points) < 2:
            yield Claim(text, "LPIPS not measured at several epsilons", None)
        else:
            fall = difference(points[0][party], points[-1][party], "lpips")
            assert fall is not None
            first, last = (f"{p['nominal_epsilon']:g}" for p in (points[0], points[-1]))
            yield Claim(text, f"by {fall} from nominal epsilon {first} to {last}", fall.low > 0)


def _fppsr_claims(result: dict[str, Any]) -> Iterator[Claim]:
    points, direct, doubt = result["points"], result["direct"], inconclusive(result)
    texts = ("Eve's FPPSR is close to .9 to 1", "Bob's FPPSR is very close to that of direct transmission")
    if direct["fppsr"] is None:
        yield from (Claim(text, "the recogniser could not be run", None) for text in texts)
        return
    rates = [m.value for p in points if (m := mean_of_photos(_known(p["eve"], "fppsr")))]
    suffix = f"; {doubt}" if doubt else ""
    yield Claim(texts[0], f"{_span(rates)}{suffix}", None if doubt else min(rates) >= 0.9)
    gaps = [g for p in points if (g := difference(p["bob"], direct, "fppsr"))]
    worst = max(gaps, key=lambda g: g.value)
    ours = f"largest mean difference {worst} (near: {NEAR_FPPSR}){suffix}"
    yield Claim(texts[1], ours, None if doubt else worst.high <= NEAR_FPPSR)


def _others(result: dict[str, Any]) -> Iterator[Claim]:
    points = result["points"]
    clear = [p for p in points if p["nominal_epsilon"] >= 15]
    if clear:
        rates = [m.value for p in clear if (m := mean_of_photos(_known(p["eve"], "face_detected")))]
        text = "Eve generates clear face images at nominal epsilon >= 15"
        reference = mean_of_photos(_known(result["direct"], "face_detected"))
        assert reference is not None
        ours = f"dlib finds a face in {_span(rates)} of them, in {reference.value:.3f} of direct transmission"
        yield Claim(text, ours, min(rates) >= 0.9 * reference.value)
    ratios = [p["noise_calibration"]["fit"]["scale"] / p["nominal_scale"] for p in points if p["noise_calibration"]]
    if ratios:
        text = "In general epsilon' > epsilon: the fake noise is smaller than the noise that it imitates"
        ours = f"its fitted scale is {_span(ratios)} times the nominal one (neither is a guarantee)"
        yield Claim(text, ours, max(ratios) < 1)


def _span(numbers: Sequence[float]) -> str:
    low, high = f"{min(numbers):.3f}", f"{max(numbers):.3f}"
    return low if low == high else f"{low} to {high}"


def _known(columns: dict[str, Any], metric: str) -> NDArray[np.float64]:
    found = values(columns, metric)
    return np.array([[np.nan]]) if found is None else found
