# SPDX-License-Identifier: Apache-2.0
"""Pictures and folders of pictures through noise-image's classifiers."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semveil.bulk.pictures import middle_square
from semveil.bulk.sources import Source, find_sources
from semveil.core.errors import SemveilError
from semveil.data.photos import load_photo
from semveil.faces.pixels import to_tensor
from semveil.methods.noise_image import NETWORKS, classify
from semveil.models.noise_image import NoiseImageModel


@dataclass(frozen=True)
class Answer:
    """Attributes: path of a picture; name of its class; probability that the network gives the class."""

    path: Path
    name: str
    probability: float


@dataclass(frozen=True)
class Answers:
    """What a classifier says of pictures.

    Attributes:
        pictures: one answer each.
        refused: what could not be read.
        accuracy: share of right classes; None unless all pictures lie in folders named after classes.
    """

    pictures: tuple[Answer, ...]
    refused: tuple[SemveilError, ...]
    accuracy: float | None


def classify_pictures(
    paths: Sequence[str | os.PathLike[str]], trained: NoiseImageModel, *, network: str
) -> Answers:
    """The class of each picture.

    Args:
        paths: pictures and folders of them.
        trained: the networks.
        network: `service`, for converted pictures of the networks' size; or `explainer`, for pictures as they
            are, whose middle square it sees.

    Raises:
        ValueError: no such network, or a picture is not converted.
        SemveilError: no picture can be read.
    """
    if network not in NETWORKS:
        raise ValueError(f"no network {network!r}; allowed: {', '.join(NETWORKS)}")
    found: list[Source] = []
    pixels: list[NDArray[np.uint8]] = []
    refused: list[SemveilError] = []
    for source in find_sources(paths).photos:
        try:
            pixels.append(_pixels(source, trained, network))
            found.append(source)
        except SemveilError as error:
            refused.append(error)
    if not found:
        raise refused[0]
    answer = classify(trained, to_tensor(pixels), network=network)
    answers = tuple(
        Answer(source.path, name, probability)
        for source, name, probability in zip(found, answer.names, answer.probabilities.tolist(), strict=True)
    )
    truth = [source.path.resolve().parent.name for source in found]
    labelled = all(name in trained.classes for name in truth)
    right = sum(name == one.name for name, one in zip(truth, answers, strict=True))
    return Answers(answers, tuple(refused), right / len(answers) if labelled else None)


def _pixels(source: Source, trained: NoiseImageModel, network: str) -> NDArray[np.uint8]:
    """A converted picture as it is; another one's middle square at the networks' size."""
    pixels = load_photo(source.path).pixels
    if network == "explainer":
        return middle_square(pixels, trained.size)
    if pixels.shape[:2] != (trained.size, trained.size):
        height, width = pixels.shape[:2]
        raise ValueError(
            f"{str(source.path)!r} has {width} x {height} px, converted pictures have {trained.size} x "
            f"{trained.size}; convert it with: semveil protect --method noise-image"
        )
    return pixels
