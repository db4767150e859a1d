"""Who is on a protected photo? Attackers from one with a recogniser to one who trains on protected photos.

All see a *signal* of a photo, (B, p) numbers: what a recogniser says of it, its pixels, its attributes. All answers are scores
of probes against people, judged alike by `attacks.reidentification`.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.attacks.networks import NetworkSettings, train_regressor
from semveil.attacks.reidentification import Reidentification, reidentify
from semveil.attacks.ridge import Ridge
from semveil.methods.identity_model import IdentityModel
from semveil.recognition.verifier import Verifier

Signal = Callable[[Tensor], Tensor]
CHUNK = 64  # photos at a time
NETWORK = NetworkSettings(hidden=(256,), steps=300)
EVERYTHING = "everything"
DIRECTIONS = 96  # principal directions that are kept of each signal where all are taken together
FALSE_ACCEPT = 0.01
PIXELS, CELLS = 16, 4  # side of the small picture; of the attribute maps, where they are larger


def signals(model: IdentityModel, verifiers: Mapping[str, Verifier]) -> dict[str, Signal]:
    """What an attacker reads of a photo, by name: every recogniser's vector, a small picture, the attributes."""

    def pixels(images: Tensor) -> Tensor:
        return F.interpolate(images, (PIXELS, PIXELS), mode="bilinear", antialias=True).flatten(1)

    def attributes(images: Tensor) -> Tensor:
        return torch.cat([small.flatten(1) for small in map(_small, model.attributes(images))], 1)

    found: dict[str, Signal] = {name: verifier.embed for name, verifier in verifiers.items()}
    return {**found, "pixels": pixels, "attributes": attributes}


def _small(level: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(level, min(CELLS, level.shape[-1]))


def read(signal: Signal, images: Tensor) -> Tensor:
    """A signal of many photos, (N, p)."""
    with torch.no_grad():
        return torch.cat([signal(part) for part in images.split(CHUNK)]).float()


def together(training: Mapping[str, Tensor], *asked: Mapping[str, Tensor]) -> list[Tensor]:
    """All signals as one: of each its principal directions over the training photos, of unit mean square in all.

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
    centre = gallery.mean(0)
    return _judged(F.normalize(probes - centre, dim=1) @ F.normalize(gallery - centre, dim=1).T, names, people)


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
    train: Tensor, labels: Sequence[str], test: Tensor, truth: Sequence[str], *, rng: torch.Generator | None = None
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
    return _judged(undone(train, marks, test, rng=rng), truth, people)


def _judged(scores: Tensor, names: Sequence[str], people: Sequence[str]) -> Reidentification:
    strangers = len(names) * (len(set(people)) - 1)
    allowed = (FALSE_ACCEPT,) if strangers * FALSE_ACCEPT >= 1 else ()
    return reidentify(scores.double().numpy(), names, people, ranks=(1, 5), false_accepts=allowed)
