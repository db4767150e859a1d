# SPDX-License-Identifier: Apache-2.0
"""Measurements of a face model's card, on held-out people, `face-model.json`."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep, face_model_card
from semveil.experiments.models.cards import CardBench, card
from semveil.faces.parts import PRIVATE_CODES
from semveil.faces.pixels import to_tensor
from semveil.methods.dp_semcom import DPSemCom
from semveil.metrics import face_detected
from semveil.models.face import DEFAULT_MODEL, FaceModel, load_model
from semveil.recognition.verifier import Verifier

RANDOM_FACES = 200


def _run(bench: CardBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure a face model; training photos are used for the memorisation check."""
    model, faces, chosen = bench.model, bench.faces, bench.preset
    made, rng = partial(_synthesize, model), streams(chosen.seed)["figures"]
    source, people = bench.held_out(faces.split == chosen.split, rng)
    began = time.perf_counter()
    codes = model.invert(source).codes
    seconds = (time.perf_counter() - began) / len(source)  # encoder and optimisation together
    codes = model.box.clip(codes)
    inverted = made(codes)

    spread = codes.std(0)
    private = list(PRIVATE_CODES)
    swapped, noised, noised_all = codes.clone(), codes.clone(), codes.clone()
    swapped[:, private] = codes.roll(1, 0)[:, private]
    noised[:, private] += torch.randn(noised[:, private].shape, generator=rng) * spread[private]
    noised_all += torch.randn(codes.shape, generator=rng) * spread
    sampled = made(model.random_faces(chosen.samples, rng=rng))
    drawn = made(model.public_latents(RANDOM_FACES, rng=rng))
    intercepted = codes[torch.randint(len(codes), (RANDOM_FACES,), generator=rng)]
    strangers = {"prior_samples": drawn, "without_key": made(_as_without_key(model, intercepted))}
    shown = {
        "source": source,
        "inversion": inverted,
        "mapping_samples": sampled[:RANDOM_FACES],
        **strangers,
        "private_codes_swapped": made(swapped),
        "private_codes_noised_by_their_spread": made(noised),
        "all_codes_noised_by_their_spread": made(noised_all),
    }
    return {
        "photos": len(source),
        "split": chosen.split,
        "held_out": people,
        "threads": torch.get_num_threads(),
        "encoder_only": bench.quality(source, made(model.start_codes(source))),
        "inversion": {**model.describe_inversion(), "seconds": seconds, **bench.quality(source, inverted)},
        "verifiers": list(bench.config["verifiers"].values()),
        "face_detected": {name: float(face_detected(x).float().mean()) for name, x in shown.items()},
        "similarity_among": {
            name: {kind: _similarity_among(images, judge) for kind, images in strangers.items()}
            for name, judge in bench.verifiers.items()
        },
        "memorisation": _memorisation(to_tensor(faces.select(~faces.held_out).pixels), sampled, source),
    }


def _synthesize(model: FaceModel, codes: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([model.generator.synthesize(part) for part in codes.split(64)]).clamp(-1, 1)


def _as_without_key(model: FaceModel, codes: Tensor) -> Tensor:
    """Interpret codes protected by `rotation` without the key."""
    protector = DPSemCom(model, protection="rotation").protector
    return model.box.clip(protector.interpret(protector.protect(codes).block))


def _similarity_among(images: Tensor, verifier: Verifier) -> float:
    """Mean pairwise similarity of faces on the verifier's scale; high values indicate low diversity."""
    vectors = verifier.embed(images)
    first, second = torch.triu_indices(len(images), len(images), offset=1)
    return float(verifier.similarities(vectors, vectors)[first, second].mean())


def _memorisation(training: Tensor, sampled: Tensor, held_out: Tensor) -> dict[str, float]:
    """Root-mean-square distance to the nearest training photo.

    Memorised samples would be much nearer than held-out photos.
    """
    nearest = {
        name: torch.cdist(images.flatten(1), training.flatten(1)).min(1).values / images[0].numel() ** 0.5
        for name, images in (("samples", sampled), ("held_out_photos", held_out))
    }
    found: dict[str, float] = {"samples": len(sampled)}
    for name, distances in nearest.items():
        found |= {f"{name}_least": float(distances.min()), f"{name}_median": float(distances.quantile(0.5))}
    return found


_card = card(lambda name: load_model(name or DEFAULT_MODEL), face_model_card)
FACE_MODEL = _card("models/face-model", measure=whole(_run))
