# SPDX-License-Identifier: Apache-2.0
"""Measurements of an identity model's card, on held-out people without noise, `identity-model.json`."""

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.encoders.attributes import coarsened
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.models.cards import CardBench, card
from semveil.metrics import face_detected, fppsr, psr
from semveil.models.identity import DEFAULT_IDENTITY_MODEL, load_identity_model
from semveil.recognition.verifier import Verifier

COARSE_SIDES = (16, 8)


def run(bench: CardBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure photos fused with their own identity, another photo's, and a random one.

    Args:
        bench: loaded inputs of the run.
        folder: directory of the result file and its images.
        progress: progress callback.
        keep: stores partial results.
    """
    model, rng, judges = bench.model, streams(bench.preset.seed)["figures"], list(bench.verifiers.values())
    source, people = bench.held_out(bench.faces.split == bench.preset.split, rng)
    began = time.perf_counter()
    own, attributes = model.identify(source), model.attributes(source)
    rebuilt = model.fuse(own, attributes)
    seconds = (time.perf_counter() - began) / len(source)
    drawn = F.normalize(torch.randn(own.shape, generator=rng), dim=1)
    other = own.roll(len(own) // 2, 0)  # adjacent photos often show the same person

    shown = {
        "own_identity": (own, rebuilt),
        "identity_of_another_photo": (other, model.fuse(other, attributes)),
        "random_identity": (drawn, model.fuse(drawn, attributes)),
    }
    for side in COARSE_SIDES:
        coarse = model.attributes(coarsened(source, side))
        shown[f"own_identity_attributes_of_{side}_px"] = (own, model.fuse(own, coarse))
        shown[f"random_identity_attributes_of_{side}_px"] = (drawn, model.fuse(drawn, coarse))
    again = model.fuse(F.normalize(torch.randn(own.shape, generator=rng), dim=1), attributes)
    elsewhere = model.fuse(drawn.roll(len(own) // 2, 0), attributes).roll(
        -(len(own) // 2), 0
    )  # the same draws, other photos
    found = face_detected(source).float().mean().item()
    return {
        "model": {"name": model.name, "digest": model.digest},
        "verifiers": list(bench.config["verifiers"].values()),
        "photos": len(source),
        "held_out": people,
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "face_detected_in_source": found,
        "follows_the_identity": {
            name: {
                "accepted_as_the_other_person": 1
                - fppsr(source.roll(len(own) // 2, 0), shown["identity_of_another_photo"][1], judge)
                .mean()
                .item(),
                "one_draw_on_two_photos": _likeness(judge, shown["random_identity"][1], elsewhere),
                "two_draws_on_one_photo": _likeness(judge, shown["random_identity"][1], again),
            }
            for name, judge in bench.verifiers.items()
        },
        **{
            name: bench.quality(source, images)
            | {
                "psr": psr(source, images, judges).mean().item(),
                "face_detected_relative_to_source": face_detected(images).float().mean().item() / found
                if found
                else None,
                "cosine_to_wanted_identity": (model.identify(images) * wanted).sum(1).mean().item(),
                "cosine_to_own_identity": (model.identify(images) * own).sum(1).mean().item(),
            }
            for name, (wanted, images) in shown.items()
        },
    }


def _likeness(judge: Verifier, first: Tensor, second: Tensor) -> float:
    """Mean similarity of paired pictures."""
    return judge.similarity(judge.embed(first), judge.embed(second)).nanmean().item()


IDENTITY_MODEL = card(
    lambda name: load_identity_model(name or DEFAULT_IDENTITY_MODEL),
    lambda model: {"name": model.name, "digest": model.digest, "dimension": model.dim},
)("models/identity-model", measure=whole(run))
