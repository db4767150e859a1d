# SPDX-License-Identifier: Apache-2.0
"""Classification of pictures and folders by the networks of noise-image."""

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
    """Classification of one picture.

    Attributes:
        path: file of the picture.
        name: name of its class.
        probability: probability that the network assigns to the class.
    """

    path: Path
    name: str
    probability: float


@dataclass(frozen=True)
class Answers:
    """Classification of several pictures.

    Attributes:
        pictures: one answer per picture.
        refused: errors of pictures that could not be read.
        accuracy: fraction of correct classes; None unless all pictures are in folders named after classes.
    """

    pictures: tuple[Answer, ...]
    refused: tuple[SemveilError, ...]
    accuracy: float | None


def classify_pictures(
    paths: Sequence[str | os.PathLike[str]], trained: NoiseImageModel, *, network: str
) -> Answers:
    """Classify pictures.

    Args:
        paths: pictures and folders of pictures.
        trained: the networks.
        network: `service` for converted pictures of the networks' size, or `explainer` for original pictures,
            of which it uses the middle square.

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
    """Pixels of a converted picture, unchanged; for the explainer, the resized middle square."""
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
