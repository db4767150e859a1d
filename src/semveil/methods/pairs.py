# SPDX-License-Identifier: Apache-2.0
"""Lookup and files of trained protection / deprotection pairs; only exact settings match."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import torch

from semveil.core.checkpoints import BadCheckpoint, build_to_fit, read_metadata
from semveil.core.config import check_kinds
from semveil.core.network_files import read_network, write_network
from semveil.core.text import parse_json
from semveil.core.weights import home
from semveil.methods.protections import PROTECTIONS
from semveil.models.face import FaceModel
from semveil.protection.pair import PairSettings, TrainedPair


class NoPair(LookupError):
    """No pair was trained for exactly the requested settings."""


def pair_file(folder: Path, settings: PairSettings) -> Path:
    """Path of a pair's file.

    Its name contains calibration, epsilon and a digest of all settings but scale and training data.

    Args:
        folder: folder of the pairs.
        settings: settings of the pair.
    """
    named = {k: v for k, v in settings.as_dict().items() if k not in ("scale", "trained_on")}
    if settings.protection == "nn":  # compatible with files from before other kinds existed
        named = {k: v for k, v in named.items() if k not in ("protection", "noised")}
    digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:10]
    kind = "" if settings.protection == "nn" else f"{settings.protection}-"
    return folder / f"{kind}{settings.calibration}-{settings.epsilon:g}-{digest}.safetensors"


def cache_folder(model: FaceModel) -> Path:
    """Folder of the pairs trained on this machine for a model, below SEMVEIL_HOME.

    Args:
        model: face model, identified by its digest.
    """
    return home() / "pairs" / model.digest[:16]


def find_pair(model: FaceModel, settings: PairSettings) -> TrainedPair:
    """Load the pair with exactly these settings, from the model's folder or this machine's cache.

    Args:
        model: face model of the pair.
        settings: epsilon, calibration, codes and the rest.

    Raises:
        NoPair: there is no such pair.
        BadCheckpoint: the file is damaged, or its noise scale differs from that in `settings` by more than a
            factor 1 + 1e-4.
    """
    folders = [cache_folder(model)] if model.folder is None else [model.folder / "pairs", cache_folder(model)]
    for folder in folders:
        path = pair_file(folder, settings)
        if path.is_file():
            pair = read_pair(path)
            if abs(pair.settings.scale / settings.scale - 1) > 1e-4:
                raise BadCheckpoint(
                    f"{path} imitates noise of scale {pair.settings.scale:g}, expected {settings.scale:g}"
                )
            return pair
    kind = "" if settings.protection == "nn" else f" {settings.protection}"
    raise NoPair(
        f"no pair{kind} is trained for model {model.name}, epsilon {settings.epsilon:g} "
        f"({settings.calibration}), codes {','.join(map(str, settings.codes))}, {settings.noise} noise, "
        f"{settings.start} start, {settings.heard_over}"
    )


def write_pair(path: Path, pair: TrainedPair) -> None:
    """Write a pair, with its settings in the file's metadata.

    Args:
        path: path of the `.safetensors` file; its folder is created if missing.
        pair: the trained pair.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_network(path, pair, {"settings": json.dumps(pair.settings.as_dict())})


def read_pair(path: Path) -> TrainedPair:
    """Read a file written by `write_pair`.

    Args:
        path: the `.safetensors` file.

    Raises:
        BadCheckpoint: the file is damaged, or is not a pair.
    """
    state = read_network(path)
    try:
        values = parse_json(read_metadata(path)["settings"])
        check_kinds(PairSettings, values)
        settings = PairSettings.from_dict(values)
        codes, network = settings.codes, PROTECTIONS[settings.protection].trained
        if network is None or not set(settings.noised) <= set(codes):
            raise ValueError(f"protection {settings.protection} on codes {settings.noised}")
        if min(codes, default=0) < 0 or len(set(codes)) < len(codes) or settings.style_dim < 1:
            raise ValueError(f"codes {codes} of length {settings.style_dim}")
        if not all(0 < value < float("inf") for value in (settings.epsilon, settings.scale)):
            raise ValueError(f"epsilon {settings.epsilon} and scale {settings.scale}")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"{path.name} is no protection pair: {error}") from error
    return build_to_fit(lambda: network(settings), state, name=f"the pair {path.name}")


def list_pairs(model: FaceModel) -> Iterator[Path]:
    """Yield the files of all pairs for a model, from its folder and from this machine's cache.

    Args:
        model: face model of the pairs.
    """
    for folder in ([model.folder / "pairs"] if model.folder else []) + [cache_folder(model)]:
        yield from sorted(folder.glob("*.safetensors"))


def pair_digest(pair: TrainedPair) -> str:
    """SHA-256 of a pair's weights in half precision, 64 hex digits; equal for Alice and Bob.

    Args:
        pair: the trained pair.
    """
    digest = hashlib.sha256()
    for name, value in sorted(pair.state_dict().items()):
        digest.update(name.encode() + value.to(torch.float16).cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
