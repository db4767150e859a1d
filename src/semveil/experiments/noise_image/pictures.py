# SPDX-License-Identifier: Apache-2.0
"""Figs. 3, 4 and 5 of [NI]: converted pictures and explanations, `pictures.json`."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from semveil.core.results import rounded
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.kit.picture_grid import read_pixels, save_picture
from semveil.experiments.kit.statistics import mean_of_photos, paired
from semveil.experiments.kit.tables import claims_table, markdown
from semveil.experiments.noise_image.bench import NoiseImageBench, shown_by
from semveil.experiments.noise_image.cell_claims import named
from semveil.experiments.noise_image.paper import result_of_paper
from semveil.experiments.noise_image.picture_sets import shown_pictures
from semveil.experiments.noise_image.presets import MAIN, SIGMAS, Cell
from semveil.recognition.guided_backpropagation import guided_explanation
from semveil.recognition.vgg16_classifier import VGG16Classifier

STRONG, WEAK = (0.1, 1e-5), (MAIN[0], 0.9)
FIG4 = Cell(3.0, "published", *STRONG)
Row = tuple[str, Tensor]
CELL = 1.0  # side of a picture in inches
LETTER = 0.09  # width of a letter of a row's label in inches
NO_MATCH = 0.2  # cosine below which two maps do not match


def _pictures(figure: str, bench: NoiseImageBench, keep: Keep) -> None:
    """Measure one of the figures."""

    def measure() -> dict[str, Any]:
        images, ids = shown_pictures(bench.train.pixels.shape[-1])
        rows = []
        for number, (label, row) in enumerate(ROWS[figure](bench, images), 1):
            file = save_picture(bench.folder, f"{figure}-{number}", torch.cat(list(row), dim=2))
            rows.append({"shows": label, "file": file})
        likeness = {"likeness": _likeness(bench)} if figure == "fig4" else {}
        return {"pictures": list(ids), "rows": rows, **likeness}

    keep(figure, measure)


def _fig3(bench: NoiseImageBench, images: Tensor) -> Iterator[Row]:
    yield "x", images
    for sigma in SIGMAS:
        yield f"n(x), σ = {sigma:g}", bench.conversion(Cell(sigma, "noised"))(images)
    for sigma in SIGMAS:
        yield f"g(x), σ = {sigma:g}", bench.conversion(Cell(sigma, "published", 0.1, 0.9))(images)


def _fig4(bench: NoiseImageBench, images: Tensor) -> Iterator[Row]:
    converted, service = _trained(bench, FIG4, images)
    plain, plain_service = _trained(bench, Cell(3.0, "without noise"), images)
    yield "x", images
    yield "g(x)", converted
    yield "h∘f'(x)", _seen(bench.explainer, images)
    yield "h∘f'∘g(x)", _seen(bench.explainer, converted)
    yield "h∘f∘g(x)", _seen(service, converted)
    yield "h∘f∘g(x), no N", _seen(plain_service, plain)


def _fig5(bench: NoiseImageBench, images: Tensor) -> Iterator[Row]:
    yield "x", images
    for sigma in (3.0, 5.0):
        for epsilon, delta in (STRONG, WEAK):
            converted, service = _trained(bench, Cell(sigma, "published", epsilon, delta), images)
            yield f"σ = {sigma:g}, ε = {epsilon:g}, δ = {delta:g}", _seen(service, converted)


def _trained(bench: NoiseImageBench, cell: Cell, images: Tensor) -> tuple[Tensor, VGG16Classifier]:
    protect = bench.conversion(cell)
    return protect(images), bench.service(cell, protect)


def _seen(network: VGG16Classifier, images: Tensor) -> Tensor:
    """Explanations as pictures, each divided by its largest absolute value."""
    maps = guided_explanation(network, images).maps.detach()
    return maps / maps.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12)


def _likeness(bench: NoiseImageBench) -> dict[str, list[float | None]]:
    """Cosine similarities between explanations of original and converted test pictures, as in Fig. 4."""
    images = bench.test.rows(slice(bench.preset.compared)).images
    wanted = guided_explanation(bench.explainer, images).maps
    cells = {"published": FIG4} | {kind: Cell(3.0, kind) for kind in ("without noise", "without loss")}
    found = {}
    for name, cell in cells.items():
        converted, service = _trained(bench, cell, images)
        for network, explained in ((bench.explainer, "f'"), (service, "f")):
            maps = guided_explanation(network, converted).maps
            cosines = torch.nn.functional.cosine_similarity(maps.flatten(1), wanted.flatten(1))
            found[f"{name}, {explained}"] = rounded(cosines.tolist())
    return found


def _strips(name: str, result: dict[str, Any], folder: Path) -> Figure:
    """Draw labelled rows of pictures."""
    shown = result["pictures"][name]
    rows = shown["rows"]
    label_width = LETTER * max(len(row["shows"]) for row in rows)
    figure = Figure(figsize=(CELL * len(shown["pictures"]) + label_width + 1, CELL * len(rows) + 0.5))
    for axes, row in zip(np.atleast_1d(figure.subplots(len(rows), 1)), rows, strict=True):
        axes.imshow(read_pixels(folder / row["file"]), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        axes.set_ylabel(row["shows"], rotation=0, ha="right", va="center")
    figure.suptitle(TITLES[name])
    return figure


def _table(result: dict[str, Any]) -> list[str]:
    """Similarity of explanations of converted and original pictures (Fig. 4)."""
    if "fig4" not in result["pictures"]:
        return []
    by = {"f'": "the explainer, h∘f'∘g(x)", "f": "the service model, h∘f∘g(x)"}
    rows = []
    for name, values in result["pictures"]["fig4"]["likeness"].items():
        kind, network = name.split(", ")
        setting = "ε 0.1, δ 1e-05" if kind == "published" else named(kind)
        rows.append([setting, by[network], str(mean_of_photos(values))])
    head = ["conversion, σ = 3", "explaining network", "cosine with h∘f'(x)"]
    return [markdown(head, rows), claims_table(_claims(result))]


def _claims(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claims of [NI] about Fig. 4; none if it has not been measured."""
    if "fig4" not in result["pictures"]:
        return
    likeness = result["pictures"]["fig4"]["likeness"]
    mean = mean_of_photos(likeness["published, f'"])
    assert mean is not None
    text = "The explainer's maps of the converted picture do not match those of the original"
    yield Claim(text, f"cosine {mean} (threshold for a match: {NO_MATCH})", mean.high < NO_MATCH)
    bare, noisy = ({"cosine": likeness[f"{kind}, f"]} for kind in ("without noise", "published"))
    text = "Without N the service model's maps reveal more of the original"
    yield Claim(text, f"cosine larger by {paired(bare, noisy, 'cosine')}, one seed", None)


ROWS = {"fig3": _fig3, "fig4": _fig4, "fig5": _fig5}
TITLES = {
    "fig3": "Genuine noise n(x) and converted pictures g(x), ε = 0.1, δ = 0.9",
    "fig4": "Explanations, σ = 3, ε = 0.1, δ = 1e-5",
    "fig5": "Explanations h∘f∘g(x) under a strong and a weak N",
}
RESULT = result_of_paper(
    "noise-image/pictures",
    revision=1,
    measure=shown_by("pictures", {figure: partial(_pictures, figure) for figure in ROWS}),
    figures={figure: partial(_strips, figure) for figure in ROWS},
    table=_table,
    claims=_claims,
)
