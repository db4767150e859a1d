"""How much of an identity each mechanism keeps at a budget, and from which one on the bundled verifier accepts it again.

    python -m semveil.experiments.identity_cosines --into docs/methods/identity-dp.md

Nothing is drawn and no photo is read: means follow in closed form from the laws ([IDP] uses Laplace noise and d = 512).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from scipy import optimize

from semveil.core.files import write_whole
from semveil.experiments.markdown import markdown
from semveil.experiments.tables import fill
from semveil.experiments.verifiers import load_verifier
from semveil.mechanisms import SPHERE_MECHANISMS, cosines_kept
from semveil.methods.identity_model import DEFAULT_IDENTITY_MODEL, load_identity_model

PAPER_DIMENSION = 512
EPSILONS = (0.57, 1.0, 6.0, 10.0, 20.0, 50.0, 100.0, 200.0, 400.0, 800.0)


def cosines(dimension: int, threshold: float, *, epsilons: Sequence[float] = EPSILONS) -> str:
    """Mean cosine between old and new identity, by mechanism and budget.

    Args:
        dimension: d of the model's vectors; the paper's stand first.
        threshold: cosine of two vectors from which the model's verifier takes them for one person.
        epsilons: budgets.
    """
    rows = []
    for d in dict.fromkeys((PAPER_DIMENSION, dimension)):
        for name, kept in cosines_kept(d, epsilons).items():
            found = accepted_from(name, d, threshold) if d == dimension else None
            rows.append([f"{d}", name, *map(_cosine, kept), "" if found is None else f"{found:.1f}"])
    head = ["d", "mechanism", *(f"ε {epsilon:g}" for epsilon in epsilons), f"mean reaches {threshold:.3f} at ε"]
    return markdown(head, rows)


def accepted_from(name: str, dimension: int, threshold: float) -> float:
    """The budget at which the mean cosine kept is a verifier's threshold.

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


def _cosine(value: float) -> str:
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the table, or write it into a page.")
    parser.add_argument("--model", default=DEFAULT_IDENTITY_MODEL)
    parser.add_argument("--into", type=Path, help="page with the table's markers")
    given = parser.parse_args()
    model = load_identity_model(given.model)
    verifier, _ = load_verifier("bundled", resolution=model.size)
    text = cosines(model.dim, verifier.threshold)
    if given.into is None:
        print(text)
    else:
        write_whole(given.into, fill(given.into.read_text(), "cosines", text).encode())


if __name__ == "__main__":
    main()
