# SPDX-License-Identifier: Apache-2.0
"""Set-up of a run of dp-image or latent-dp: latent model, recogniser, photos and their latents."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from semveil.core.digests import digest_of_tensors
from semveil.core.progress import Progress
from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.inputs import as_json, photos_to_measure
from semveil.experiments.kit.keeping import metric_weights
from semveil.experiments.kit.latent_presets import LatentPreset
from semveil.experiments.kit.photo_sets import PhotoSet, astronaut_and
from semveil.experiments.kit.set_distance import SetFeatures
from semveil.methods.latent_model import STYLEGAN2, LatentModel, from_face_model, load_latent_model
from semveil.metrics import Moments
from semveil.models.face import load_model
from semveil.models.folder import box_as_dict
from semveil.models.inversion_cache import cached_inversion
from semveil.recognition.by_name import Remembering, load_verifier
from semveil.recognition.verifier import Verifier

Invert = Callable[[Tensor], tuple[Tensor, dict[str, Any]]]


@dataclass(frozen=True, eq=False)
class LatentBench:
    """Loaded inputs of a run, with their description for results.

    Attributes:
        preset: run size.
        model: latent model.
        verifier: caching recogniser.
        photos: photos to measure.
        latents: (N, K, D) latents of the photos, not clipped.
        invert: maps crops to latents and a description of the inversion; earlier inversions are cached.
        features: networks for Frechet distances.
        config: description of all inputs, JSON-ready.
    """

    preset: LatentPreset
    model: LatentModel
    verifier: Verifier
    photos: PhotoSet
    latents: Tensor
    invert: Invert
    features: SetFeatures
    config: Mapping[str, Any]

    @property
    def head(self) -> dict[str, Any]:
        """Fields of a result besides its config."""
        return {"seeds": [self.preset.seed], "photos": list(self.photos.ids)}

    @cached_property
    def moments(self) -> Mapping[str, Moments]:
        """Moments of the photos, for Frechet distances."""
        return self.features.of(self.photos.images)

    @property
    def coordinates(self) -> int:
        """Number of coordinates of one photo's latents."""
        codes, style_dim = self.model.latent_shape
        return codes * style_dim


def load(photos: Callable[[LatentPreset], int], *, shows: bool = False) -> Callable[[Run], LatentBench]:
    """Return the loader of a run of dp-image or latent-dp.

    Args:
        photos: number of photos, from the preset.
        shows: whether figures show the photos; if so, public ones are accepted in any preset.
    """

    def loaded(run: Run) -> LatentBench:
        preset: LatentPreset = run.preset
        model, invert = _load(run.model or preset.model, preset.perceptual, run.progress)
        judge, judge_card = load_verifier(run.verifier or preset.verifier, resolution=model.size)
        count = photos(preset)
        made = partial(
            astronaut_and, model.size, count, lambda n, rng: model.synthesize(model.public_latents(n, rng))
        )
        taken = photos_to_measure(run, model, count, partial(made, by="the model"), shows=shows)
        latents, inversion = invert(taken.images)
        features = SetFeatures.load()
        config = {
            "preset": as_json(preset),
            "model": {
                "name": model.name,
                "digest": model.digest,
                "latent_shape": list(model.latent_shape),
                "clip_box": box_as_dict(model.box),
                "bounds": model.bounds().digest,
                "prior": digest_of_tensors([model.public_latents(4, torch.Generator().manual_seed(0))]),
            },
            "verifier": judge_card,
            "features": features.names,
            "metric_weights": metric_weights(),
            "photos": taken.as_dict(),
            "photos_may_be_shown": taken.public,
            "inversion": inversion,
        }
        return LatentBench(preset, model, Remembering(judge), taken, latents, invert, features, config)

    return loaded


def _load(name: str, perceptual: str | None, progress: Progress) -> tuple[LatentModel, Invert]:
    """Load a latent model and its inversion, which is cached where it is an optimisation."""
    if name == STYLEGAN2:
        model = load_latent_model(name, perceptual=perceptual)
        return model, lambda images: (model.encode(images), {"encoder": "pSp, without optimisation"})
    face = load_model(name)

    def invert(images: Tensor) -> tuple[Tensor, dict[str, Any]]:
        return cached_inversion(face, images, perceptual=perceptual, progress=partial(progress, "invert"))

    return from_face_model(face, perceptual), invert
