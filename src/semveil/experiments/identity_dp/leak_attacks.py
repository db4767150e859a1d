# SPDX-License-Identifier: Apache-2.0
"""Identification attacks on protected photos, from a plain recogniser to trained classifiers.

All use a *signal* of a photo, (B, p): recogniser features, pixels or attributes. All return scores of probes
against people, evaluated by `attacks.reidentification`.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.attacks.networks import NetworkSettings, train_regressor
from semveil.attacks.reidentification import Reidentification, reidentify
from semveil.attacks.ridge import Ridge
from semveil.experiments.identity_dp.bench import in_chunks
from semveil.models.identity import IdentityModel
from semveil.recognition.verifier import Verifier

Signal = Callable[[Tensor], Tensor]
NETWORK = NetworkSettings(hidden=(256,), steps=300)
EVERYTHING = "everything"
DIRECTIONS = 96  # principal directions kept per signal when all signals are concatenated
FALSE_ACCEPT = 0.01
RANKS = (1, 5, 10)
FUSIONS = 8  # random identities per picture
PIXELS, CELLS = 16, 4  # side of the thumbnail; largest side of pooled attribute maps


def signals(model: IdentityModel, verifiers: Mapping[str, Verifier]) -> dict[str, Signal]:
    """Attack signals by name: features of every recogniser, thumbnail pixels and attributes.

    Args:
        model: extracts the attributes.
        verifiers: recognisers by name.
    """

    def attributes(images: Tensor) -> Tensor:
        small = [F.adaptive_avg_pool2d(x, min(CELLS, x.shape[-1])) for x in model.attributes(images)]
        return torch.cat([level.flatten(1) for level in small], 1)

    found: dict[str, Signal] = {name: verifier.embed for name, verifier in verifiers.items()}
    return {**found, "pixels": small_picture, "attributes": attributes}


def small_picture(images: Tensor) -> Tensor:
    """Thumbnail pixels (N, p) at `PIXELS` a side.

    Args:
        images: (N, 3, S, S).
    """
    return F.interpolate(images, (PIXELS, PIXELS), mode="bilinear", antialias=True).flatten(1)


def read(signal: Signal, images: Tensor) -> Tensor:
    """Evaluate a signal on many photos, in batches.

    Args:
        signal: maps a batch (B, 3, S, S) to (B, p).
        images: (N, 3, S, S).

    Returns:
        (N, p).
    """
    with torch.no_grad():
        return in_chunks(signal, images).float()


def together(training: Mapping[str, Tensor], *asked: Mapping[str, Tensor]) -> list[Tensor]:
    """Concatenate the principal components of all signals.

    Each signal is projected on its principal directions over the training photos and scaled to unit mean
    square norm.

    Args:
        training: signals (N, p_i) of the attacker's training photos, by name.
        *asked: the same signals of other photos.

    Returns:
        (N, q) for the training photos, then one tensor for each of `asked`.
    """
    parts: list[list[Tensor]] = [[] for _ in range(1 + len(asked))]
    for name, signal in training.items():
        mean = signal.mean(0)
        directions = torch.linalg.svd(signal - mean, full_matrices=False).Vh[:DIRECTIONS].T
        size = (signal - mean).square().sum(1).mean().sqrt()
        for place, of in zip(parts, (training, *asked), strict=True):
            place.append((of[name] - mean) @ directions / size)
    return [torch.cat(place, 1) for place in parts]


def nearest(probes: Tensor, gallery: Tensor, names: Sequence[str], people: Sequence[str]) -> Reidentification:
    """Match probes to gallery photos by cosine similarity about the gallery mean.

    Args:
        probes: (P, p) signals of protected photos, or estimates of their original signals.
        gallery: (G, p) signals of unprotected photos.
        names: people in the probes.
        people: people in the gallery.
    """
    return judged(likeness(probes, gallery), names, people)


def likeness(probes: Tensor, gallery: Tensor) -> Tensor:
    """Cosine similarities (P, G) about the gallery mean.

    Args:
        probes: (P, p).
        gallery: (G, p).
    """
    centre = gallery.mean(0)
    return F.normalize(probes - centre, dim=1) @ F.normalize(gallery - centre, dim=1).T


def fused_anew(
    model: IdentityModel, pictures: Tensor, signal: Signal, *, rng: torch.Generator, draws: int = FUSIONS
) -> Tensor:
    """Mean signal (N, p) of the pictures' attributes re-fused with random identities.

    This removes the noise of the protected identity without training, labels or a second release; only the
    information in the attributes remains.

    Args:
        model: the public networks.
        pictures: (N, 3, S, S), protected or not.
        signal: for example recogniser features.
        rng: draws the identities.
        draws: identities per picture.
    """

    def mean_of(part: Tensor) -> Tensor:
        attributes, found = model.attributes(part), []
        for _ in range(draws):
            identities = F.normalize(torch.randn(len(part), model.dim, generator=rng), dim=1)
            found.append(signal(model.fuse(identities, attributes).clamp(-1, 1)).float())
        return torch.stack(found).mean(0)

    with torch.no_grad():
        return in_chunks(mean_of, pictures)


def added_up(*scores: Tensor) -> Tensor:
    """Sum of standardised score tables (P, G).

    Args:
        *scores: tables for the same probes and gallery; higher means more similar.
    """
    return torch.stack([(table - table.mean()) / table.std().clamp_min(1e-12) for table in scores]).sum(0)


def undone(seen: Tensor, known: Tensor, probes: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
    """Estimate original signals (P, q) by a regression learnt from photos that the attacker protected.

    Args:
        seen: (N, p) signals of protected photos.
        known: (N, q) signals of the same photos, unprotected.
        probes: (P, p) signals of protected photos.
        rng: for a network with a hidden layer; None fits a linear map (ridge regression).
    """
    if rng is None:
        return Ridge.fit(seen, known)(probes)
    centre = known.mean(0)
    return centre + train_regressor(seen, known - centre, NETWORK, rng=rng)(probes)


def recognised(
    train: Tensor,
    labels: Sequence[str],
    test: Tensor,
    truth: Sequence[str],
    *,
    rng: torch.Generator | None = None,
) -> Reidentification:
    """Train a closed-set classifier on labelled protected photos and test it on others of the same people.

    Args:
        train: (N, p) signals of protected photos.
        labels: their people.
        test: (P, p) signals of protected photos.
        truth: their people, all of whom are in `labels`.
        rng: as for `undone`.
    """
    people = sorted(set(labels))
    marks = torch.zeros(len(labels), len(people))
    marks[torch.arange(len(labels)), torch.tensor([people.index(name) for name in labels])] = 1.0
    return judged(undone(train, marks, test, rng=rng), truth, people)


def judged(scores: Tensor, names: Sequence[str], people: Sequence[str]) -> Reidentification:
    """Evaluate identification scores; report a false acceptance rate if there are enough impostor pairs.

    Args:
        scores: (P, G); higher means more similar.
        names: people in the probes.
        people: people in the gallery, possibly repeated; they include all of `names`.
    """
    strangers = len(names) * (len(set(people)) - 1)
    allowed = (FALSE_ACCEPT,) if strangers * FALSE_ACCEPT >= 1 else ()
    return reidentify(scores.double().numpy(), names, people, ranks=RANKS, false_accepts=allowed)
