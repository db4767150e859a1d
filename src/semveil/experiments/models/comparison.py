# SPDX-License-Identifier: Apache-2.0
"""Comparison of face models on held-out people, to choose the methods' model.

    python -m semveil.experiments.models.comparison faces-64 models/mine --data FACES.npz --out OUT.json

Every model reconstructs the same held-out photos, with its encoder only and with its inversion, samples
random faces, and is used by dp-image and latent-dp at the same true epsilons. Times are CPU seconds of one
thread, independent of other load. Models already in OUT.json with the same settings are not measured again.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from semveil.core.device import Movable
from semveil.core.progress import Progress, quiet
from semveil.core.provenance import commit, versions
from semveil.core.results import read_result, rounded, write_result
from semveil.core.rng import streams
from semveil.experiments.kit.experiment import written_elsewhere
from semveil.experiments.kit.inputs import as_json, recognisers
from semveil.experiments.kit.photo_sets import PhotoSet, held_out_photos
from semveil.experiments.kit.plots import number
from semveil.experiments.kit.set_distance import SetFeatures
from semveil.experiments.kit.tables import HEADS, markdown, means
from semveil.link.measure import compare
from semveil.methods.dp_image import DPImage
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import from_face_model
from semveil.metrics import face_detected, fppsr
from semveil.metrics.frechet import Moments
from semveil.models.face import FaceModel, load_model
from semveil.recognition import Verifier
from semveil.recognition.by_name import VERIFIERS

NAME = "models/comparison"


@dataclass(frozen=True)
class ComparisonSettings:
    """Size of a comparison.

    Attributes:
        photos: number of held-out people, one photo each.
        samples: random faces per model.
        detected: number of photos, and of random faces, for face detection, the slowest measurement.
        dp_image_epsilons: true epsilons of dp-image by the clip box, with noise on all codes.
        latent_dp_epsilons: true epsilons of latent-dp between the 25 % and 75 % quantiles, with uniform
            weights.
        seed: for random faces and noise.
    """

    photos: int = 96
    samples: int = 96
    detected: int = 48
    dp_image_epsilons: tuple[float, ...] = (20_000.0, 60_000.0)
    latent_dp_epsilons: tuple[float, ...] = (2_000.0, 20_000.0)
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Measure:
    """Reference photos and metrics.

    Attributes:
        verifiers: by name; the first also provides similarities.
        features: for Frechet distances.
        source: moments of the photos' features.
    """

    photos: PhotoSet
    verifiers: dict[str, Verifier]
    detected: int
    features: SetFeatures
    source: Mapping[str, Moments]

    def likeness(self, images: Tensor) -> dict[str, Any]:
        """Compare pictures with their photos: one value per photo, and Frechet distances of the sets.

        Args:
            images: (N, 3, S, S), clamped to [-1, 1], in the order of the photos.
        """
        source, shown = self.photos.images, images.clamp(-1, 1)
        first, *others = self.verifiers
        columns = compare(source, shown, self.verifiers[first], detect=False)
        columns[f"accepted_{first}"] = [1 - value for value in columns.pop("fppsr")]
        for name in others:
            columns[f"accepted_{name}"] = (1 - fppsr(source, shown, self.verifiers[name])).tolist()
        return {k: rounded(v) if isinstance(v, list) else v for k, v in columns.items()} | self.realism(shown)

    def realism(self, images: Tensor) -> dict[str, Any]:
        """Metrics without paired photos: face detection by dlib, and Frechet distances to the photos.

        Args:
            images: (M, 3, S, S), clamped to [-1, 1]; M at least 2.
        """
        shown = images.clamp(-1, 1)
        found = {"face_detected": face_detected(shown[: self.detected]).float().tolist()}
        return found | self.features.distances(self.source, shown)


def compare_models(
    models: Sequence[FaceModel],
    photos: PhotoSet,
    *,
    verifiers: Sequence[str] = ("edgeface", "dlib"),
    settings: ComparisonSettings = ComparisonSettings(),
    known: Mapping[str, Any] | None = None,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Measure every model, JSON-ready.

    Args:
        models: face models with the photos' resolution.
        photos: unseen in training by any model.
        verifiers: each at its threshold for a false acceptance rate of 0.1 %; the first also provides
            similarities.
        settings: size of the comparison.
        known: an earlier comparison; its rows are reused if everything else is the same.
        progress: progress callback, by models.

    Raises:
        ValueError: the sizes differ.
        WeightsMissing: a verifier's weights are not on this machine.
    """
    size = photos.images.shape[-1]
    for model in models:
        if model.size != size:
            raise ValueError(
                f"all compared models must have the same input size, {size} px; {model.name} has "
                f"{model.size} px"
            )
    judges, cards = recognisers(verifiers, size)
    features = SetFeatures.load()
    measure = Measure(photos, judges, settings.detected, features, features.of(photos.images))
    config = {
        **as_json(settings),
        "photos": photos.as_dict(),
        "verifiers": cards,
        "features": features.names,
    }
    head = {"experiment": NAME, "config": config, "versions": versions()}
    alike = known is not None and all(known.get(key) == value for key, value in head.items())
    measured = known["models"] if known is not None and alike else []
    rows = []
    for done, model in enumerate(models):
        progress(f"measure {model.name}", done, len(models))
        mine = {"digest": model.digest, "inversion_settings": model.describe_inversion()}
        old = next((entry for entry in measured if mine.items() <= entry.items()), None)
        rows.append(old or {"name": model.name, **mine, **_measured(model, measure, settings)})
    return {**head, "commit": commit(), "photos": measure.realism(photos.images), "models": rows}


