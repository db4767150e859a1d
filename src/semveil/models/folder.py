# SPDX-License-Identifier: Apache-2.0
"""Folder of a face model: its files, its card `model.json`, and their digest."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save

from semveil.core.files import write_whole
from semveil.core.network_files import write_network
from semveil.generators.face_generator import FaceGenerator
from semveil.generators.spatial_semantic import SpatialSemanticGAN
from semveil.generators.stylegan2 import StyleGAN2
from semveil.mechanisms import ClipBox
from semveil.models.card import SEMANTIC, SPATIAL, STYLEGAN2, FaceEncoder, StoredGenerator
from semveil.models.prior import LatentPrior


def save_model(
    folder: Path, generator: FaceGenerator, encoder: FaceEncoder, prior: LatentPrior, card: Mapping[str, Any]
) -> None:
    """Write a model's folder: half-precision weights, prior, and `model.json`.

    The card is written last, so that a model is either complete or absent.

    Args:
        folder: target folder; created if missing.
        generator: the generator.
        encoder: the encoder.
        prior: prior of real photos' latents.
        card: at least `clip_box`, `inversion` and `perceptual_network`, and `perceptual` unless it is the
            default; architecture and sizes of the networks are added.

    Raises:
        ValueError: a folder cannot hold this class of generator.
    """
    if not isinstance(generator, StoredGenerator):
        raise ValueError(
            f"a model's folder holds no {type(generator).__name__}; keep it in a package of your own"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_network(folder / "generator.safetensors", generator)
    write_network(folder / "encoder.safetensors", encoder)
    write_whole(
        folder / "prior.safetensors", save({k: v.half().contiguous() for k, v in prior.tensors.items()})
    )
    architecture = {StyleGAN2: STYLEGAN2, SpatialSemanticGAN: SPATIAL}.get(type(generator), SEMANTIC)
    sizes = {"generator": generator.config.as_dict(), "encoder": encoder.config.as_dict()}
    full = {"architecture": architecture, **sizes, **card, "whitening": prior.whitening}
    write_whole(folder / "model.json", (json.dumps(full, indent=1) + "\n").encode())


def folder_digest(folder: Path, card: Mapping[str, Any]) -> str:
    """SHA-256 over the weights of generator and encoder, the clip box and the network sizes, 64 hex digits.

    Args:
        folder: contains `generator.safetensors` and `encoder.safetensors`.
        card: the parsed `model.json`, with `clip_box`, `generator` and `encoder`.
    """
    digest = hashlib.sha256()
    for name in ("generator", "encoder"):
        digest.update((folder / f"{name}.safetensors").read_bytes())
    digest.update(json.dumps([card["clip_box"], card["generator"], card["encoder"]], sort_keys=True).encode())
    return digest.hexdigest()


def box_as_dict(box: ClipBox) -> dict[str, Any]:
    """Clip box in the form stored in `model.json`.

    Args:
        box: clip box with scalar bounds.
    """
    return {"lower": box.lower, "upper": box.upper, "source": box.source}
