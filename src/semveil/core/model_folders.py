# SPDX-License-Identifier: Apache-2.0
"""Locations of trained models, bundled and below SEMVEIL_HOME/models; found without loading anything."""

import os
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from semveil.core.weights import home

ModelName = str | os.PathLike[str]  # name or folder of a model

APART = "semveil_models"  # the package of the models alone, for those who installed the code alone

FACE_CARD, IDENTITY_CARD, NOISE_IMAGE_CARD = "model.json", "fusion.json", "noise-image.json"
KINDS = {"face model": FACE_CARD, "identity model": IDENTITY_CARD, "noise-image model": NOISE_IMAGE_CARD}
"""Kinds of models in words, and the file that makes a folder one of them."""


def bundled_folder() -> Path:
    """Folder of the bundled models: in this package, or in `semveil-models` if it was installed without them."""
    within = Path(str(resources.files("semveil") / "weights"))
    apart = None if within.is_dir() else find_spec(APART)
    return Path(apart.submodule_search_locations[0]) if apart and apart.submodule_search_locations else within


def missing_models() -> str:
    """Advice on missing models, to end an error message; empty if they are installed.

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
    """Path of a file of a bundled model; it need not exist.

    Args:
        model: name, such as `faces-128`.
        name: of the file.

    Raises:
        BadCheckpoint: semveil was installed without its models.

    Example:
        >>> bundled_file("faces-128", FACE_CARD).is_file()
        True
    """
    if advice := missing_models():
        from semveil.core.checkpoints import BadCheckpoint  # loads torch, which listing models does without

        raise BadCheckpoint(f"no bundled model {model!r}{advice}")
    return bundled_folder() / model / name


def folders_with(card: str) -> dict[str, Path]:
    """Folders of the models that contain a given file, by model name.

    A bundled model takes precedence over another of its name.

    Args:
        card: file name of the model card.

    Example:
        >>> "faces-128" in folders_with(FACE_CARD)
        True
    """
    parents = (home() / "models", bundled_folder())
    return {path.parent.name: path.parent for parent in parents for path in sorted(parent.glob(f"*/{card}"))}