def _measured(model: FaceModel, measure: Measure, settings: ComparisonSettings) -> dict[str, Any]:
    latent, images, rng = from_face_model(model), measure.photos.images, streams(settings.seed)["samples"]
    start, encoder_seconds = _timed(lambda: model.start_codes(images), len(images))
    codes, inversion_seconds = _timed(lambda: latent.encode(images), len(images))
    inverted, synthesis_seconds = _timed(lambda: latent.synthesize(codes), len(images))
    mapped = latent.synthesize(model.random_faces(settings.samples, rng=rng))
    drawn = latent.synthesize(latent.public_latents(settings.samples, rng))
    methods: list[DPImage | LatentDP] = [
        DPImage(latent, epsilon=epsilon) for epsilon in settings.dp_image_epsilons
    ]
    methods += [LatentDP(latent, epsilon=epsilon) for epsilon in settings.latent_dp_epsilons]
    return {
        "semantic": model.semantic,
        "latent_shape": list(model.latent_shape),
        "parameters": {
            "generator": _count(model.generator),
            "encoder": _count(model.encoder) if model.encoder else 0,
        },
        "cpu_seconds": {
            "encoder": round(encoder_seconds, 4),
            "inversion": round(inversion_seconds, 4),
            "synthesis": round(synthesis_seconds, 5),
        },
        "encoder": measure.likeness(latent.synthesize(start.expand(len(images), -1, -1))),
        "inversion": measure.likeness(inverted),
        "samples": {"mapping": measure.realism(mapped), "prior": measure.realism(drawn)},
        "methods": [
            {
                "method": method.name,
                "guarantee": method.guarantee(simulated=True).as_dict(),
                **measure.likeness(method.protect_latents(codes, rng=streams(settings.seed)["dp"]).images),
            }
            for method in methods
        ],
    }


def _timed(work: Callable[[], Tensor], count: int) -> tuple[Tensor, float]:
    """Result of `work`, and CPU seconds per photo."""
    began = time.process_time()
    return work(), (time.process_time() - began) / count


