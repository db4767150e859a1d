# SPDX-License-Identifier: Apache-2.0
"""Locations of trained models, bundled or in SEMVEIL_HOME/models, determined without loading them."""

from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from semveil.core.weights import home

ModelName = str | Path  # name or folder of a model

APART = "semveil_models"  # package of the models, for installations of the code alone

FACE_CARD, IDENTITY_CARD, NOISE_IMAGE_CARD = "model.json", "fusion.json", "noise-image.json"
OFFICIAL_MODEL = "celebamask-hq-512"  # face model of the official weights, which no folder holds
KINDS = {"face model": FACE_CARD, "identity model": IDENTITY_CARD, "noise-image model": NOISE_IMAGE_CARD}
"""Kind of model -> file name of the model card that identifies it."""


def bundled_folder() -> Path:
    """Return the folder of the bundled models, in this package or in the package `semveil-models`."""
    within = Path(str(resources.files("semveil") / "weights"))
    apart = None if within.is_dir() else find_spec(APART)
    return Path(apart.submodule_search_locations[0]) if apart and apart.submodule_search_locations else within


def missing_models() -> str:
    """Return advice on missing models, to end an error message; empty if they are installed.

    Example:
        >>> missing_models()
        ''
    """
    return (
        ""
        if bundled_folder().is_dir()
        else "; this semveil came without its models: pip install semveil-models"
    )


def bundled_file(model: str, name: str) -> Path:
    """Return the path of a file of a bundled model; it need not exist.

    Args:
        model: model name, such as `faces-128`.
        name: file name.

    Raises:
        BadCheckpoint: semveil was installed without its models.

    Example:
        >>> bundled_file("faces-128", FACE_CARD).is_file()
        True
    """
    if advice := missing_models():
        from semveil.core.checkpoints import BadCheckpoint  # imports torch, not needed to list models

        raise BadCheckpoint(f"no bundled model {model!r}{advice}")
    return bundled_folder() / model / name


def folders_with(card: str) -> dict[str, Path]:
    """Return the folders of the models that contain a given file, by model name.

    A bundled model takes precedence over one in SEMVEIL_HOME of the same name.

    Args:
        card: file name of the model card.

    Example:
        >>> "faces-128" in folders_with(FACE_CARD)
        True
    """
    parents = (home() / "models", bundled_folder())
    return {path.parent.name: path.parent for parent in parents for path in sorted(parent.glob(f"*/{card}"))}
