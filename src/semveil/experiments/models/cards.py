# SPDX-License-Identifier: Apache-2.0
"""Test data of the model cards: held-out people of a face set, and recognisers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from semveil.core.digests import digest_of_tensors
from semveil.core.weights import WeightsMissing
from semveil.data.face_set import FaceSet
from semveil.data.splits import DEVELOPMENT, TEST
from semveil.experiments.kit.experiment import Run, experiment, presets
from semveil.experiments.kit.inputs import as_json, recognisers
from semveil.experiments.kit.keeping import metric_weights
from semveil.experiments.kit.photo_sets import DataMissing, Sized, load_face_set
from semveil.faces.pixels import to_tensor
from semveil.metrics import fppsr, lpips, psnr, ssim
from semveil.metrics.part_shapes import overlap
from semveil.metrics.sharpness import sharpness
from semveil.nn.lpips import Net
from semveil.recognition.face_parser import SIZE as PARSER_SIZE
from semveil.recognition.face_parser import load_face_parser
from semveil.recognition.verifier import Verifier

FEATURES = ("eyes", "brows", "nose", "mouth")  # parts that must be in the same place as in the photo


@dataclass(frozen=True)
class CardPreset:
    """Run size.

    Attributes:
        name: preset name.
        split: `test`, or `development`, whose people were used for design choices.
        photos: maximum number of photos of the split.
        samples: random faces for the memorisation check.
        verifiers: recognisers, each at its threshold for a false acceptance rate of 0.1 % at the model's
            resolution.
        seed: for the choice of photos and the random faces.
    """

    name: str
    split: str = TEST
    photos: int = 200
    samples: int = 1000
    verifiers: tuple[str, ...] = ("dlib",)
    seed: int = 0


PRESETS = presets(
    CardPreset("smoke", photos=2, samples=10),
    CardPreset("development", DEVELOPMENT, photos=120),
    CardPreset("small"),
)


@dataclass(frozen=True, eq=False)
class CardBench:
    """Loaded inputs of a run, and their description for the result."""

    preset: CardPreset
    model: Any
    faces: FaceSet
    verifiers: Mapping[str, Verifier]
    config: Mapping[str, Any]

    @property
    def head(self) -> dict[str, Any]:
        return {"seeds": [self.preset.seed]}

    def held_out(self, among: NDArray[np.bool_], rng: torch.Generator) -> tuple[Tensor, str]:
        """Select held-out photos at random.

        Args:
            among: (N,) boolean, eligible photos of the face set.
            rng: draws at most `preset.photos` photos.

        Returns:
            Photos (M, 3, S, S) in [-1, 1], and a description of their people.
        """
        rows = np.flatnonzero(among)
        rows = np.sort(rows[torch.randperm(len(rows), generator=rng)[: self.preset.photos].numpy()])
        words = f"{len(set(self.faces.person[rows]))} people, none of them in training"
        return to_tensor(self.faces.select(rows).pixels), words

    def quality(self, source: Tensor, images: Tensor) -> dict[str, Any]:
        """Image quality, overlap of facial parts and verifier acceptance of pictures against their photos.

        Args:
            source: photos (N, 3, S, S) in [-1, 1].
            images: the model's output, of the same shape.

        Returns:
            Means over the photos by metric; None with `METRIC_reason` if weights are missing. `accepted_NAME`
            is the acceptance rate of a verifier, 0 to 1.
        """
        values = {"psnr": psnr(images, source), "ssim": ssim(images, source)}
        values["sharpness"] = sharpness(source, images)
        found: dict[str, Any] = {name: float(value.mean()) for name, value in values.items()}
        found["overlap"] = overlap_of_features(source, images)
        nets: tuple[tuple[str, Net], ...] = (("lpips", "alex"), ("lpips_squeeze", "squeeze"))
        for metric, net in nets:
            try:
                found[metric] = float(lpips(images, source, net=net).mean())
            except WeightsMissing as error:
                found |= {metric: None, f"{metric}_reason": str(error)}
        for name, judge in self.verifiers.items():
            found[f"accepted_{name}"] = 1 - float(fppsr(source, images, judge).mean())
        return found


def overlap_of_features(source: Tensor, images: Tensor) -> dict[str, float | None]:
    """Mean intersection over union of each of `FEATURES`, labelled by the bundled parser.

    Args:
        source: (N, 3, S, S) in [-1, 1].
        images: the model's output, of the same shape.

    Returns:
        By part; None if no photo shows it.
    """
    parser = load_face_parser()

    def label(faces: Tensor) -> Tensor:
        scaled = F.interpolate(faces, (PARSER_SIZE,) * 2, mode="bilinear")
        return torch.cat([parser.label(part) for part in scaled.split(64)])

    before, after = label(source), label(images)
    means: dict[str, float | None] = {}
    for part in FEATURES:
        there = [value for value in overlap(before, after, part) if value is not None]
        means[part] = sum(there) / len(there) if there else None
    return means


def card(load_model: Callable[[str | None], Sized], card_of: Callable[[Any], Mapping[str, Any]]) -> Any:
    """Return a partial `experiment` for the card of one kind of model.

    Args:
        load_model: loads a model by name or folder; None selects the bundled one.
        card_of: describes a model for the result.
    """

    def load(run: Run) -> CardBench:
        chosen, model = run.preset, load_model(run.model)
        if run.data is None:
            raise DataMissing("a model card needs people unseen in training: name a face set with --data")
        faces = load_face_set(run.data, model)
        judges, cards = recognisers(run.verifiers, model.size)
        config = {
            "preset": as_json(chosen),
            "model": card_of(model),
            "verifiers": cards,
            "metric_weights": metric_weights(),
            "faces": digest_of_tensors([torch.from_numpy(faces.pixels)]),
        }
        return CardBench(chosen, model, faces, judges, config)

    return partial(experiment, revision=2, presets=PRESETS, load=load)
