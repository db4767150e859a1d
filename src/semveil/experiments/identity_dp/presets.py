# SPDX-License-Identifier: Apache-2.0
"""Presets (run sizes) of identity-dp, as values of one frozen schema."""

from dataclasses import dataclass

from semveil.experiments.kit.experiment import presets
from semveil.models.identity import DEFAULT_IDENTITY_MODEL

FACENETS = ("facenet-casia", "facenet-vggface2")  # [IDP] V-B: the recognisers of the identity distance
# Perturbations: the paper's divided by its length, the paper's to the letter, and the method's default.
PUBLISHED, LITERAL, OURS = "laplace, as published", "laplace, Eq. 11 to the letter", "von-mises-fisher"


@dataclass(frozen=True)
class IdentityPreset:
    """Size of a run; the defaults are those of `small`.

    Attributes:
        name: as the user says it.
        model: identity model by default.
        verifiers: recognisers that judge the protection by default; those of `psr` must all be deceived.
        needs_data: whether what is measured must be held-out photos; else, without data, the astronaut and
            generated faces.
        photos: whose protected pictures are measured over epsilons ([IDP] Figs. 4 and 5).
        compared: whose are measured in Table I.
        pictured: photos in the figures that show faces.
        detected: photos in which a detector looks for a face, the slowest measurement.
        epsilons: of Figs. 4 and 5.
        pictured_epsilons: of Fig. 6.
        draws: of the noise per photo and epsilon in Figs. 4 and 5.
        candidates: draws of Fig. 6, among which the one at the mean identity distance is shown.
        photos_per_person: of Table III, at most.
        people: of Table III, at most.
        folds: of Table III.
        far: false acceptance rate of Table III.
        seed: of all noise.
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


IDENTITY_PRESETS = presets(
    IdentityPreset(
        name="smoke",
        verifiers=("dlib",),
        needs_data=False,
        photos=2,
        compared=2,
        pictured=2,
        detected=1000,
        epsilons=(6.0, 400.0),
        pictured_epsilons=(6.0, 400.0),
        draws=1,
        candidates=2,
        people=8,
        folds=2,
        far=0.5,
    ),
    IdentityPreset("small"),
    # The paper's 27,000 and 3,000 photos of CelebA-HQ at 256 px; all 3,000 are measured, 100 faces of each
    # and epsilon.
    IdentityPreset(
        name="paper",
        model="identity-256",
        verifiers=("arcface", "dlib"),
        photos=3000,
        compared=3000,
        pictured=5,
        detected=3000,
        draws=100,
        candidates=100,
        photos_per_person=1000,
        people=10_000,
    ),
)
