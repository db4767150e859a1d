"""What is measured of protected pictures, JSON-ready: one value per photo, and one Frechet distance per set."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from semveil.core.pixels import to_pixels
from semveil.core.results import rounded
from semveil.data.save import save_png
from semveil.experiments.latent_bench import PICTURES, LatentBench
from semveil.link.measure import compare
from semveil.metrics import ald, face_detected, fppsr, frechet_distance, identity_similarity, l2, moments
from semveil.metrics.frechet import Moments


def identity(bench: LatentBench, reference: Tensor, images: Tensor) -> dict[str, list[float]]:
    """Similarity on the recogniser's own scale, and whether it takes the picture for another person."""
    shown = images.clamp(-1, 1)
    return {
        "identity_similarity": identity_similarity(reference, shown, bench.verifier).tolist(),
        "fppsr": fppsr(reference, shown, bench.verifier).tolist(),
    }


def looks(bench: LatentBench, images: Tensor, inverted: Tensor | None = None) -> dict[str, Any]:
    """Every metric of pictures against the bench's photos, one value per photo; faces are looked for in the first ones.

    Args:
        inverted: what the networks make of the photos without noise; identity is compared with it too.
    """
    source, shown = bench.photos.images, images.clamp(-1, 1)
    columns = compare(source, shown, bench.verifier, detect=False)
    columns |= {"l2": l2(source, shown).tolist(), "ald_inf": ald(source, shown, p=float("inf")).tolist()}
    if inverted is not None:
        columns |= {f"{name}_to_inversion": values for name, values in identity(bench, inverted.clamp(-1, 1), shown).items()}
    columns["face_detected"] = face_detected(shown[: bench.preset.detected]).float().tolist()
    return {name: rounded(value) if isinstance(value, list) else value for name, value in columns.items()}


def source_moments(bench: LatentBench) -> Moments | None:
    """Of the features of the bench's photos."""
    return None if bench.features is None else moments(bench.photos.images, bench.features)


def frechet(bench: LatentBench, source: Moments | None, images: Tensor) -> dict[str, Any]:
    """Frechet distance between the set of pictures and the photos, with the name of its features, or why there is none."""
    if bench.features is None or source is None:
        return {"frechet": None, "frechet_reason": bench.features_reason}
    distance = frechet_distance(source, moments(images.clamp(-1, 1), bench.features))
    return {"frechet": round(distance, 4), "frechet_metric": bench.features.metric}


def save_picture(folder: Path, name: str, image: Tensor) -> str:
    """Write one picture (3, S, S) into the run's folder of pictures; gives its name relative to the JSON."""
    (folder / PICTURES).mkdir(exist_ok=True)
    save_png(folder / PICTURES / f"{name}.png", to_pixels(image[None])[0])
    return f"{PICTURES}/{name}.png"


def mean_over(rows: list[list[float]]) -> list[float | None]:
    """Mean of each photo over draws, rows (draws, photos), rounded."""
    return rounded(np.mean(rows, 0).tolist())
