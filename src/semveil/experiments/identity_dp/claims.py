"""What [IDP] claims in its text, and what this project aims at, held against runs of its figures and tables."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from semveil.experiments.identity_dp.presets import LITERAL, OURS, PUBLISHED
from semveil.experiments.kit.axes import mean
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.statistics import Mean, mean_of_photos

PSR_AIM, SSIM_AIM, DETECTION_AIM = 0.9, 0.8, 0.98  # under epsilon 6; detection as a share of the photos' own
PLAIN_SSIM_AIM, PLAIN_PSNR_AIM, PLAIN_ACCEPTED_AIM = 0.85, 24.0, 0.95  # without noise
# The paper's noise, as rows of results name it, in the words of a claim.
READINGS = {PUBLISHED: "noise as published, divided by its length", LITERAL: "noise by Eq. 11 to the letter"}
RECOGNISED = 0.05  # of Table III: below that a method counts as effective


def trade_off(result: dict[str, Any]) -> Iterator[Claim]:
    """[IDP] V-D, of Figs. 4 and 5, for each reading of its noise that was measured."""
    points = {(p["perturbation"], p["nominal_epsilon"]): p["images"] for p in result["points"]}
    epsilons = sorted({epsilon for _, epsilon in points})
    ends = f"from nominal epsilon {epsilons[0]:g} to {epsilons[-1]:g}"
    source = _value(result["source"], "face_detected")
    for law, words in READINGS.items():
        if (law, epsilons[0]) not in points:  # results of before have one reading
            continue
        least, most = points[law, epsilons[0]], points[law, epsilons[-1]]
        fall = _paired(least, most, "psr")
        text = "A smaller budget protects better: PSR falls as it grows"
        yield Claim(text, f"by {fall} {ends}; {words}", fall.low > 0)
        rise = _paired(most, least, "ssim")
        text = "Visual similarity gets better as the budget grows"
        yield Claim(text, f"SSIM rises by {rise} {ends}; {words}", rise.low > 0)
        rates = [m.value / source for (how, _), p in points.items() if how == law and (m := mean(p, "face_detected"))]
        yield Claim(
            "The face detection rate always remains high",
            f"{min(rates):.3f} to {max(rates):.3f} of the photos' own, over all budgets (high: {DETECTION_AIM:g}); {words}",
            min(rates) >= DETECTION_AIM,
        )
        drop = _paired(least, most, "face_detected")
        text = "It decreases slightly as the budget grows"
        yield Claim(text, f"by {drop} {ends}; {words}", None if drop.low <= 0 <= drop.high else drop.low > 0)
        small = [epsilon for epsilon in epsilons if epsilon < 10]
        rates = [_value(points[law, epsilon], "psr") for epsilon in small]
        likeness = [_value(points[law, epsilon], "ssim") for epsilon in small]
        yield Claim(
            "Any budget below 10 anonymises successfully, and the picture stays like the photo",
            f"PSR {min(rates):.3f} to {max(rates):.3f}, SSIM {min(likeness):.3f} to {max(likeness):.3f} at epsilon "
            f"{small[0]:g} to {small[-1]:g} (successful: PSR {PSR_AIM:g}, SSIM {SSIM_AIM:g}); {words}",
            min(rates) >= PSR_AIM and min(likeness) >= SSIM_AIM,
        )


def comparison(result: dict[str, Any]) -> Iterator[Claim]:
    """[IDP] V-E and V-F, of Table I, and the aims of the bundled model."""
    own = {(r["setting"], r.get("nominal_epsilon")): r["images"] for r in result["rows"] if r["method"] == "identity-dp"}
    source = _value(result["source"], "face_detected")
    plain, ours = own["no noise", None], own[OURS, 6.0]
    accepted = {name: 1 - _value(plain, name) for name in plain if name.startswith("protected ")}
    words = ", ".join(f"{name.removeprefix('protected ')} accepts {rate:.3f}" for name, rate in accepted.items())
    yield Claim(
        f"Aim: without noise SSIM >= {PLAIN_SSIM_AIM:g}, PSNR >= {PLAIN_PSNR_AIM:g} dB, the person accepted for "
        f">= {PLAIN_ACCEPTED_AIM:.0%}",
        f"SSIM {mean(plain, 'ssim')}, PSNR {mean(plain, 'psnr')}; {words}",
        _value(plain, "ssim") >= PLAIN_SSIM_AIM
        and _value(plain, "psnr") >= PLAIN_PSNR_AIM
        and min(accepted.values()) >= PLAIN_ACCEPTED_AIM,
    )
    ratio = _value(ours, "face_detected") / source
    yield Claim(
        f"Aim: at epsilon 6 PSR >= {PSR_AIM:g} with SSIM >= {SSIM_AIM:g} and detection >= {DETECTION_AIM:g} of the photos'",
        f"PSR {mean(ours, 'psr')}, SSIM {mean(ours, 'ssim')}, detection {ratio:.3f} of the photos'",
        _value(ours, "psr") >= PSR_AIM and _value(ours, "ssim") >= SSIM_AIM and ratio >= DETECTION_AIM,
    )
    for law, words in READINGS.items():
        if (law, 6.0) in own:
            gap = _paired(own[law, 0.57], own[law, 6.0], "psr")
            yield Claim(
                "Epsilon 0.57 protects better than epsilon 6",
                f"PSR higher by {gap}, SSIM {mean(own[law, 6.0], 'ssim')} at epsilon 6; {words}",
                None if gap.low <= 0 <= gap.high else gap.low > 0,
            )
    for reading in dict.fromkeys(row["reading"] for row in result["rows"] if "reading" in row):
        rivals = [row for row in result["rows"] if row.get("reading") == reading]
        near = [row for row in rivals if _value(row["images"], "psr") >= _value(ours, "psr")]
        better = [row for row in near if _value(row["images"], "ssim") >= _value(ours, "ssim")]
        said = ", ".join(f"{r['method']} {r['amount']:g} (SSIM {_value(r['images'], 'ssim'):.3f})" for r in near) or "none"
        yield Claim(
            "Traditional methods fail to improve the privacy-utility trade-off",
            f"read by its {reading}: of six settings those with PSR no lower than identity-dp's at epsilon 6 are: {said}; "
            f"identity-dp: SSIM {_value(ours, 'ssim'):.3f}",
            not better,
        )


def pairs(result: dict[str, Any]) -> Iterator[Claim]:
    """[IDP] V-F 5, of Table III."""
    rows = {(row["setting"], row.get("nominal_epsilon")): row for row in result["rows"]}
    for law, epsilon in ((law, epsilon) for law in READINGS for epsilon in (6.0, 0.57) if (law, epsilon) in rows):
        found = rows[law, epsilon]["true_acceptance"]
        said = ", ".join(f"{name} {mean:.3f} ± {deviation:.3f}" for name, (mean, deviation) in found.items())
        yield Claim(
            f"At epsilon {epsilon:g} the true acceptance rate drops to less than {RECOGNISED:g}",
            f"{READINGS[law]}: {said}",
            max(mean for mean, _ in found.values()) < RECOGNISED,
        )


def _value(columns: dict[str, Any], metric: str) -> float:
    found = mean(columns, metric)
    assert found is not None
    return found.value


def _paired(a: dict[str, Any], b: dict[str, Any], metric: str) -> Mean:
    """Mean over photos of a - b."""
    found = mean_of_photos(np.array(a[metric], float) - np.array(b[metric], float))
    assert found is not None
    return found
