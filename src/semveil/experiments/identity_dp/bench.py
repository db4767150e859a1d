# SPDX-License-Identifier: Apache-2.0
"""Set-up of identity-dp runs: identity model, recognisers and photos."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.core.weights import WeightsMissing
from semveil.data.face_set import FaceSet
from semveil.experiments.identity_dp.presets import FACENETS, LITERAL, OURS, PUBLISHED, IdentityPreset
from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.inputs import as_json, photos_to_measure, recognisers
from semveil.experiments.kit.keeping import metric_weights
from semveil.experiments.kit.photo_sets import DataMissing, PhotoSet, astronaut_and, load_face_set
from semveil.experiments.kit.set_distance import SetFeatures
from semveil.methods.identity_dp import IdentityDP, observed_sensitivity
from semveil.models.face import load_model
from semveil.models.identity import IdentityModel, load_identity_model
from semveil.recognition.by_name import Remembering
from semveil.recognition.verifier import FaceNetVerifier, Verifier

FIRST_TEST_PHOTO = 27_000  # of CelebA-HQ; the paper tests on 3,000 photos but does not say which
CHUNK = 64  # photos at a time
IN_TRAINING = ("bundled",)  # the model was trained to deceive it, so `psr` excludes it
PERTURBATIONS: dict[str, dict[str, Any]] = {
    PUBLISHED: {"mechanism": "laplace", "calibration": "as_published"},
    LITERAL: {"mechanism": "laplace", "calibration": "as_published", "renormalise": False},
    OURS: {"mechanism": "von-mises-fisher"},
    "privunit": {"mechanism": "privunit"},
}


@dataclass(frozen=True, eq=False)
class IdentityBench:
    """Loaded inputs of a run, and their description for the result.

    Attributes:
        verifiers: recognisers for evaluation, by name.
        facenets: recognisers of the paper's identity distance with available weights.
        sensitivity: largest L1 distance between the photos' identity vectors, used by [IDP] V-D as the
            sensitivity.
        features: for Frechet distances.
    """

    preset: IdentityPreset
    model: IdentityModel
    verifiers: Mapping[str, Verifier]
    facenets: Mapping[str, Verifier]
    photos: PhotoSet
    sensitivity: float
    features: SetFeatures
    config: Mapping[str, Any]

    @property
    def head(self) -> dict[str, Any]:
        """Fields of a result other than its config."""
        return {"seeds": [self.preset.seed], "photos": list(self.photos.ids)}

    @property
    def judges(self) -> dict[str, Verifier]:
        """All recognisers by name."""
        return {**self.verifiers, **self.facenets}

    @property
    def independent(self) -> list[Verifier]:
        """Recognisers that had no part in training the model, or all if there are none."""
        found = [judge for name, judge in self.verifiers.items() if name not in IN_TRAINING]
        return found or list(self.verifiers.values())

    def method(self, epsilon: float, perturbation: str = OURS) -> IdentityDP:
        """identity-dp at an epsilon with one of `PERTURBATIONS`.

        Args:
            epsilon: nominal budget of the identity, above 0.
            perturbation: noise distribution, one of `PERTURBATIONS`.
        """
        options: dict[str, Any] = dict(PERTURBATIONS[perturbation])
        if "calibration" in options:
            options["observed_sensitivity"] = self.sensitivity
        return IdentityDP(self.model, epsilon=epsilon, **options)


def in_chunks(make: Callable[..., Tensor], *batches: Tensor) -> Tensor:
    """Evaluate a function on many photos, a part at a time.

    Args:
        make: maps as many tensors (B, ...) as there are `batches` to a tensor (B, ...).
        *batches: (N, ...), all of the same length.

    Returns:
        (N, ...).
    """
    return torch.cat([make(*parts) for parts in zip(*(all_.split(CHUNK) for all_ in batches), strict=True)])


def load(photos: Callable[[Run, IdentityModel], PhotoSet]) -> Callable[[Run], IdentityBench]:
    """Return the function that loads the inputs of a run.

    Args:
        photos: selects the photos, given the run and the model.
    """

    def loaded(run: Run) -> IdentityBench:
        model = load_identity_model(run.model or run.preset.model)
        return prepare_bench(run.preset, model, photos(run, model), run.verifiers)

    return loaded


def prepare_bench(
    preset: IdentityPreset, model: IdentityModel, photos: PhotoSet, verifiers: Iterable[str]
) -> IdentityBench:
    """Load recognisers and features, and compute the observed sensitivity of [IDP].

    Args:
        preset: run size, recorded in the config.
        model: identity model; sets the crop size for the recognisers.
        photos: crops of the model's size; the sensitivity of a single photo is NaN.
        verifiers: names of recognisers.
    """
    judges, cards = recognisers(verifiers, model.size)
    facenets: dict[str, Verifier] = {}
    for name in FACENETS:
        trained_on = name.removeprefix("facenet-")
        try:  # The threshold is a placeholder: none was measured, and distances need none.
            facenets[name] = Remembering(FaceNetVerifier(threshold=1.0, trained_on=trained_on))
        except WeightsMissing:
            continue
    features = SetFeatures.load()
    identities = in_chunks(model.identify, photos.images)
    sensitivity = observed_sensitivity(identities).value if len(identities) > 1 else float("nan")
    config = {
        "preset": as_json(preset),
        "model": {"name": model.name, "digest": model.digest, "dimension": model.dim, "size": model.size},
        "verifiers": cards,
        "facenets_missing": [name for name in FACENETS if name not in facenets],
        "facenets": {name: verifier.digest for name, verifier in facenets.items()},
        "features": features.names,
        "metric_weights": metric_weights(),
        "photos": photos.as_dict(),
        "photos_may_be_shown": photos.public,
        "observed_sensitivity": round(sensitivity, 4) if len(identities) > 1 else None,
    }
    return IdentityBench(preset, model, judges, facenets, photos, sensitivity, features, config)


def photos_for(count: Callable[[IdentityPreset], int], *, shows: bool = False) -> Callable[..., PhotoSet]:
    """Return the function that selects one photo per person for a run.

    Args:
        count: maps the preset to the number of photos.
        shows: whether the figures show the photos; public photos are then allowed in any preset.
    """

    def photos(run: Run, model: IdentityModel) -> PhotoSet:
        taken = count(run.preset)
        public = partial(public_faces, model.size, taken)
        return photos_to_measure(run, model, taken, public, shows=shows, first_test_photo=FIRST_TEST_PHOTO)

    return photos


def public_faces(size: int, count: int) -> PhotoSet:
    """The astronaut and faces generated by the bundled face model, resized to `size`.

    Args:
        size: side of the photos in pixels.
        count: total number, including the astronaut; at least 1.
    """

    def generate(many: int, rng: torch.Generator) -> Tensor:
        face = load_model()
        generated = face.generator.synthesize(face.public_latents(many, rng=rng))
        return F.interpolate(generated, size=(size, size), mode="bicubic", antialias=True)

    return astronaut_and(size, count, generate, by="faces-128")


def people_of(run: Run, model: IdentityModel, what: str) -> FaceSet:
    """Load a face set with several photos per person.

    Args:
        run: its data is a face set or a folder with LFW.
        model: sets the size of the photos.
        what: what needs them, for the error message.

    Raises:
        DataMissing: no data is given.
    """
    if run.data is None:
        raise DataMissing(
            f"{what} needs several photos per person: pass a face set or a folder with lfw as --data"
        )
    tick = lambda done, total: run.progress("prepare photos", done, total)  # noqa: E731
    return load_face_set(run.data, model, progress=tick)
