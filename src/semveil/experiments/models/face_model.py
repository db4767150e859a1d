# SPDX-License-Identifier: Apache-2.0
"""Measurements of a face model's card, on held-out people, `face-model.json`."""

import time
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


def run(bench: CardBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure a face model; training photos are used for the memorisation check.

    Args:
        bench: loaded inputs of the run.
        folder: directory of the result file and its images.
        progress: progress callback.
        keep: stores partial results.
    """
    model, faces, chosen = bench.model, bench.faces, bench.preset
    rng = streams(chosen.seed)["figures"]
    source, people = bench.held_out(faces.split == chosen.split, rng)
    codes, seconds = _inverted(model, source)
    inverted = _synthesize(model, codes)

    spread = codes.std(0)
    private = list(PRIVATE_CODES)
    swapped, noised, noised_all = codes.clone(), codes.clone(), codes.clone()
    swapped[:, private] = codes.roll(1, 0)[:, private]
    noised[:, private] += torch.randn(noised[:, private].shape, generator=rng) * spread[private]
    noised_all += torch.randn(codes.shape, generator=rng) * spread
    sampled = _synthesize(model, model.random_faces(chosen.samples, rng=rng))
    drawn = _synthesize(model, model.public_latents(RANDOM_FACES, rng=rng))
    wrong_key = _synthesize(
        model, _as_without_key(model, codes[torch.randint(len(codes), (RANDOM_FACES,), generator=rng)])
    )

    figures: dict[str, Any] = {
        "photos": len(source),
        "split": chosen.split,
        "held_out": people,
        "threads": torch.get_num_threads(),
        "encoder_only": bench.quality(source, _synthesize(model, model.start_codes(source))),
        "inversion": {**model.describe_inversion(), "seconds": seconds, **bench.quality(source, inverted)},
        "verifiers": list(bench.config["verifiers"].values()),
    }
    shown = {
        "source": source,
        "inversion": inverted,
        "mapping_samples": sampled[:RANDOM_FACES],
        "prior_samples": drawn,
        "without_key": wrong_key,
        "private_codes_swapped": _synthesize(model, swapped),
        "private_codes_noised_by_their_spread": _synthesize(model, noised),
        "all_codes_noised_by_their_spread": _synthesize(model, noised_all),
    }
    strangers = {"prior_samples": drawn, "without_key": wrong_key}
    figures["face_detected"] = {
        name: float(face_detected(images).float().mean()) for name, images in shown.items()
    }
    figures["similarity_among"] = {
        name: {kind: _similarity_among(images, judge) for kind, images in strangers.items()}
        for name, judge in bench.verifiers.items()
    }
    figures["memorisation"] = _memorisation(to_tensor(faces.select(~faces.held_out).pixels), sampled, source)
    return figures


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


def _inverted(model: FaceModel, source: Tensor) -> tuple[Tensor, float]:
    """Clipped codes, and seconds per photo for encoder and optimisation together."""
    began = time.perf_counter()
    found = model.invert(source)
    return model.box.clip(found.codes), (time.perf_counter() - began) / len(source)


def _memorisation(training: Tensor, sampled: Tensor, held_out: Tensor) -> dict[str, float]:
    """Root-mean-square distance to the nearest training photo.

    Memorised samples would be much nearer than held-out photos.
    """
    nearest = {
        name: torch.cdist(images.flatten(1), training.flatten(1)).min(1).values / images[0].numel() ** 0.5
        for name, images in (("samples", sampled), ("held_out_photos", held_out))
    }
    return {
        "samples": len(sampled),
        **{
            f"{name}_{label}": float(v.quantile(q))
            for name, v in nearest.items()
            for label, q in (("least", 0.0), ("median", 0.5))
        },
    }


FACE_MODEL = card(lambda name: load_model(name or DEFAULT_MODEL), face_model_card)(
    "models/face-model", measure=whole(run)
)
