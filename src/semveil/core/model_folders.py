"""Where trained models lie: the bundled ones and those below SEMVEIL_HOME/models; found without loading anything."""

from importlib import resources
from pathlib import Path

from semveil.core.weights import home

FACE_CARD, IDENTITY_CARD, NOISE_IMAGE_CARD = "model.json", "fusion.json", "noise-image.json"
KINDS = {"face model": FACE_CARD, "identity model": IDENTITY_CARD, "noise-image model": NOISE_IMAGE_CARD}
"""Kinds of models in words, and the file that makes a folder one of them."""


def bundled_folder() -> Path:
    """Where the package's own models lie."""
    return Path(str(resources.files("semveil") / "weights"))


def folders_with(card: str) -> dict[str, Path]:
    """Names and folders of the models that have this card; a bundled one goes before another of its name.

    Example:
        >>> "faces-128" in folders_with(FACE_CARD)
        True
    """
    parents = (home() / "models", bundled_folder())
    return {path.parent.name: path.parent for parent in parents for path in sorted(parent.glob(f"*/{card}"))}