def _count(network: Movable) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def table(result: dict[str, Any]) -> list[str]:
    """Table with one column per model.

    Args:
        result: content of a result file.
    """
    models, config = result["models"], result["config"]
    verifiers = list(config["verifiers"])
    likeness = ["psnr", "ssim", "lpips", "lpips_squeeze", *(f"accepted_{name}" for name in verifiers)]
    realism = ["frechet", "face_detected"]
    labels = {
        **HEADS,
        "psnr": "PSNR in dB",
        **{f"accepted_{name}": f"acceptance rate of {name}" for name in verifiers},
    }

    def block(what: str, metrics: Iterable[str], columns: list[dict[str, Any]]) -> list[list[str]]:
        return [
            [f"{what}: {labels[metric]}", *(means(column, [metric])[0] for column in columns)]
            for metric in metrics
        ]

    def seconds(of: str) -> list[str]:
        return [f"{model['cpu_seconds'][of]:.3g}" for model in models]

    shapes = [model["latent_shape"] for model in models]
    rows = [
        ["latent dimension", *(f"{codes} x {dim} = {codes * dim:,}" for codes, dim in shapes)],
        *(
            [
                f"parameters of the {part}",
                *(f"{model['parameters'][part] / 1e6:.2f} million" for model in models),
            ]
            for part in ("generator", "encoder")
        ),
        *block("encoder only", likeness, [model["encoder"] for model in models]),
        ["encoder only: CPU s per photo", *seconds("encoder")],
        *block("inversion", [*likeness, realism[0]], [model["inversion"] for model in models]),
        ["inversion: CPU s per photo", *seconds("inversion")],
        ["generator: CPU s per picture", *seconds("synthesis")],
        *block("random faces, mapping network", realism, [model["samples"]["mapping"] for model in models]),
        *block("random faces, latent prior", realism, [model["samples"]["prior"] for model in models]),
    ]
    protected = [
        "identity_similarity",
        f"accepted_{verifiers[0]}",
        "ssim",
        "lpips",
        "lpips_squeeze",
        *realism,
    ]
    for i, method in enumerate(models[0]["methods"]):
        claim = method["guarantee"]
        what = f"{method['method']} at ε {number(claim['epsilon'])} ({claim['basis']})"
        rows += block(what, protected, [model["methods"][i] for model in models])
    head = ["", *(f"{model['name']} (`{model['digest'][:12]}`)" for model in models)]
    return [_about(result), markdown(head, rows)]


def _about(result: dict[str, Any]) -> str:
    config = result["config"]
    cards = [
        f"{card['name']}, threshold {card['threshold']:.4g} ({card['threshold_from']})"
        for card in config["verifiers"].values()
    ]
    (photos,) = means(result["photos"], ["face_detected"])
    return (
        f"{config['photos']['description']}; {config['samples']} random faces; recognisers: "
        f"{'; '.join(cards)}. Mean over photos with a 95 % bootstrap interval; face detection rate on the "
        f"first {config['detected']} (of the original photos: {photos}). Times are CPU seconds of one "
        "thread, in batches. The noise is simulated; a release has the same epsilon, with basis proved."
    )


COMPARISON = written_elsewhere("models/comparison", table=table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison from the command line and write the result.

    Args:
        arguments: without the program's name; None reads those of the process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m semveil.experiments.models.comparison",
        description="Compare face models on held-out photos.",
    )
    parser.add_argument("models", nargs="+", help="names or folders, as `semveil models list` knows them")
    parser.add_argument(
        "--data", type=Path, required=True, help="held-out photos: a prepared .npz or a folder of photos"
    )
    parser.add_argument(
        "--verifier", action="append", choices=list(VERIFIERS), help="may be repeated; edgeface and dlib"
    )
    parser.add_argument("--photos", type=int, default=ComparisonSettings.photos)
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    given = parser.parse_args(arguments)
    models = [load_model(name) for name in given.models]
    settings = ComparisonSettings(photos=given.photos)
    photos = held_out_photos(given.data, models[0], settings.photos)
    report: Progress = lambda stage, done, total: print(f"{stage}: {done} of {total}", flush=True)  # noqa: E731
    verifiers = given.verifier or ("edgeface", "dlib")
    known = read_result(given.out) if given.out.is_file() else None
    result = compare_models(
        models, photos, verifiers=verifiers, settings=settings, known=known, progress=report
    )
    write_result(given.out, result)


if __name__ == "__main__":
    main()
