# SPDX-License-Identifier: Apache-2.0
"""Effect of identity-dp's budgets, as Markdown tables.

The tables give expected cosines by mechanism, and ranks of selected public faces. There are no figures and no
photos: the cosines follow in closed form from the noise distributions ([IDP] uses Laplace noise and d = 512),
and the selected public faces are generated.
"""

from collections.abc import Sequence
from functools import partial

import torch
from scipy import optimize

from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.keeping import face_model_card
from semveil.experiments.kit.tables import markdown
from semveil.experiments.kit.text_table import Text, text_table
from semveil.mechanisms import SPHERE_MECHANISMS, cosines_kept
from semveil.methods.latent_dp import GALLERY_SEED, LatentDP
from semveil.models.face import load_model
from semveil.models.identity import DEFAULT_IDENTITY_MODEL, load_identity_model
from semveil.recognition.by_name import load_verifier

PAPER_DIMENSION = 512
EPSILONS = (0.57, 1.0, 6.0, 10.0, 20.0, 50.0, 100.0, 200.0, 400.0, 800.0)
LOOK_EPSILONS = (1.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
FACES = 60


def cosines(dimension: int, threshold: float, *, epsilons: Sequence[float] = EPSILONS) -> str:
    """Expected cosine between original and perturbed identity, by mechanism and budget.

    Args:
        dimension: d of the model's vectors; rows for the paper's d come first.
        threshold: cosine from which the model's verifier accepts two vectors as the same person.
        epsilons: budgets.
    """
    rows = []
    for d in dict.fromkeys((PAPER_DIMENSION, dimension)):
        for name, kept in cosines_kept(d, epsilons).items():
            found = f"{accepted_from(name, d, threshold):.1f}" if d == dimension else ""
            rows.append([f"{d}", name, *(f"{k:.4f}" if k < 0.1 else f"{k:.3f}" for k in kept), found])
    budgets = [f"ε {epsilon:g}" for epsilon in epsilons]
    return markdown(["d", "mechanism", *budgets, f"ε where the mean reaches {threshold:.3f}"], rows)


def accepted_from(name: str, dimension: int, threshold: float) -> float:
    """Budget at which the expected cosine equals a verifier's threshold.

    Args:
        name: one of `SPHERE_MECHANISMS`.
        dimension: d of the identity vectors.
        threshold: cosine in (0, 1).

    Example:
        >>> epsilon = accepted_from("privunit", 128, 0.3)
        >>> round(SPHERE_MECHANISMS["privunit"].calibrate(128, epsilon).cosine_kept(), 6)
        0.3
    """

    def excess(epsilon: float) -> float:
        return SPHERE_MECHANISMS[name].calibrate(dimension, epsilon).cosine_kept() - threshold

    enough = 1.0
    while excess(enough) < 0:
        enough *= 2
    return float(optimize.brentq(excess, 1e-3, enough))


def looks(epsilons: Sequence[float] = LOOK_EPSILONS) -> str:
    """Mean rank of the public face selected for its attributes, by attribute budget.

    Over generated faces outside the gallery; rank 0 is the nearest face of the gallery.

    Args:
        epsilons: attribute budgets, each above 0.
    """
    rows = []
    for epsilon in epsilons:
        look = LatentDP(epsilon=epsilon, mechanism="exponential")
        assert look.choice is not None and look.gallery is not None
        faces = look.model.public_latents(FACES, torch.Generator().manual_seed(GALLERY_SEED + 1))
        utilities = look.utilities(look.box.clip(faces))
        ranks = utilities.argsort(1, descending=True).argsort(1)
        mean = (look.choice.probabilities(utilities) * ranks).sum(1).mean()
        rows.append([f"{epsilon:g}", f"{float(mean):.0f} of {len(look.gallery):,}"])
    return markdown(["attribute ε", f"mean rank of the selected face, over {FACES} generated faces"], rows)


def _cosines_of(run: Run) -> Text:
    """Table for a model's dimension and the threshold of the bundled verifier."""
    model = load_identity_model(run.model or DEFAULT_IDENTITY_MODEL)
    verifier, card = load_verifier("bundled", resolution=model.size)
    config = {"model": {"name": model.name, "digest": model.digest, "dimension": model.dim}, "verifier": card}
    return Text(config, partial(cosines, model.dim, verifier.threshold))


def _looks_of(run: Run) -> Text:
    return Text({"model": face_model_card(load_model())}, looks)


COSINES = text_table("identity-dp/cosines", revision=1, load=_cosines_of)
LOOKS = text_table("identity-dp/looks", revision=1, load=_looks_of)
