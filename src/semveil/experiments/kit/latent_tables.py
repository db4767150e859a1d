"""Markdown of the result files of dp-image and latent-dp."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from semveil.experiments.kit import latent_claims
from semveil.experiments.kit.axes import doubt, mean, number, recogniser
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.markdown import markdown
from semveil.experiments.kit.set_distance import NOT_MEASURED, shown_distances

_LPIPS = ("LPIPS", "LPIPS-Squeeze")


def _latents(result: dict[str, Any]) -> str:
    values, distances, paper = result["values"], result["distances"], result["paper"]
    sensitivities = result["sensitivities"]
    codes, style_dim = result["config"]["model"]["latent_shape"]
    theirs = paper["latent_shape"][0] * paper["latent_shape"][1]
    growth = distances["largest_of_first"]
    rows = [
        ["numbers in a photo's latents", f"{codes} x {style_dim} = {codes * style_dim:,}", f"{theirs:,}"],
        ["their range", f"{values['min']:.2f} to {values['max']:.2f}", "-20 to 20"],
        ["L1 distance of two photos, mean", f"{distances['mean']:,.0f}", f"{paper['pair_distance_mean']:,} (roughly)"],
        ["the same per coordinate", f"{result['per_coordinate']:.2f}", f"{paper['pair_distance_mean'] / theirs:.2f}"],
        ["largest of all pairs", f"{distances['max']:,.0f} ({distances['pairs']:,} pairs)", f"{paper['pair_distance_max']:,}"],
        ["largest among the first " + ", ".join(growth), ", ".join(f"{v:,.0f}" for v in growth.values()), ""],
        *(
            [f"sensitivity `{kind}` (basis: {s.get('basis', 'none')})", "" if s["value"] is None else f"{s['value']:,.0f}", ""]
            for kind, s in sensitivities.items()
        ),
        *([f"largest distance from a photo to: {name}", f"{value:,.0f}", ""] for name, value in result["outliers"].items()),
    ]
    return "\n\n".join(
        [_about(result), markdown(["", "here", "the paper"], rows), _claims(latent_claims.dp_image_latents(result))]
    )


def _identity(result: dict[str, Any]) -> str:
    epsilons = ["ε by the clip box", "ε as published (observed)", "loss per unit of L1"]
    head = ["noise on", "scale", *epsilons, "similarity", "FPPSR", "FPPSR to inversion", "face found"]
    metrics = ("identity_similarity", "fppsr", "fppsr_to_inversion", "face_detected")
    similarity, rate, face = _cells(result["inverted"], ("identity_similarity", "fppsr", "face_detected"))
    rows = [["no noise (inversion)", "", "", "", "", similarity, rate, "", face]]
    for point in result["points"]:
        release = point["of_a_release"]
        per_unit = release["metric"]["metric"]["rate"]
        claims = [*(_epsilon(release[kind]) for kind in ("box", "observed")), f"{per_unit:.3g}"]
        codes = "all codes" if point["styles"] == "all" else "identity codes"
        rows.append([codes, f"{point['scale']:g}", *claims, *_cells(point["photos"], metrics)])
    caution = doubt(result["inverted"])
    parts = [
        _about(result),
        *([f"**{caution}**"] if caution else []),
        f"Mean over {result['config']['preset']['draws']} draws per photo. Other people's similarity: "
        f"{result['other_people']['identity_similarity']}. The epsilons "
        "are those of a release; the runs themselves draw simulated noise.",
        markdown(head, rows),
        _claims(latent_claims.dp_image_identity(result)),
    ]
    return "\n\n".join(parts)


def _utility(result: dict[str, Any]) -> str:
    head = [
        "method",
        "amount",
        "ε of a crop (basis)",
        "l2",
        "ALD∞",
        "SSIM",
        "LPIPS",
        "LPIPS-Squeeze",
        "Fréchet",
        "similarity",
        "face found",
    ]
    metrics, more = ("l2", "ald_inf", "ssim", "lpips", "lpips_squeeze"), ("identity_similarity", "face_detected")
    plain = result["reconstructed"]["images"]
    rows = [["inversion, no noise", "", "none", *_cells(plain, metrics), shown_distances(plain), *_cells(plain, more)]]
    for row in result["methods"]:
        images = row["images"]
        amount = f"{row['amount']:.3g} ({row['amount_is']}{'; ' + row['fixed'] if row['fixed'] else ''})"
        what = [row["method"], amount, _epsilon(row["guarantee"])]
        rows.append([*what, *_cells(images, metrics), shown_distances(images), *_cells(images, more)])
    paper = [
        [name, *(f"{row[key]:g}" for key in ("l2", "ald_inf", "ssim", "fid", "iss_arcface", "iss_microsoft"))]
        for name, row in result["paper"]["table1"].items()
    ]
    parts = [
        _about(result),
        f"Every method's amount was searched until the mean similarity is the recogniser's threshold, "
        f"{result['target_similarity']:.4g}, as the paper's 0.31 lies at ArcFace's 0.3; "
        "a mosaic's whole cells meet it nowhere, so both neighbours are shown.",
        markdown(head, rows),
        "The paper's Table 1 (1,024 px; l2 grows with the picture, so compare only within a table):",
        markdown(["method", "l2", "ALD∞", "SSIM", "FID", "ISS, ArcFace", "ISS, Microsoft"], paper),
        _claims(latent_claims.dp_image_utility(result)),
    ]
    return "\n\n".join(parts)


def _outliers(result: dict[str, Any]) -> str:
    clips = sorted({r["clip"] for r in result["images"] if r["clip"] is not None})
    rows = []
    for source in dict.fromkeys(r["source"] for r in result["images"]):
        of = {(r["shows"], r["clip"]): r for r in result["images"] if r["source"] == source}
        plain = ["yes" if of[name, None]["face_detected"] else "no" for name in ("source", "reconstructed")]
        cells = [
            f"{'yes' if of['clip', c]['face_detected'] else 'no'} ({of['clip', c]['coordinates_clipped']:.0%})" for c in clips
        ]
        rows.append([source, *plain, *cells])
    head = ["picture", "source", "inversion", *(f"{c:g}/{100 - c:g} %" for c in clips)]
    parts = [
        _about(result),
        "Does dlib find a face, and what share of the coordinates does clipping move? No noise, no guarantee.",
        markdown(head, rows),
        _claims(latent_claims.latent_dp_outliers(result)),
    ]
    return "\n\n".join(parts)


def _trade_off(result: dict[str, Any]) -> str:
    what = ["bounds", "ε (basis)", "ε of the published formula (same basis)"]
    head = [
        *what,
        "SSIM",
        "PSNR",
        "LPIPS",
        "LPIPS-Squeeze",
        "Fréchet",
        "similarity",
        "FPPSR",
        "FPPSR to inversion",
        "face found",
    ]
    metrics, more = (
        ("ssim", "psnr", "lpips", "lpips_squeeze"),
        ("identity_similarity", "fppsr", "fppsr_to_inversion", "face_detected"),
    )
    plain = result["reconstructed"]["images"]
    similarity, rate, face = _cells(plain, ("identity_similarity", "fppsr", "face_detected"))
    rows = [["none", "inversion, no noise", "", *_cells(plain, metrics), shown_distances(plain), similarity, rate, "", face]]
    for point in result["points"]:
        images, published = point["images"], point["guarantee_of_the_published_formula"]
        claim = "clip only: none" if point["epsilon"] is None else _epsilon(point["guarantee"])
        theirs = "" if published is None else f"{published['epsilon']:.3g}"
        clip = point["clip"]
        what = [f"{clip:g}/{100 - clip:g} %", claim, theirs]
        rows.append([*what, *_cells(images, metrics), shown_distances(images), *_cells(images, more)])
    caution = doubt(plain)
    parts = [
        _about(result),
        *([f"**{caution}**"] if caution else []),
        "One draw per photo, uniform weights. The published formula, asked for the same epsilon, has the true epsilon beside "
        f"it ({result['coordinates']:,} coordinates).",
        markdown(head, rows),
        _claims(latent_claims.latent_dp_trade_off(result)),
    ]
    return "\n\n".join(parts)


def _about(result: dict[str, Any]) -> str:
    config = result["config"]
    model, verifier = config["model"], config["verifier"]
    looked = min(config["preset"]["detected"], config["photos"]["count"])
    return (
        f"{config['photos']['description']}; model {model['name']} (`{model['digest'][:12]}`); recogniser "
        f"{recogniser(result)} ({verifier['threshold_from']}). Mean over photos with a 95 % bootstrap interval; faces were "
        f"looked for in the first {looked}."
    )


def _claims(claims: Iterable[Claim]) -> str:
    return markdown(["The paper's text", "Here", ""], [[claim.text, claim.ours, claim.verdict] for claim in claims])


def _cells(columns: dict[str, Any], metrics: Sequence[str]) -> Iterable[str]:
    for metric in metrics:
        found = mean(columns, metric)
        yield NOT_MEASURED if found is None else f"{found.value:,.0f}" if metric == "l2" else str(found)


def _epsilon(guarantee: dict[str, Any]) -> str:
    epsilon, basis = guarantee["epsilon"], guarantee["basis"]
    if epsilon is None:
        return f"none ({basis})"
    part = f"; {guarantee['covers']} alone" if guarantee["whole_record_epsilon"] is None else ""
    delta = f" at δ {guarantee['delta']:g}" if guarantee["delta"] else ""
    return f"{number(epsilon)}{delta} ({basis}{part})"


LATENT_TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "dp-image/latents": _latents,
    "dp-image/identity": _identity,
    "dp-image/utility": _utility,
    "latent-dp/outliers": _outliers,
    "latent-dp/trade-off": _trade_off,
}
