# SPDX-License-Identifier: Apache-2.0
"""Encoder of [LDP] Fig. 3 compared with the model's own, by reconstruction quality.

The paper's encoder is gradient descent on deep features; the model's own minimises squared error.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from semveil.core.weights import WeightsMissing
from semveil.encoders.feature_optimisation import FEATURE_SETTINGS, optimise_features
from semveil.encoders.inversion import invert
from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.keeping import face_model_card, metric_weights
from semveil.experiments.kit.photo_sets import PhotoSet, held_out_photos, public_photos
from semveil.experiments.kit.statistics import NOT_MEASURED, mean_of_photos
from semveil.experiments.kit.tables import markdown
from semveil.experiments.kit.text_table import Text, text_table
from semveil.metrics import lpips, psnr, ssim
from semveil.models.face import DEFAULT_MODEL, FaceModel, load_model
from semveil.recognition import ImageFeatures

PHOTOS = 16


def compared(model: FaceModel, photos: PhotoSet, *, steps: int | None = None) -> str:
    """Compare both encoders on the same photos, as Markdown.

    Args:
        model: provides the generator and its own encoder.
        photos: to reconstruct.
        steps: of both optimisations; None uses their defaults.
    """
    features, images = ImageFeatures.best_available(), photos.images
    net = f"features of {features.net}" if features else "squared error (no weights of VGG16 or AlexNet)"
    own = model.inversion if steps is None else replace(model.inversion, steps=steps)
    deep = FEATURE_SETTINGS if steps is None else replace(FEATURE_SETTINGS, steps=steps)
    mean = model.public_latents(1000, rng=torch.Generator().manual_seed(0)).mean(0, keepdim=True)

    def of_model() -> Tensor:
        return invert(images, model.generator, start=model.start_codes(images), settings=own).codes

    def of_paper() -> Tensor:
        return optimise_features(images, model.generator, start=mean, features=features, settings=deep).codes

    ways = {
        "the model's own: encoder, then squared error": of_model,
        f"[LDP] Fig. 3: mean face, then {net}": of_paper,
    }
    metrics: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "PSNR in dB": psnr,
        "SSIM": ssim,
        "LPIPS-Squeeze": partial(lpips, net="squeeze"),
    }
    rows = []
    for name, encode in ways.items():
        start = time.process_time()
        codes = encode()
        seconds = (time.process_time() - start) / len(images)
        with torch.no_grad():
            made = model.generator.synthesize(codes).clamp(-1, 1)
        cells = (_cell(metric, made, images) for metric in metrics.values())
        rows.append([name, *cells, f"{seconds:.2f}"])
    head = ["encoder", *metrics, "CPU s per photo"]
    return f"{photos.description}; model {model.name} (`{model.digest[:12]}`).\n\n{markdown(head, rows)}"


def _cell(metric: Callable[[Tensor, Tensor], Tensor], made: Tensor, images: Tensor) -> str:
    try:
        return str(mean_of_photos(metric(made, images).tolist()))
    except WeightsMissing:
        return NOT_MEASURED


def _load(run: Run) -> Text:
    model = load_model(run.model or DEFAULT_MODEL)
    photos = public_photos(model, PHOTOS) if run.data is None else held_out_photos(run.data, model, PHOTOS)
    config = {"model": face_model_card(model), "photos": photos.as_dict(), "metric_weights": metric_weights()}
    return Text(config, partial(compared, model, photos))


ENCODERS = text_table("latent-dp/encoders", revision=1, load=_load)
