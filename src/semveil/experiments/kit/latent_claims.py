"""What [DPI] and [LDP] claim in their text, held against runs of their figures."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from semveil.experiments.kit.axes import doubt, mean
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.set_distance import UNSEEN
from semveil.experiments.kit.statistics import Mean, mean_of_photos
from semveil.metrics.feature_networks import FID

STRONG = 0.5  # what a "strong" rank correlation is taken to mean
NOT_IDENTIFIED = 0.9  # share judged another person that "infeasible to identify" is taken to mean
FACES = 0.5  # share with a face that "shows a human face" is taken to mean


def dp_image_latents(result: dict[str, Any]) -> Iterator[Claim]:
    """[DPI] 4.2.1 and 4.2.2, of latents and pairs."""
    distances, observed = result["distances"], result["sensitivities"]["observed"]["value"]
    text = "The largest distance of seen photos is an experienced value of the sensitivity for others"
    if observed is None:
        yield Claim(text, "no distances of public photos are kept for this model", None)
    else:
        name, worst = max(result["outliers"].items(), key=lambda item: item[1])
        ours = (
            f"{observed:,.0f} over public training photos; {distances['max']:,.0f} over {distances['pairs']:,} held-out pairs; "
            f"{worst:,.0f} from one of them to a picture of {name}"
        )
        yield Claim(text, ours, max(distances["max"], worst) <= observed)
    found, alone = result["rank_correlation"], result["rank_correlation_of_identity_codes"]
    yield Claim(
        "A small distance of two photos' latents goes with a large similarity: a strong correlation",
        f"Spearman {found['spearman']:.2f} [{found['low']:.2f}, {found['high']:.2f}] over {found['pairs']:,} pairs "
        f"(strong: -{STRONG:g}); of the identity codes alone {alone['spearman']:.2f} [{alone['low']:.2f}, {alone['high']:.2f}]",
        found["high"] <= -STRONG,
    )
    threshold = result["config"]["verifier"]["threshold"]
    shown = np.array(result["shown_similarities"], float)
    largest = float(shown[np.triu_indices(len(shown), 1)].max())
    everyone = result["similarity_of_different_people"]["largest"]
    yield Claim(
        f"Among {len(shown)} photos of different people all similarities stay below the threshold",
        f"at most {largest:.2f}, threshold {threshold:.2f}; over all {found['pairs']:,} pairs at most {everyone:.2f}",
        largest < threshold,
    )


def dp_image_identity(result: dict[str, Any]) -> Iterator[Claim]:
    """[DPI] 4.2.2 and 5.2, of Figs. 9 to 11."""
    points = {(p["styles"], p["scale"]): p for p in result["points"]}
    scales = sorted({scale for _, scale in points})
    first, last = points["all", scales[0]], points["all", scales[-1]]
    fall = _paired(first["photos"], last["photos"], "identity_similarity")
    yield Claim(
        "Similarity to the photo falls as the noise grows",
        f"by {fall} from scale {scales[0]:g} to {scales[-1]:g}",
        fall.low > 0,
    )
    for text, scale, changed in (
        ("At scale 0.2 most identities are unchanged", 0.2, False),
        ("At scale 1 the majority of identities has changed", 1.0, True),
    ):
        point = points.get(("all", scale))
        if point is None:
            yield Claim(text, "not measured at this scale", None)
            continue
        rates = [mean(point["photos"], metric) for metric in ("fppsr", "fppsr_to_inversion")]
        holds = [_side(rate, 0.5) for rate in rates]
        guarantee = point["guarantee"]
        yield Claim(
            text,
            f"FPPSR {rates[0]} against the photo, {rates[1]} against its inversion; epsilon {guarantee['epsilon']:,.0f} "
            f"(basis: {guarantee['basis']}){_suffix(result['inverted'])}",
            (holds[0] is changed) if holds[0] is holds[1] and holds[0] is not None else None,
        )
    gaps = [(s, _paired(points["identity", s]["photos"], points["all", s]["photos"], "face_detected")) for s in scales]
    scale, gap = max(gaps, key=lambda item: item[1].value)
    yield Claim(
        "Noise on the identity codes alone gives more realistic faces than noise on all",
        f"dlib finds a face in {gap} more of them at scale {scale:g}, where the difference is largest",
        gap.low > 0,
    )


def dp_image_utility(result: dict[str, Any]) -> Iterator[Claim]:
    """[DPI] 4.2.3, of Table 1. A mosaic has whole cells only: what differs between the two nearest is left open."""
    ours = next(row["images"] for row in result["methods"] if row["method"] == "dp-image")
    fields = list(_fields(result["methods"]))
    text = "At equal similarity dp-image has the lowest FID"
    if ours["frechet"] is None:
        yield Claim(text, "no features to compare sets by", None)
    else:
        said, verdicts = [], set()
        for key, metric in (("frechet", ours["frechet_metric"]), (UNSEEN, UNSEEN)):
            if ours.get(key) is None:
                continue
            bests = [min(field.items(), key=lambda item, key=key: item[1][key]) for field in fields]  # type: ignore[misc]
            words = " or ".join(dict.fromkeys(f"{name} {images[key]:.1f}" for name, images in bests))
            said.append(f"{metric} {ours[key]:.1f}, best other: {words}")
            verdicts |= {ours[key] < images[key] for _, images in bests}
        yield Claim(text, f"{'; '.join(said)}{'' if ours['frechet_metric'] == FID else '; not FID'}", _agreed(verdicts))
    for text, metric, sign, wanted in (
        ("It has the lowest l2 noise", "l2", 1, True),
        ("It is not the best in ALD", "ald_inf", 1, False),
        ("It is not the best in SSIM", "ssim", -1, False),
    ):
        said, leads = [], set()
        for field in fields:
            name = min(field, key=lambda other: sign * _value(field[other], metric))
            gap = _paired(field[name], ours, metric)
            said.append(f"{name} {_value(field[name], metric):.4g}")
            side = _side(gap, 0.0)
            leads.add(None if side is None else side == (sign > 0))
        best = _agreed(leads)
        words = f"{_value(ours, metric):.4g}, best other: {' or '.join(dict.fromkeys(said))}"
        yield Claim(text, words, None if best is None else best == wanted)


def _fields(rows: list[dict[str, Any]]) -> Iterator[dict[str, dict[str, Any]]]:
    """What dp-image competes with, by name: one field with the smaller mosaic, one with the larger."""
    amounts: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["method"] != "dp-image":
            amounts.setdefault(row["method"], []).append(row)
    for i in range(max(len(same) for same in amounts.values())):
        chosen = [same[min(i, len(same) - 1)] for same in amounts.values()]
        yield {
            row["method"] + (f" of {row['amount']:g}" if len(amounts[row["method"]]) > 1 else ""): row["images"]
            for row in chosen
        }


def _agreed(verdicts: set[bool | None]) -> bool | None:
    """The one verdict, None where there are two."""
    return next(iter(verdicts)) if len(verdicts) == 1 else None


def latent_dp_outliers(result: dict[str, Any]) -> Iterator[Claim]:
    """[LDP] 3.2 and 4.2, of pictures that are no faces."""
    strange = [r for r in result["images"] if not r["is_a_face"]]
    for kind, text in (
        ("cat", "An animal becomes a human face by clipping"),
        ("white noise", "Even white noise shows a human face after substantial clipping"),
    ):
        rates = []
        for clip in sorted({r["clip"] for r in strange if r["clip"] is not None}):
            found = [r["face_detected"] for r in strange if r["clip"] == clip and r["source"].startswith(kind)]
            rates.append((clip, float(np.mean(found)), len(found)))
        words = ", ".join(f"{rate:.0%} at {clip:g}/{100 - clip:g}" for clip, rate, _ in rates)
        yield Claim(text, f"dlib finds a face in {words} ({rates[0][2]} pictures)", rates[-1][1] >= FACES)


def latent_dp_trade_off(result: dict[str, Any]) -> Iterator[Claim]:
    """[LDP] 4.2, of Fig. 8."""
    points = {(p["clip"], p["epsilon"]): p["images"] for p in result["points"]}
    clips = sorted({clip for clip, _ in points})
    epsilons = sorted({epsilon for _, epsilon in points if epsilon is not None})
    least, most = epsilons[0], epsilons[-1]
    rises = [_paired(points[clip, most], points[clip, least], "ssim") for clip in clips]
    yield Claim(
        "The larger epsilon, the closer the picture is to its original",
        f"SSIM rises by {min(r.value for r in rises):.3f} to {max(r.value for r in rises):.3f} from epsilon {least:,.0f} to "
        f"{most:,.0f}, depending on the bounds",
        all(r.low > 0 for r in rises),
    )
    loose, tight = clips[0], clips[-1]
    gap = _paired(points[tight, least], points[loose, least], "ssim")
    yield Claim(
        "Clipping makes the pictures more robust to noise",
        f"at epsilon {least:,.0f} SSIM is {gap} higher at {_bounds(tight)} than at {_bounds(loose)}",
        gap.low > 0,
    )
    faces = [mean(points[clip, least], "face_detected") for clip in (loose, tight)]
    words = f"at epsilon {least:,.0f} dlib finds a face in {faces[0]} at {_bounds(loose)}, in {faces[1]} at {_bounds(tight)}"
    yield Claim(
        "With sufficient clipping pictures of small epsilons are recognisably human",
        words,
        bool(faces[1] and faces[1].low > FACES),
    )
    loss = _paired(points[loose, None], points[tight, None], "identity_similarity")
    yield Claim(
        "Heavy clipping loses more of the original",
        f"without any noise similarity falls by {loss} from {_bounds(loose)} to {_bounds(tight)}",
        loss.low > 0,
    )
    at = min(epsilons, key=lambda epsilon: abs(epsilon - result["coordinates"]))
    references = {"the photo": "fppsr", "its inversion": "fppsr_to_inversion"}
    rates = {
        name: min((m for clip in clips if (m := mean(points[clip, at], metric))), key=lambda m: m.value)
        for name, metric in references.items()
    }
    holds = {_side(rate, NOT_IDENTIFIED) for rate in rates.values()}
    words = ", ".join(f"{rate} or more against {name}" for name, rate in rates.items())
    alone = mean(points[tight, None], "fppsr")
    yield Claim(
        "At epsilon 1 per coordinate people cannot be identified",
        f"at epsilon {at:,.0f} FPPSR {words}; {_bounds(tight)} clipping alone, without noise, {alone} against the photo"
        f"{_suffix(result['reconstructed']['images'])}",
        _agreed(holds),
    )


def _side(rate: Mean | None, border: float) -> bool | None:
    """Whether a rate is above a border, None where its interval holds it."""
    if rate is None or rate.low <= border <= rate.high:
        return None
    return rate.low > border


def _suffix(inverted: dict[str, Any]) -> str:
    """Said of identity wherever the recogniser is in doubt about the inversions."""
    caution = doubt(inverted)
    return f"; {caution}" if caution else ""


def _bounds(clip: float) -> str:
    return f"{clip:g}/{100 - clip:g} %"


def _value(columns: dict[str, Any], metric: str) -> float:
    found = mean(columns, metric)
    assert found is not None
    return found.value


def _paired(a: dict[str, Any], b: dict[str, Any], metric: str) -> Mean:
    """Mean over photos of a - b."""
    first, second = (np.array(columns[metric], float) for columns in (a, b))
    found = mean_of_photos(first - second)
    assert found is not None
    return found
