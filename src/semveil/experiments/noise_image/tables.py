"""Markdown of noise-image's result files, and what of the paper's text they bear out."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.markdown import markdown
from semveil.experiments.kit.statistics import Mean, mean_of_photos
from semveil.experiments.noise_image.bench import unpacked
from semveil.experiments.noise_image.presets import AS_PUBLISHED, MAIN, SIGMAS, Cell

Cells = dict[str, dict[float, list[dict[str, Any]]]]
EFFECT, BARE = Cell(3.0, "published", *MAIN).setting, Cell(3.0, "without loss").setting
NO_MATCH = 0.2  # cosine below which two maps do not match
NEAR_SSIM = 0.005  # what "no difference in SSIM" is taken to mean


def cells_by_setting(result: dict[str, Any]) -> Cells:
    """Setting -> sigma -> its cells, one for each seed, in the order of Table 3."""
    found: Cells = {}
    for record in result["cells"].values():
        named = {name: record[name] for name in ("sigma", "kind", "epsilon", "delta", "seed")}
        cell = Cell(**named, calibration=record.get("calibration", "corrected"))  # cells of before have one law
        found.setdefault(cell.setting, {}).setdefault(cell.sigma, []).append(record)
    order = ["noised", *result["paper"]["table3"]]
    rows = {setting: setting.removesuffix(AS_PUBLISHED) for setting in found}
    places = {setting: order.index(row) if row in order else len(order) for setting, row in rows.items()}
    return {s: dict(sorted(found[s].items())) for s in sorted(found, key=lambda s: (places[s], s))}


def hits(cells: list[dict[str, Any]]) -> NDArray[np.float64]:
    """(seeds, pictures): 1 where the service model was right."""
    return np.array([unpacked(cell["right"], cell["accuracy"]["count"]) for cell in cells], float)


def mean_accuracy(cells: list[dict[str, Any]]) -> Mean:
    """Over pictures and seeds; the interval is over pictures."""
    mean = mean_of_photos(hits(cells))
    assert mean is not None
    return mean


def over_seeds(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> tuple[Mean, Mean | None]:
    """Difference of accuracies, first - second, paired by seed: with an interval over pictures, and with one over seeds.

    The second holds what training anew changes; None for a single seed.
    """
    rows = _gains(first, second)
    over_pictures = mean_of_photos(rows)
    assert over_pictures is not None
    return over_pictures, over_trainings(rows)


def over_trainings(rows: NDArray[np.float64]) -> Mean | None:
    """Mean of (trainings, pictures) with Student's interval over trainings; None for a single one."""
    trainings = rows.mean(1)
    if len(trainings) < 2:
        return None
    half = float(t.ppf(0.975, len(trainings) - 1) * trainings.std(ddof=1) / len(trainings) ** 0.5)
    centre = float(trainings.mean())
    return Mean(centre, centre - half, centre + half, len(trainings))


