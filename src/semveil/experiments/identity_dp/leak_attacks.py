# SPDX-License-Identifier: Apache-2.0
"""Identification attacks on protected photos, from a plain recogniser to classifiers trained on protected photos.

All use a *signal* of a photo, (B, p) numbers: recogniser features, pixels or attributes. All return scores of
probes against people, evaluated by `attacks.reidentification`.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.attacks.networks import NetworkSettings, train_regressor
from semveil.attacks.reidentification import Reidentification, reidentify
from semveil.attacks.ridge import Ridge
from semveil.models.identity import IdentityModel
from semveil.recognition.verifier import Verifier

Signal = Callable[[Tensor], Tensor]
CHUNK = 64  # photos at a time
NETWORK = NetworkSettings(hidden=(256,), steps=300)
EVERYTHING = "everything"
DIRECTIONS = 96  # principal directions that are kept of each signal where all are taken together
FALSE_ACCEPT = 0.01
RANKS = (1, 5, 10)
FUSIONS = 8  # random identities for each picture
PIXELS, CELLS = 16, 4  # side of the small picture; of the attribute maps, where they are larger


def signals(model: IdentityModel, verifiers: Mapping[str, Verifier]) -> dict[str, Signal]:
    """What an attacker reads of a photo, by name: every recogniser's vector, a small picture, the attributes.

    Args:
        model: gives the attributes.
        verifiers: recognisers by name.
    """

    def attributes(images: Tensor) -> Tensor:
        return torch.cat([small.flatten(1) for small in map(_small, model.attributes(images))], 1)

    found: dict[str, Signal] = {name: verifier.embed for name, verifier in verifiers.items()}
    return {**found, "pixels": small_picture, "attributes": attributes}


def small_picture(images: Tensor) -> Tensor:
    """(N, p) pixels of images at `PIXELS` a side.

    Args:
        images: (N, 3, S, S).
    """
    return F.interpolate(images, (PIXELS, PIXELS), mode="bilinear", antialias=True).flatten(1)


def _small(level: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(level, min(CELLS, level.shape[-1]))


def read(signal: Signal, images: Tensor) -> Tensor:
    """A signal of many photos, (N, p).

    Args:
        signal: maps a batch (B, 3, S, S) to (B, p).
        images: (N, 3, S, S).
    """
    with torch.no_grad():
        return torch.cat([signal(part) for part in images.split(CHUNK)]).float()


def together(training: Mapping[str, Tensor], *asked: Mapping[str, Tensor]) -> list[Tensor]:
    """All signals as one: of each its principal directions over the training photos, of unit mean square in all.

    Args:
        training: signals (N, p_i) by name, of the photos that the attacker learns from.
        *asked: the same signals, each of other photos.

    Returns:
        (N, q) for the training photos and then for each of `asked`.
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
    """Cosine, about the gallery's mean, with every photo of the gallery.

    Args:
        probes: (P, p) signals of the protected photos, or what was estimated of the unprotected ones.
        gallery: (G, p) signals of unprotected photos.
        names: of whom the probes show.
        people: of whom the gallery shows.
    """
    return judged(likeness(probes, gallery), names, people)


def likeness(probes: Tensor, gallery: Tensor) -> Tensor:
    """Cosines (P, G) of signals, about the gallery's mean.

    Args:
        probes: (P, p).
        gallery: (G, p).
    """
    centre = gallery.mean(0)
    return F.normalize(probes - centre, dim=1) @ F.normalize(gallery - centre, dim=1).T


def fused_anew(
    model: IdentityModel, pictures: Tensor, signal: Signal, *, rng: torch.Generator, draws: int = FUSIONS
) -> Tensor:
    """Mean signal (N, p) of what the public networks make of pictures' attributes with random identities.

    It takes the noise of a protected picture's identity away, without training, names or a second release:
    what is left is what the attributes tell.

    Args:
        model: the public networks.
        pictures: (N, 3, S, S), released or not.
        signal: such as a recogniser's vector.
        rng: of the identities.
        draws: identities for each picture.
    """
    parts = []
    with torch.no_grad():
        for part in pictures.split(CHUNK):
            attributes, found = model.attributes(part), []
            for _ in range(draws):
                identities = F.normalize(torch.randn(len(part), model.dim, generator=rng), dim=1)
                found.append(signal(model.fuse(identities, attributes).clamp(-1, 1)).float())
            parts.append(torch.stack(found).mean(0))
    return torch.cat(parts)


def added_up(*scores: Tensor) -> Tensor:
    """Sum of score tables (P, G), each about its mean and over its standard deviation.

    Args:
        *scores: of the same probes and gallery, higher where more alike.
    """
    return torch.stack([(table - table.mean()) / table.std().clamp_min(1e-12) for table in scores]).sum(0)


def undone(seen: Tensor, known: Tensor, probes: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
    """Estimates (P, q) of an unprotected photo's signal from a protected one's, learnt on photos that the attacker protected.

    Args:
        seen: (N, p) signals of protected photos.
        known: (N, q) signals of the same photos unprotected.
        probes: (P, p) signals of protected photos.
        rng: of a network with a hidden layer; without it the map is linear (ridge).
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
    """A recogniser trained on protected photos with names, on other protected photos of those people (closed set).

    Args:
        train: (N, p) signals of protected photos.
        labels: their people.
        test: (P, p) signals of protected photos.
        truth: their people, each of whom is in `labels`.
        rng: as for `undone`.
    """
    people = sorted(set(labels))
    marks = torch.zeros(len(labels), len(people))
    marks[torch.arange(len(labels)), torch.tensor([people.index(name) for name in labels])] = 1.0
    return judged(undone(train, marks, test, rng=rng), truth, people)


def judged(scores: Tensor, names: Sequence[str], people: Sequence[str]) -> Reidentification:
    """How often the person is found, and at one false acceptance rate where the pairs are enough to say it.

    Args:
        scores: (P, G), higher where more alike.
        names: of whom the probes show.
        people: of whom the gallery shows; a person may have several photos, each of `names` at least one.
    """
    strangers = len(names) * (len(set(people)) - 1)
    allowed = (FALSE_ACCEPT,) if strangers * FALSE_ACCEPT >= 1 else ()
    return reidentify(scores.double().numpy(), names, people, ranks=RANKS, false_accepts=allowed)
