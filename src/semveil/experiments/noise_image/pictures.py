"""What conversions and their explanations look like: [NI] Figs. 3, 4 and 5, on pictures that may be shown."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from semveil.core.pixels import to_pixels
from semveil.core.results import rounded
from semveil.data.save import save_png
from semveil.experiments.kit.latent_bench import PICTURES
from semveil.experiments.noise_image.bench import NoiseImageBench, Run, shown_pictures
from semveil.experiments.noise_image.presets import MAIN, SIGMAS, Cell
from semveil.recognition.guided_backpropagation import guided_explanation
from semveil.recognition.vgg16_classifier import VGG16Classifier

STRONG, WEAK = (0.1, 1e-5), (MAIN[0], 0.9)
FIG4 = Cell(3.0, "published", *STRONG)
Row = tuple[str, Tensor]


def pictures(figure: str) -> Run:
    """A run of one of the figures."""

    def measure(bench: NoiseImageBench) -> dict[str, Any]:
        images, ids = shown_pictures(bench.train.pixels.shape[-1])
        (bench.folder / PICTURES).mkdir(exist_ok=True)
        rows = []
        for number, (label, row) in enumerate(ROWS[figure](bench, images)):
            file = f"{PICTURES}/{figure}-{number + 1}.png"
            side_by_side = torch.cat(list(row), dim=2)
            save_png(bench.folder / file, to_pixels(side_by_side[None])[0])
            rows.append({"shows": label, "file": file})
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
    """Explanations as pictures: each over its largest value."""
    maps = guided_explanation(network, images).maps.detach()
    return maps / maps.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12)


def _likeness(bench: NoiseImageBench) -> dict[str, list[float | None]]:
    """Cosine of the explanation of each test picture's x with those that Fig. 4 holds against it."""
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
