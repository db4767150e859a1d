# SPDX-License-Identifier: Apache-2.0
"""Presets (run sizes) of identity-dp, as values of one frozen schema."""

from dataclasses import dataclass

from semveil.experiments.kit.experiment import presets
from semveil.models.identity import DEFAULT_IDENTITY_MODEL

FACENETS = ("facenet-casia", "facenet-vggface2")  # [IDP] V-B: the recognisers of the identity distance
# Perturbations: the paper's, normalised to unit length; the paper's Eq. 11 to the letter; our default.
PUBLISHED, LITERAL, OURS = "laplace, as published", "laplace, Eq. 11 to the letter", "von-mises-fisher"


@dataclass(frozen=True)
class IdentityPreset:
    """Run size; the defaults are those of `small`.

    Attributes:
        name: preset name.
        model: default identity model.
        verifiers: default recognisers for evaluation; `psr` requires that all independent ones are deceived.
        needs_data: whether held-out photos are required; otherwise the astronaut and generated faces are used
            if no data is given.
        photos: number of photos measured over epsilons ([IDP] Figs. 4 and 5).
        compared: number of photos in Table I.
        pictured: number of photos in figures that show faces.
        detected: number of photos for face detection, the slowest measurement.
        epsilons: for Figs. 4 and 5.
        pictured_epsilons: for Fig. 6.
        draws: noise draws per photo and epsilon in Figs. 4 and 5.
        candidates: noise draws in Fig. 6, which shows the one nearest to the mean identity distance.
        photos_per_person: maximum in Table III.
        people: maximum in Table III.
        folds: number of folds in Table III.
        far: false acceptance rate in Table III.
        seed: for all noise.
    """

    name: str
    model: str = DEFAULT_IDENTITY_MODEL
    verifiers: tuple[str, ...] = ("edgeface", "dlib", "bundled")
    needs_data: bool = True
    photos: int = 48
    compared: int = 96
    pictured: int = 3
    detected: int = 96
    epsilons: tuple[float, ...] = (0.01, 0.57, 6.0, 12.0, 25.0, 50.0, 100.0, 200.0, 800.0)
    pictured_epsilons: tuple[float, ...] = (0.57, 6.0, 12.0, 25.0, 50.0, 100.0, 800.0)
    draws: int = 5
    candidates: int = 20
    photos_per_person: int = 4
    people: int = 80
    folds: int = 10
    far: float = 1e-3
    seed: int = 0


# The paper's 27,000 and 3,000 photos of CelebA-HQ at 256 px; all 3,000 are measured, with 100 draws per photo
# and epsilon.
IDENTITY_PRESETS = presets(
    IdentityPreset(
        "smoke", verifiers=("dlib",), needs_data=False, photos=2, compared=2, pictured=2, detected=1000,
        epsilons=(6.0, 400.0), pictured_epsilons=(6.0, 400.0), draws=1, candidates=2, people=8, folds=2,
        far=0.5,
    ),
    IdentityPreset("small"),
    IdentityPreset(
        "paper", model="identity-256", verifiers=("arcface", "dlib"), photos=3000, compared=3000, pictured=5,
        detected=3000, draws=100, candidates=100, photos_per_person=1000, people=10_000,
    ),
)  # fmt: skip