def attack_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Targets with value, low and high of what the inverter rebuilt."""
    rows = []
    for name, target in result["attack"].items():
        if name == "source":
            continue
        made = target.get("rebuilt", target)
        classified = made["classified"]
        row = {"name": name, "classified": tuple(classified[key] for key in ("value", "low", "high"))}
        for metric in ("ssim", "psnr", "lpips"):
            mean = mean_of_photos(made[metric]) if made[metric] else None
            row[metric] = (mean.value, mean.low, mean.high) if mean else None
        sent = target.get("sent")
        row["sent"] = mean_of_photos(sent["ssim"]) if sent else None
        rows.append(row)
    return rows


def _cells(result: dict[str, Any]) -> str:
    paper, cells = result["paper"], cells_by_setting(result)
    explainer = result["explainer"]
    about = (
        f"{result['config']['pictures']}. Explainer on pictures as they are: {_score(explainer['accuracy'])} (paper: "
        f"{paper['explainer']:.3f}); chance {explainer['chance']:.3f}. Mean over seeds with a 95 % bootstrap interval "
        "over test pictures; in brackets behind it each seed's accuracy where there are several; in italics the paper's."
    )
    rows = []
    for setting, of in cells.items():
        theirs = paper["table3"].get(setting.removesuffix(AS_PUBLISHED))
        row = [_named(setting)]
        for sigma in SIGMAS:
            text = _accuracy(of[sigma]) if sigma in of else ""
            row.append(f"{text} *{theirs[SIGMAS.index(sigma)]:.3f}*" if theirs else text)
        rows.append(row)
    likeness = []
    for setting, of in cells.items():
        theirs = paper["table4"].get(setting.removesuffix(AS_PUBLISHED))
        row = [_named(setting)]
        for sigma in SIGMAS:
            mean = mean_of_photos([cell["ssim"] for cell in of[sigma]]) if sigma in of else None
            text = f"{100 * mean.value:.2f} [{100 * mean.low:.2f}, {100 * mean.high:.2f}]" if mean else ""
            row.append(f"{text} *{100 * theirs[SIGMAS.index(sigma)]:.2f}*" if theirs else text)
        likeness.append(row)
    head = ["", *(f"σ = {sigma:g}" for sigma in SIGMAS)]
    judged = [[claim.text, claim.ours, claim.verdict] for claim in cell_claims(result)]
    return "\n\n".join(
        [
            about,
            "**Table 3**, accuracy of the service model",
            markdown(head, rows),
            "**Table 4**, SSIM to the picture, times 100",
            markdown(head, likeness),
            markdown(["The paper's text", "Here", ""], judged),
            markdown(
                ["Against true noise", "Here", ""], [[claim.text, claim.ours, claim.verdict] for claim in noise_claims(result)]
            ),
        ]
    )


def noise_claims(result: dict[str, Any]) -> Iterator[Claim]:
    """What a conversion buys over true noise, which [NI] does not ask."""
    cells = cells_by_setting(result)
    noise = cells.get("noised", {})
    for setting in (EFFECT, BARE):
        for sigma, of in cells.get(setting, {}).items():
            if sigma in noise:
                yield _compare(f"Converted pictures ({_named(setting)}) are read better, σ = {sigma:g}", of, noise[sigma])
    if {3.0, 5.0} <= noise.keys():
        yield _compare("Accuracy on true noise falls with σ, from 3 to 5", noise[3.0], noise[5.0])


def cell_claims(result: dict[str, Any]) -> Iterator[Claim]:
    """What [NI] says of Tables 3 and 4."""
    cells = cells_by_setting(result)
    helped, bare = (cells.get(setting, {}) for setting in (EFFECT, BARE))
    both = [sigma for sigma in SIGMAS if sigma in helped and sigma in bare]
    for sigma in both:
        yield _compare(f"The explanation loss helps: {EFFECT} above none at σ = {sigma:g}", helped[sigma], bare[sigma])
    several = [effect for sigma in both if len(effect := _gains(helped[sigma], bare[sigma])) > 1]
    if len(several) > 1 and len({len(effect) for effect in several}) == 1:
        together = over_trainings(np.concatenate(several, 1))  # cells of one seed start from the same weights: one trial
        assert together is not None
        text = "The explanation loss helps: mean over the σ that have several seeds"
        yield Claim(text, f"{together} over {together.count} seeds", _sign(together))
    for setting, of in cells.items():
        if setting.removesuffix(AS_PUBLISHED) in result["paper"]["table3"] and {3.0, 5.0} <= of.keys():
            yield _compare(f"Accuracy falls with σ, from 3 to 5 ({_named(setting)})", of[3.0], of[5.0])
    for law, words in (("", "N corrected"), (AS_PUBLISHED, "N as published")):
        weak, strong = (
            [c for d in ("1e-05", "0.9") for of in [cells.get(f"epsilon {e}, delta {d}{law}", {})] for c in _of_seed(of)]
            for e in ("0.9", "0.1")
        )
        if len(weak) == len(strong) > 1:
            gain = over_trainings(hits(weak) - hits(strong))
            assert gain is not None
            text = f"Epsilon 0.9 gives more accuracy than 0.1 ({words})"
            yield Claim(text, f"{gain} over {len(weak)} pairs of cells", _sign(gain))
    noise = cells.get("noised", {})
    gaps = []
    for setting in (name + law for name in result["paper"]["table4"] if name != "noised" for law in ("", AS_PUBLISHED)):
        for sigma, made in cells.get(setting, {}).items():
            if sigma in noise:
                gaps.append(mean_of_photos(np.array(made[0]["ssim"]) - np.array(noise[sigma][0]["ssim"])))
    found = [gap for gap in gaps if gap]
    if found:
        worst = max(found, key=lambda gap: abs(gap.value))
        text = "Converted pictures are as unlike the picture as under true noise (SSIM)"
        yield Claim(
            text, f"largest mean difference {worst} (none: {NEAR_SSIM})", max(abs(worst.low), abs(worst.high)) <= NEAR_SSIM
        )


def _attack(result: dict[str, Any]) -> str:
    head = ["what is sent", "its own SSIM", "SSIM rebuilt", "PSNR, dB", "LPIPS", "classified right, rebuilt"]
    rows = []
    for row in attack_rows(result):
        sent = str(row["sent"]) if row["sent"] else ""
        rows.append([_named(row["name"]), sent, *(_triple(row[c]) for c in ("ssim", "psnr", "lpips", "classified"))])
    known = max(target.get("known_pairs", 0) for target in result["attack"].values())
    steps = result["config"]["preset"]["inverter_steps"]
    about = (
        f"An inverter trained on {known:,} pairs, of training pictures, for {steps:,} steps where none are named; "
        f"{len(result['attack']['mean picture']['ssim'])} test pictures rebuilt; mean with a 95 % interval over "
        "pictures. LPIPS at twice the size. The explainer classifies the "
        f"pictures themselves with {_score(result['attack']['source']['classified'])}, chance is "
        f"{result['explainer']['chance']:.3f}."
    )
    return f"{about}\n\n{markdown(head, rows)}"


def _variants(result: dict[str, Any]) -> str:
    rows = []
    for name, case in result["variants"].items():
        claim = case["guarantee"]
        epsilon = "none" if claim["epsilon"] is None else f"{claim['epsilon']:.4g} at δ {claim['delta']:g}"
        covers = claim["covers"].split(", in the weights")[0]
        noise = f"{case['sigma']:.4g}" if "sigma" in case else ""
        rows.append([name, covers, f"{epsilon} ({claim['basis']})", noise, _score(case["accuracy"]), f"{case['chance']:.3f}"])
    head = ["variant", "covers", "ε (basis)", "noise per value", "accuracy", "chance"]
    return f"{result['config']['pictures']}.\n\n{markdown(head, rows)}"


def _pictures(result: dict[str, Any]) -> str:
    likeness = result["pictures"]["fig4"]["likeness"]
    rows = []
    for name, values in likeness.items():
        kind, network = name.split(", ")
        setting = {"published": "ε 0.1, δ 1e-05"}.get(kind, _named(kind))
        rows.append(
            [
                setting,
                {"f'": "the explainer, h∘f'∘g(x)", "f": "the service model, h∘f∘g(x)"}[network],
                str(mean_of_photos(values)),
            ]
        )
    judged = [[claim.text, claim.ours, claim.verdict] for claim in picture_claims(likeness)]
    head = ["conversion, σ = 3", "explained by", "cosine with h∘f'(x)"]
    return "\n\n".join([markdown(head, rows), markdown(["The paper's text", "Here", ""], judged)])


def picture_claims(likeness: dict[str, list[float]]) -> Iterator[Claim]:
    """What [NI] says of Fig. 4."""
    mean = mean_of_photos(likeness["published, f'"])
    assert mean is not None
    text = "The explainer's maps of the converted picture do not match those of the picture"
    yield Claim(text, f"cosine {mean} (no match: {NO_MATCH})", mean.high < NO_MATCH)
    gap = mean_of_photos(np.array(likeness["without noise, f"]) - np.array(likeness["published, f"]))
    assert gap is not None
    text = "Without N the service model's maps show more of the picture"
    yield Claim(text, f"cosine larger by {gap}, one seed", None)


def _compare(text: str, first: list[dict[str, Any]], second: list[dict[str, Any]]) -> Claim:
    """Whether the first is larger: where there are several seeds, by the interval over seeds."""
    over_pictures, seeds = over_seeds(first, second)
    ours = f"{over_pictures} over pictures" + (f", {seeds} over {seeds.count} seeds" if seeds else ", one seed")
    return Claim(text, ours, _sign(seeds) if seeds else None)


def _gains(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> NDArray[np.float64]:
    """(seeds, pictures): 1 where only the first was right, -1 where only the second was, for seeds that both have."""
    pairs = [(a, b) for a in first for b in second if a["seed"] == b["seed"]]
    return hits([a for a, _ in pairs]) - hits([b for _, b in pairs])


def _sign(difference: Mean) -> bool | None:
    return True if difference.low > 0 else False if difference.high < 0 else None


def _of_seed(of: dict[float, list[dict[str, Any]]], seed: int = 0) -> list[dict[str, Any]]:
    return [cell for sigma in SIGMAS for cell in of.get(sigma, []) if cell["seed"] == seed]


def _accuracy(cells: list[dict[str, Any]]) -> str:
    mean = str(mean_accuracy(cells))
    seeds = ", ".join(f"{cell['accuracy']['value']:.3f}" for cell in cells)
    return mean if len(cells) < 2 else f"{mean} ({seeds})"


def _named(setting: str) -> str:
    names = {"noised": "n(x), true noise", "without loss": "without $L_{exp}$", "without noise": "$L_{exp}$ without N"}
    return names.get(setting, setting.replace("epsilon", "ε").replace("delta", "δ").replace("noised", "n(x)"))


def _score(score: dict[str, float]) -> str:
    return f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"


def _triple(found: tuple[float, float, float] | None) -> str:
    return "not measured" if found is None else "{:.3f} [{:.3f}, {:.3f}]".format(*found)


NOISE_IMAGE_TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "noise-image/cells": _cells,
    "noise-image/attack": _attack,
    "noise-image/variants": _variants,
    "noise-image/pictures": _pictures,
}
