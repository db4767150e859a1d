# SPDX-License-Identifier: Apache-2.0
"""What a model's folder holds: its card, and the settings in the metadata of weight files."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from cli.tiny import make_model
from fuzz.kind import Kind
from safetensors.torch import load_file, save_file

from semveil.core.model_folders import bundled_folder


def _model(path: Path) -> None:
    make_model(path.parent)


def _read_model(path: Path) -> object:
    """Loads it, does what the card's values decide, and shows them."""
    from semveil.cli.models import _card_lines, _model_card
    from semveil.models.face import load_model

    load_model.cache_clear()
    model = load_model(str(path.parent))
    model.public_latents(1, rng=torch.Generator().manual_seed(0))
    shown = [_card_lines(key, value) for key, value in _model_card(str(path.parent)).items()]
    return repr(model), model.describe_inversion(), shown


def _identity(path: Path) -> None:
    shutil.copytree(bundled_folder() / "identity-128", path.parent, dirs_exist_ok=True)


def _read_identity(path: Path) -> object:
    from semveil.models.identity import load_identity_model

    load_identity_model.cache_clear()
    return load_identity_model(str(path.parent)).size


def _noise_image(path: Path) -> None:
    shutil.copytree(bundled_folder() / "noise-image-32", path.parent, dirs_exist_ok=True)


def _read_noise_image(path: Path) -> object:
    from semveil.models.noise_image import load_noise_image_model

    load_noise_image_model.cache_clear()
    return load_noise_image_model(str(path.parent)).classes


def _keep_metadata(source: Path, path: Path, key: str) -> None:
    """Write one text of a weight file's metadata as a file, next to the weights."""
    from semveil.core.checkpoints import read_metadata

    shutil.copy(source, path.with_name("source.safetensors"))
    path.write_text(read_metadata(source)[key], encoding="utf-8")


def _with_metadata(path: Path, key: str) -> Path:
    """The weight file with the file's text in its metadata."""
    changed = path.with_name("changed.safetensors")
    weights: dict[str, Any] = load_file(path.with_name("source.safetensors"))
    save_file(weights, changed, {key: path.read_bytes().decode("utf-8", "replace")})
    return changed


def _pair(path: Path) -> None:
    _keep_metadata(next((bundled_folder() / "faces-128" / "pairs").glob("*.safetensors")), path, "settings")


def _read_pair(path: Path) -> object:
    from semveil.methods.pairs import read_pair

    return repr(read_pair(_with_metadata(path, "settings")).settings)


def _encoder(path: Path) -> None:
    _keep_metadata(bundled_folder() / "identity-128" / "identity_encoder.safetensors", path, "config")


def _read_encoder(path: Path) -> object:
    from semveil.recognition.identity_encoder import load_identity_encoder

    return load_identity_encoder(_with_metadata(path, "config")).config


def _quantiles(path: Path) -> None:
    _keep_metadata(bundled_folder() / "faces-128" / "quantiles.safetensors", path, "about")


def _read_quantiles(path: Path) -> object:
    from semveil.models.quantile_bounds import QuantileBounds

    found = QuantileBounds.load(_with_metadata(path, "about"), (28, 64))
    return json.dumps(found.observed), found.box(found.shares[0])


MODEL_KINDS = {
    "face model": Kind("model.json", _model, _read_model),
    "identity model": Kind("fusion.json", _identity, _read_identity),
    "noise-image model": Kind("noise-image.json", _noise_image, _read_noise_image),
    "pair": Kind("pair.json", _pair, _read_pair),
    "identity encoder": Kind("encoder.json", _encoder, _read_encoder),
    "quantiles": Kind("quantiles.json", _quantiles, _read_quantiles),
}
