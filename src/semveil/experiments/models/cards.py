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

FEATURES = ("eyes", "brows", "nose", "mouth")  # parts that must lie where the photo's do


@dataclass(frozen=True)
class CardPreset:
    """Size of a run.

    Attributes:
        name: as the user says it.
        split: `test`, or `development`, whose people choices looked at.
        photos: of the split, at most.
        samples: random faces for the memorisation check.
        verifiers: recognisers, each at its threshold for a false acceptance rate of 0.1 % at the model's
            resolution.
        seed: of which photos and which random faces.
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
    """What a run works on, loaded, and how results describe it."""

    preset: CardPreset
    model: Any
    faces: FaceSet
    verifiers: Mapping[str, Verifier]
    config: Mapping[str, Any]

    @property
    def head(self) -> dict[str, Any]:
        return {"seeds": [self.preset.seed]}

    def held_out(self, among: NDArray[np.bool_], rng: torch.Generator) -> tuple[Tensor, str]:
        """Photos (N, 3, S, S) in [-1, 1], some of those marked, and who is on them, in words.

        Args:
            among: (N,) boolean: which photos of the face set may be taken.
            rng: of the choice of at most `preset.photos` photos.
        """
        rows = np.flatnonzero(among)
        rows = np.sort(rows[torch.randperm(len(rows), generator=rng)[: self.preset.photos].numpy()])
        words = f"{len(set(self.faces.person[rows]))} people, none of them in training"
        return to_tensor(self.faces.select(rows).pixels), words

    def quality(self, source: Tensor, images: Tensor) -> dict[str, Any]:
        """How like their photos pictures look, where their parts lie, and by whom they are taken for the same person.

        Args:
            source: photos (N, 3, S, S) in [-1, 1].
            images: what the model made of them, in the same shape.

        Returns:
            Means over the photos by metric; None with `METRIC_reason` where weights are missing.
            `accepted_NAME` is the share, 0 to 1, that a verifier takes for the same person.
        """
        found: dict[str, Any] = {
            "psnr": float(psnr(images, source).mean()),
            "ssim": float(ssim(images, source).mean()),
        }
        found |= {
            "sharpness": float(sharpness(source, images).mean()),
            "overlap": overlap_of_features(source, images),
        }
        nets: tuple[tuple[str, Net], ...] = (("lpips", "alex"), ("lpips_squeeze", "squeeze"))
        for metric, net in nets:
            try:
                found[metric] = float(lpips(images, source, net=net).mean())
            except WeightsMissing as error:
                found |= {metric: None, f"{metric}_reason": str(error)}
        accepted = {
            name: 1 - float(fppsr(source, images, judge).mean()) for name, judge in self.verifiers.items()
        }
        return found | {f"accepted_{name}": rate for name, rate in accepted.items()}


def overlap_of_features(source: Tensor, images: Tensor) -> dict[str, float | None]:
    """Mean intersection over union of each of `FEATURES`, as the bundled parser sees it in photos and pictures.

    Args:
        source: (N, 3, S, S) in [-1, 1].
        images: what was made of them, in the same shape.

    Returns:
        By part; None where no photo shows it.
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
    """How the figures of one kind of model are declared.

    Args:
        load_model: by name or folder; the bundled one where None.
        card_of: what results say of a model.
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
