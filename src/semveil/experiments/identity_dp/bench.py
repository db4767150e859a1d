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
from semveil.experiments.identity_dp.presets import FACENETS, LITERAL, OURS, PUBLISHED, IdentityPreset
from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.inputs import as_json, photos_to_measure, recognisers
from semveil.experiments.kit.keeping import metric_weights
from semveil.experiments.kit.photo_sets import PhotoSet, astronaut_and
from semveil.experiments.kit.set_distance import SetFeatures
from semveil.methods.identity_dp import IdentityDP, observed_sensitivity
from semveil.models.face import load_model
from semveil.models.identity import IdentityModel, load_identity_model
from semveil.recognition.by_name import Remembering
from semveil.recognition.verifier import FaceNetVerifier, Verifier

FIRST_TEST_PHOTO = 27_000  # of CelebA-HQ; the paper tests on 3,000 photos but does not say which
CHUNK = 64  # photos at a time
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
        verifiers: recognisers for evaluation, by name; `psr` uses those that had no part in training the
            model.
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
    facenets, lacking = _facenets()
    features = SetFeatures.load()
    identities = torch.cat([model.identify(part) for part in photos.images.split(CHUNK)])
    sensitivity = observed_sensitivity(identities).value if len(identities) > 1 else float("nan")
    config = {
        "preset": as_json(preset),
        "model": {"name": model.name, "digest": model.digest, "dimension": model.dim, "size": model.size},
        "verifiers": cards,
        "facenets_missing": lacking,
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


def _facenets() -> tuple[dict[str, Verifier], list[str]]:
    """The paper's recognisers with available weights, and the names of the others."""
    found: dict[str, Verifier] = {}
    lacking = []
    for name in FACENETS:
        try:
            # Placeholder: no threshold was measured, and distances need none.
            found[name] = Remembering(
                FaceNetVerifier(threshold=1.0, trained_on=name.removeprefix("facenet-"))
            )
        except WeightsMissing:
            lacking.append(name)
    return found, lacking
