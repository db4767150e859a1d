# SPDX-License-Identifier: Apache-2.0
"""Markdown of a comparison of face models."""

from collections.abc import Iterable
from typing import Any

from semveil.experiments.kit.experiment import written_elsewhere
from semveil.experiments.kit.plots import number
from semveil.experiments.kit.set_distance import NOT_MEASURED, shown_distances
from semveil.experiments.kit.statistics import mean
from semveil.experiments.kit.tables import markdown


def comparison_table(result: dict[str, Any]) -> str:
    """A column for each model."""
    models, config = result["models"], result["config"]
    verifiers = list(config["verifiers"])
    likeness = [("psnr", "PSNR in dB"), ("ssim", "SSIM"), ("lpips", "LPIPS"), ("lpips_squeeze", "LPIPS-Squeeze")]
    likeness += [(f"accepted_{name}", f"accepted by {name}") for name in verifiers]
    realism = [("frechet", "Fréchet"), ("face_detected", "face found")]

    def block(what: str, metrics: Iterable[tuple[str, str]], columns: list[dict[str, Any]]) -> list[list[str]]:
        return [[f"{what}: {label}", *(_cell(column, metric) for column in columns)] for metric, label in metrics]

    def seconds(of: str) -> list[str]:
        return [f"{model['cpu_seconds'][of]:.3g}" for model in models]

    shapes = [model["latent_shape"] for model in models]
    rows = [
        ["numbers in a photo's latents", *(f"{codes} x {dim} = {codes * dim:,}" for codes, dim in shapes)],
        *(
            [f"parameters of the {part}", *(f"{model['parameters'][part] / 1e6:.2f} million" for model in models)]
            for part in ("generator", "encoder")
        ),
        *block("encoder alone", likeness, [model["encoder"] for model in models]),
        ["encoder alone: CPU s per photo", *seconds("encoder")],
        *block("inversion", [*likeness, realism[0]], [model["inversion"] for model in models]),
        ["inversion: CPU s per photo", *seconds("inversion")],
        ["generator: CPU s per picture", *seconds("synthesis")],
        *block("random faces, mapping network", realism, [model["samples"]["mapping"] for model in models]),
        *block("random faces, latent prior", realism, [model["samples"]["prior"] for model in models]),
    ]
    protected = [("identity_similarity", "similarity"), (f"accepted_{verifiers[0]}", f"accepted by {verifiers[0]}")]
    protected += [("ssim", "SSIM"), ("lpips", "LPIPS"), ("lpips_squeeze", "LPIPS-Squeeze"), *realism]
    for i, method in enumerate(models[0]["methods"]):
        claim = method["guarantee"]
        what = f"{method['method']} at ε {number(claim['epsilon'])} ({claim['basis']})"
        rows += block(what, protected, [model["methods"][i] for model in models])
    head = ["", *(f"{model['name']} (`{model['digest'][:12]}`)" for model in models)]
    return f"{_about(result)}\n\n{markdown(head, rows)}"


def _about(result: dict[str, Any]) -> str:
    config = result["config"]
    cards = [
        f"{card['name']}, same person from {card['threshold']:.4g} ({card['threshold_from']})"
        for card in config["verifiers"].values()
    ]
    photos = _cell(result["photos"], "face_detected")
    return (
        f"{config['photos']['description']}; {config['samples']} random faces; recognisers: {'; '.join(cards)}. Mean over "
        f"photos with a 95 % bootstrap interval; faces were looked for in the first {config['detected']} (of the photos "
        f"themselves: {photos}). Times are CPU seconds of one thread, in batches. The noise is simulated; a release has the "
        "same epsilon, proved."
    )


def _cell(columns: dict[str, Any], metric: str) -> str:
    if metric == "frechet":
        return shown_distances(columns)
    found = mean(columns, metric)
    return NOT_MEASURED if found is None else str(found)


COMPARISON = written_elsewhere("models/comparison", table=comparison_table)
