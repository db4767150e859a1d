# SPDX-License-Identifier: Apache-2.0
"""Figs. 3, 4 and 5 of [NI]: converted pictures and explanations, `pictures.json`."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from semveil.core.results import rounded
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.picture_grid import save_picture
from semveil.experiments.kit.statistics import mean_of_photos
from semveil.experiments.kit.tables import claims_table, markdown
from semveil.experiments.noise_image.bench import Body, NoiseImageBench, shown_by
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


def pictures(figure: str) -> Body:
    """Return the measurement of one of the figures.

    Args:
        figure: `fig3`, `fig4` or `fig5`.
    """

    def measure(bench: NoiseImageBench) -> dict[str, Any]:
        images, ids = shown_pictures(bench.train.pixels.shape[-1])
        rows = []
        for number, (label, row) in enumerate(ROWS[figure](bench, images)):
            side_by_side = torch.cat(list(row), dim=2)
            rows.append(
                {"shows": label, "file": save_picture(bench.folder, f"{figure}-{number + 1}", side_by_side)}
            )
        likeness = {"likeness": _likeness(bench)} if figure == "fig4" else {}
        return {"pictures": list(ids), "rows": rows, **likeness}

    return lambda bench, keep: keep(figure, partial(measure, bench))


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


ROWS = {"fig3": _fig3, "fig4": _fig4, "fig5": _fig5}


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
    found = {}
    for name, cell in (
        ("published", FIG4),
        ("without noise", Cell(3.0, "without noise")),
        ("without loss", Cell(3.0, "without loss")),
    ):
        converted, service = _trained(bench, cell, images)
        for network, explained in ((bench.explainer, "f'"), (service, "f")):
            maps = guided_explanation(network, converted).maps
            cosines = torch.nn.functional.cosine_similarity(maps.flatten(1), wanted.flatten(1))
            found[f"{name}, {explained}"] = rounded(cosines.tolist())
    return found


def strips(name: str, title: str) -> Callable[[dict[str, Any], Path], Figure]:
    """Return a function that draws labelled rows of pictures.

    Args:
        name: of the figure.
        title: of the figure.
    """

    def drawing(result: dict[str, Any], folder: Path) -> Figure:
        shown = result["pictures"][name]
        rows = shown["rows"]
        named = LETTER * max(len(row["shows"]) for row in rows)
        figure = Figure(figsize=(CELL * len(shown["pictures"]) + named + 1, CELL * len(rows) + 0.5))
        for axes, row in zip(np.atleast_1d(figure.subplots(len(rows), 1)), rows, strict=True):
            with Image.open(folder / row["file"]) as image:
                axes.imshow(np.asarray(image), interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
            axes.set_ylabel(row["shows"], rotation=0, ha="right", va="center")
        figure.suptitle(title)
        return figure

    return drawing


def table(result: dict[str, Any]) -> list[str]:
    """Similarity of explanations of converted and original pictures (Fig. 4).

    Args:
        result: content of `pictures.json`.
    """
    if "fig4" not in result["pictures"]:
        return []
    likeness = result["pictures"]["fig4"]["likeness"]
    rows = []
    for name, values in likeness.items():
        kind, network = name.split(", ")
        setting = {"published": "ε 0.1, δ 1e-05"}.get(kind, named(kind))
        by = {"f'": "the explainer, h∘f'∘g(x)", "f": "the service model, h∘f∘g(x)"}[network]
        rows.append([setting, by, str(mean_of_photos(values))])
    head = ["conversion, σ = 3", "explaining network", "cosine with h∘f'(x)"]
    return [markdown(head, rows), claims_table(picture_claims(result))]


def picture_claims(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claims of [NI] about Fig. 4; none if it has not been measured.

    Args:
        result: content of `pictures.json`.
    """
    if "fig4" not in result["pictures"]:
        return
    likeness = result["pictures"]["fig4"]["likeness"]
    mean = mean_of_photos(likeness["published, f'"])
    assert mean is not None
    text = "The explainer's maps of the converted picture do not match those of the original"
    yield Claim(text, f"cosine {mean} (threshold for a match: {NO_MATCH})", mean.high < NO_MATCH)
    gap = mean_of_photos(np.array(likeness["without noise, f"]) - np.array(likeness["published, f"]))
    assert gap is not None
    text = "Without N the service model's maps reveal more of the original"
    yield Claim(text, f"cosine larger by {gap}, one seed", None)


RESULT = result_of_paper(
    "noise-image/pictures",
    revision=1,
    measure=shown_by("pictures", {figure: pictures(figure) for figure in ("fig3", "fig4", "fig5")}),
    figures={
        "fig3": strips("fig3", "Genuine noise n(x) and converted pictures g(x), ε = 0.1, δ = 0.9"),
        "fig4": strips("fig4", "Explanations, σ = 3, ε = 0.1, δ = 1e-5"),
        "fig5": strips("fig5", "Explanations h∘f∘g(x) under a strong and a weak N"),
    },
    table=table,
    claims=picture_claims,
)
