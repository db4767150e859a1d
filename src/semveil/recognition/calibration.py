# SPDX-License-Identifier: Apache-2.0
"""Calibration of a verifier's threshold to a false acceptance rate, with confidence intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semveil.recognition.verifier import Verifier

Interval = tuple[float, float]
FEWEST_FALSE = 10  # minimum number of false acceptances that determine a threshold


@dataclass(frozen=True)
class MeasuredThreshold:
    """Measured threshold with 95 % intervals from a bootstrap over people.

    People are resampled since pairs of the same person are dependent.

    Attributes:
        verifier: name of the verifier.
        resolution: side of the aligned images in pixels.
        far: the requested false acceptance rate.
        threshold: lowest similarity threshold with a false acceptance rate of at most `far`.
        threshold_interval: interval of the threshold.
        far_interval: interval of the false acceptance rate at `threshold`.
        tar: true acceptance rate, the share of genuine pairs accepted at `threshold`.
        tar_interval: interval of the true acceptance rate, including the threshold's uncertainty.
        accuracy: mean of true acceptance and true rejection rate at the best threshold, as for balanced
            pairs.
        genuine_pairs: number of pairs of images of the same person.
        impostor_pairs: number of pairs of images of different people.
        people: number of people.
        images: number of images.
    """

    verifier: str
    resolution: int
    far: float
    threshold: float
    threshold_interval: Interval
    far_interval: Interval
    tar: float
    tar_interval: Interval
    accuracy: float
    genuine_pairs: int
    impostor_pairs: int
    people: int
    images: int


def calibrate(
    verifier: Verifier,
    embeddings: Tensor,
    people: Sequence[str] | NDArray[np.str_],
    *,
    resolution: int,
    far: float = 1e-3,
    resamples: int = 200,
    rng: torch.Generator | None = None,
) -> MeasuredThreshold:
    """Determine the threshold at a false acceptance rate, from all pairs among a set of images.

    Args:
        verifier: computes the similarities; its own threshold is not used.
        embeddings: (N, E) of images of known people, some with several images.
        people: person shown in each image.
        resolution: side of the embedded images in pixels; recorded in the result.
        far: false acceptance rate in (0, 1).
        resamples: number of bootstrap draws for the intervals.
        rng: source of the bootstrap draws.

    Raises:
        ValueError: `far` is out of range, the lengths differ, or there are too few pairs.
    """
    if not 0 < far < 1:
        raise ValueError(f"a false acceptance rate lies in (0, 1), got {far}")
    names, person = np.unique(np.asarray(people), return_inverse=True)
    if len(person) != len(embeddings):
        raise ValueError(f"{len(embeddings)} embeddings, but {len(person)} people")
    scores = verifier.similarities(embeddings, embeddings).double().numpy()
    first, second = np.triu_indices(len(person), 1)
    genuine = person[first] == person[second]
    genuine_scores, genuine_person = scores[first[genuine], second[genuine]], person[first[genuine]]
    first, second = first[~genuine], second[~genuine]
    scores = scores[first, second]
    if len(genuine_scores) == 0:
        raise ValueError("no person has two images")
    if len(scores) * far < FEWEST_FALSE:
        raise ValueError(
            f"{len(scores)} pairs of different people cannot tell a rate of {far}; at least "
            f"{FEWEST_FALSE / far:.0f} needed"
        )

    # Resampling moves the threshold only within the upper tail; 20 times the rate is ample.
    tail = np.argsort(-scores)[: int(20 * far * len(scores)) + 2]
    pairs = np.stack([person[first[tail]], person[second[tail]]])
    sizes = np.bincount(person)
    ones = np.ones(len(names))
    threshold = _threshold(scores[tail], pairs, ones, sizes, far)
    draws = torch.multinomial(torch.ones(len(names)), resamples * len(names), replacement=True, generator=rng)
    thresholds, fars, tars = [], [], []
    for draw in draws.view(resamples, -1).numpy():
        weight = np.bincount(draw, minlength=len(names)).astype(float)
        thresholds.append(_threshold(scores[tail], pairs, weight, sizes, far))
        accepted = scores[tail] >= threshold
        fars.append(weight[pairs[:, accepted]].prod(0).sum() / _impostor_weight(weight, sizes))
        tars.append(np.average(genuine_scores >= thresholds[-1], weights=weight[genuine_person] + 1e-12))
    return MeasuredThreshold(
        verifier=verifier.name,
        resolution=resolution,
        far=far,
        threshold=threshold,
        threshold_interval=_interval(thresholds),
        far_interval=_interval(fars),
        tar=float((genuine_scores >= threshold).mean()),
        tar_interval=_interval(tars),
        accuracy=_best_accuracy(genuine_scores, scores),
        genuine_pairs=len(genuine_scores),
        impostor_pairs=len(scores),
        people=len(names),
        images=len(person),
    )


def pair_accuracy(
    scores: NDArray[Any], same: NDArray[np.bool_], folds: NDArray[np.intp]
) -> tuple[float, float]:
    """Accuracy on a list of pairs by LFW's protocol.

    Each fold is evaluated at the best threshold of all other folds.

    Args:
        scores: (P,) similarity of each pair.
        same: (P,) True for pairs of the same person.
        folds: (P,) fold index of each pair; at least two folds.

    Returns:
        Mean over folds and its standard error.
    """
    accuracies = []
    for fold in np.unique(folds):
        test = folds == fold
        order = np.argsort(scores[~test])
        truth = same[~test][order]
        # Number of correct decisions if the i lowest scores are rejected and the rest accepted.
        right = (
            np.concatenate([[0], np.cumsum(~truth)]) + truth.sum() - np.concatenate([[0], np.cumsum(truth)])
        )
        cut = int(right.argmax())
        threshold = scores[~test][order][cut] if cut < len(order) else np.inf
        accuracies.append(((scores[test] >= threshold) == same[test]).mean())
    return float(np.mean(accuracies)), float(np.std(accuracies, ddof=1) / len(accuracies) ** 0.5)


def true_acceptance(
    scores: NDArray[Any], same: NDArray[np.bool_], folds: NDArray[np.intp], *, far: float = 1e-3
) -> tuple[float, float]:
    """True acceptance rate on a list of pairs at a given false acceptance rate ([IDP] Table III).

    Each fold is evaluated at the lowest threshold that accepts at most `far` of the other folds' impostor
    pairs. If the second photo of each pair is protected, this is the share of people who are still
    recognised.

    Args:
        scores: (P,) similarity of each pair.
        same: (P,) True for pairs of the same person.
        folds: (P,) fold index of each pair; at least two folds, each with genuine pairs.
        far: false acceptance rate in (0, 1).

    Returns:
        Mean over folds and standard deviation between folds, as printed in the paper.

    Raises:
        ValueError: `far` is out of range, there are too few impostor pairs for it, or a fold has no genuine
            pairs.

    Example:
        >>> scores, same = np.array([0.9, 0.1, 0.4, 0.2, 0.8, 0.3]), np.array([True, False] * 3)
        >>> true_acceptance(scores, same, np.array([0, 0, 1, 1, 2, 2]), far=0.5)  # at most 1 of 2 impostors
        (1.0, 0.0)
    """
    if not 0 < far < 1:
        raise ValueError(f"a false acceptance rate lies in (0, 1), got {far}")
    rates = []
    for fold in np.unique(folds):
        test = folds == fold
        impostors = np.sort(scores[~test & ~same])[::-1]
        allowed = int(far * len(impostors) * (1 + 1e-12))  # tolerates rounding below an integer
        if not allowed or not (test & same).any():
            raise ValueError(
                f"{len(impostors)} pairs of different people outside fold {fold} and {(test & same).sum()} "
                f"pairs of one person in it cannot show a true acceptance rate at a false one of {far}"
            )
        threshold = np.nextafter(impostors[allowed], np.inf)
        rates.append((scores[test & same] >= threshold).mean())
    return float(np.mean(rates)), float(np.std(rates))


def _threshold(
    tail: NDArray[Any], pairs: NDArray[Any], weight: NDArray[Any], sizes: NDArray[Any], far: float
) -> float:
    """Lowest threshold that accepts at most `far` of the pairs' weight; `tail` is sorted descending."""
    accepted = np.cumsum(weight[pairs].prod(0))
    allowed = far * _impostor_weight(weight, sizes) * (1 + 1e-12)  # tolerates rounding below an integer
    first_too_many = min(int(np.searchsorted(accepted, allowed, side="right")), len(tail) - 1)
    return float(np.nextafter(tail[first_too_many], np.inf))


def _impostor_weight(weight: NDArray[Any], sizes: NDArray[Any]) -> float:
    """Total weight of all pairs of images of different people, each image weighted as its person."""
    mass = weight * sizes
    return float((mass.sum() ** 2 - (mass**2).sum()) / 2)


def _best_accuracy(genuine: NDArray[Any], impostor: NDArray[Any]) -> float:
    candidates = np.sort(genuine)
    tar = 1 - np.arange(len(candidates)) / len(candidates)
    true_rejection = np.searchsorted(np.sort(impostor), candidates, side="left") / len(impostor)
    return float(((tar + true_rejection) / 2).max())


def _interval(values: Sequence[float]) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
