"""latent-dp's own encoder beside a model's: [LDP] Fig. 3, gradient descent on deep features, against the squared error.

    python -m semveil.experiments.latent_dp.encoders [--data FACES] [--photos 16] [--into docs/methods/latent-dp.md]

Prints how like the photos the pictures of either's latents are.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from semveil.core.weights import WeightsMissing
from semveil.encoders.feature_optimisation import FEATURE_SETTINGS, optimise_features
from semveil.encoders.inversion import invert
from semveil.experiments.kit.markdown import markdown
from semveil.experiments.kit.photo_sets import PhotoSet, held_out_photos, public_photos
from semveil.experiments.kit.set_distance import NOT_MEASURED
from semveil.experiments.kit.statistics import mean_of_photos
from semveil.experiments.kit.tables import publish
from semveil.methods.face_model import DEFAULT_MODEL, FaceModel, load_model
from semveil.metrics import lpips, psnr, ssim
from semveil.recognition import ImageFeatures

NAME = "encoders"


def compared(model: FaceModel, photos: PhotoSet, *, steps: int | None = None) -> str:
    """Both encoders on the same photos, as Markdown.

    Args:
        steps: of either's optimisation; each one's own where None.
    """
    features, images = ImageFeatures.best_available(), photos.images
    net = f"features of {features.net}" if features else "squared error, for want of VGG16's and AlexNet's weights"
    own = model.inversion if steps is None else replace(model.inversion, steps=steps)
    deep = FEATURE_SETTINGS if steps is None else replace(FEATURE_SETTINGS, steps=steps)
    mean = model.public_latents(1000, rng=torch.Generator().manual_seed(0)).mean(0, keepdim=True)
    ways: dict[str, Callable[[], Tensor]] = {
        "the model's: its encoder, then squared error": lambda: (
            invert(images, model.generator, start=model.start_codes(images), settings=own).codes
        ),
        f"[LDP] Fig. 3: mean face, then {net}": lambda: (
            optimise_features(images, model.generator, start=mean, features=features, settings=deep).codes
        ),
    }
    rows = []
    for name, encode in ways.items():
        start = time.process_time()
        codes = encode()
        seconds = (time.process_time() - start) / len(images)
        with torch.no_grad():
            made = model.generator.synthesize(codes).clamp(-1, 1)
        metrics: tuple[Callable[[], Tensor], ...] = (
            lambda made=made: psnr(made, images),  # type: ignore[misc]
            lambda made=made: ssim(made, images),  # type: ignore[misc]
            lambda made=made: lpips(made, images, net="squeeze"),  # type: ignore[misc]
        )
        rows.append([name, *map(_cell, metrics), f"{seconds:.2f}"])
    head = ["encoder", "PSNR in dB", "SSIM", "LPIPS-Squeeze", "CPU s per photo"]
    return f"{photos.description}; model {model.name} (`{model.digest[:12]}`).\n\n{markdown(head, rows)}"


def _cell(metric: Callable[[], Tensor]) -> str:
    try:
        return str(mean_of_photos(metric().tolist()))
    except WeightsMissing:
        return NOT_MEASURED


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare latent-dp's encoder with a model's own.")
    parser.add_argument("--data", type=Path, help="held-out photos; public pictures where not given")
    parser.add_argument("--photos", type=int, default=16)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--into", type=Path, help="page with the table's markers")
    given = parser.parse_args()
    model = load_model(given.model)
    photos = held_out_photos(given.data, model, given.photos) if given.data else public_photos(model, given.photos)
    publish(compared(model, photos), NAME, given.into)


if __name__ == "__main__":
    main()
