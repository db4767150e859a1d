# SPDX-License-Identifier: Apache-2.0
"""An identity model on people it was not trained on, before any mechanism: the figures of its card, `identity-model.json`."""

import time
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.encoders.attributes import coarsened
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.models.cards import CardBench, card
from semveil.methods.identity_model import DEFAULT_IDENTITY_MODEL, load_identity_model
from semveil.metrics import face_detected, psr

COARSE_SIDES = (16, 8)


def run(bench: CardBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Figures of a model, JSON-ready: photos joined with their own identity, another photo's, and a random one."""
    model, rng, judges = bench.model, streams(bench.preset.seed)["figures"], list(bench.verifiers.values())
    source, people = bench.held_out(bench.faces.held_out, rng)
    began = time.perf_counter()
    own, attributes = model.identify(source), model.attributes(source)
    rebuilt = model.fuse(own, attributes)
    seconds = (time.perf_counter() - began) / len(source)
    drawn = F.normalize(torch.randn(own.shape, generator=rng), dim=1)
    other = own.roll(len(own) // 2, 0)  # neighbours often show one person

    shown = {
        "own_identity": (own, rebuilt),
        "identity_of_another_photo": (other, model.fuse(other, attributes)),
        "random_identity": (drawn, model.fuse(drawn, attributes)),
    }
    for side in COARSE_SIDES:
        coarse = model.attributes(coarsened(source, side))
        shown[f"own_identity_attributes_of_{side}_px"] = (own, model.fuse(own, coarse))
        shown[f"random_identity_attributes_of_{side}_px"] = (drawn, model.fuse(drawn, coarse))
    found = face_detected(source).float().mean().item()
    return {
        "model": {"name": model.name, "digest": model.digest},
        "verifiers": list(bench.config["verifiers"].values()),
        "photos": len(source),
        "held_out": people,
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "face_detected_in_source": found,
        **{
            name: bench.quality(source, images)
            | {
                "psr": psr(source, images, judges).mean().item(),
                "face_detected_relative_to_source": face_detected(images).float().mean().item() / found if found else None,
                "cosine_to_wanted_identity": (model.identify(images) * wanted).sum(1).mean().item(),
                "cosine_to_own_identity": (model.identify(images) * own).sum(1).mean().item(),
            }
            for name, (wanted, images) in shown.items()
        },
    }


IDENTITY_MODEL = card(
    lambda name: load_identity_model(name or DEFAULT_IDENTITY_MODEL),
    lambda model: {"name": model.name, "digest": model.digest, "dimension": model.dim},
)("models/identity-model", measure=whole(run))
