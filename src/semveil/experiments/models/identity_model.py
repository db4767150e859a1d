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


def _run(bench: CardBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure photos fused with their own identity, another photo's, and a random one."""
    model, rng, judges = bench.model, streams(bench.preset.seed)["figures"], bench.verifiers
    source, people = bench.held_out(bench.faces.split == bench.preset.split, rng)
    half = len(source) // 2  # adjacent photos often show the same person
    began = time.perf_counter()
    own, attributes = model.identify(source), model.attributes(source)
    rebuilt = model.fuse(own, attributes)
    seconds = (time.perf_counter() - began) / len(source)
    drawn = F.normalize(torch.randn(own.shape, generator=rng), dim=1)
    other = own.roll(half, 0)
    of_other, random = model.fuse(other, attributes), model.fuse(drawn, attributes)
    shown = {
        "own_identity": (own, rebuilt),
        "identity_of_another_photo": (other, of_other),
        "random_identity": (drawn, random),
    }
    for side in COARSE_SIDES:
        coarse = model.attributes(coarsened(source, side))
        shown[f"own_identity_attributes_of_{side}_px"] = (own, model.fuse(own, coarse))
        shown[f"random_identity_attributes_of_{side}_px"] = (drawn, model.fuse(drawn, coarse))
    again = model.fuse(F.normalize(torch.randn(own.shape, generator=rng), dim=1), attributes)
    elsewhere = model.fuse(drawn.roll(half, 0), attributes).roll(-half, 0)  # the same draws, other photos
    found = _detected(source)

    def measured(wanted: Tensor, images: Tensor) -> dict[str, Any]:
        identity = model.identify(images)
        return bench.quality(source, images) | {
            "psr": psr(source, images, [*judges.values()]).mean().item(),
            "face_detected_relative_to_source": _detected(images) / found if found else None,
            "cosine_to_wanted_identity": (identity * wanted).sum(1).mean().item(),
            "cosine_to_own_identity": (identity * own).sum(1).mean().item(),
        }

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
                - fppsr(source.roll(half, 0), of_other, judge).mean().item(),
                "one_draw_on_two_photos": _likeness(judge, random, elsewhere),
                "two_draws_on_one_photo": _likeness(judge, random, again),
            }
            for name, judge in judges.items()
        },
        **{name: measured(*pair) for name, pair in shown.items()},
    }


def _detected(images: Tensor) -> float:
    return face_detected(images).float().mean().item()


def _likeness(judge: Verifier, first: Tensor, second: Tensor) -> float:
    """Mean similarity of paired pictures."""
    return judge.similarity(judge.embed(first), judge.embed(second)).nanmean().item()


IDENTITY_MODEL = card(
    lambda name: load_identity_model(name or DEFAULT_IDENTITY_MODEL),
    lambda model: {"name": model.name, "digest": model.digest, "dimension": model.dim},
)("models/identity-model", measure=whole(_run))
