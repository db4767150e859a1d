# SPDX-License-Identifier: Apache-2.0
"""Recognisers for FPPSR, selected by name or file, with their thresholds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semveil.core.digests import digest_of_tensors
from semveil.core.registry import Registry
from semveil.core.weights import require
from semveil.recognition import (
    ArcFaceVerifier,
    BundledVerifier,
    DlibVerifier,
    OnnxVerifier,
    Verifier,
    measured_threshold,
)

FAR = 1e-3
_GIVEN = "given by the user"


def _dlib(resolution: int, given: float | None) -> tuple[Verifier, str]:
    threshold, origin = _threshold("dlib", resolution, given)
    return (DlibVerifier(), origin) if threshold is None else (DlibVerifier(threshold=threshold), origin)


def _edgeface(resolution: int, given: float | None) -> tuple[Verifier, str]:
    threshold, origin = (given, _GIVEN) if given is not None else _known("edgeface_xs", resolution)
    return OnnxVerifier(require("edgeface"), threshold=threshold, name="edgeface_xs"), origin


def _arcface(resolution: int, given: float | None) -> tuple[Verifier, str]:
    threshold, origin = _threshold("arcface", resolution, given)
    return (
        (ArcFaceVerifier(), origin) if threshold is None else (ArcFaceVerifier(threshold=threshold), origin)
    )


def _bundled(resolution: int, given: float | None) -> tuple[Verifier, str]:
    if given is not None:
        return BundledVerifier(threshold=given), _GIVEN
    threshold, _ = _known("bundled", resolution)
    origin = f"measured on held-out people of LFW at {resolution} px, false acceptance rate {FAR:g}"
    return BundledVerifier(threshold=threshold), origin


VERIFIERS: Registry[Callable[[int, float | None], tuple[Verifier, str]]] = Registry("verifier")
VERIFIERS.add("dlib", _dlib)
VERIFIERS.add("edgeface", _edgeface)
VERIFIERS.add("arcface", _arcface)
VERIFIERS.add("bundled", _bundled)


def load_verifier(
    name: str, *, resolution: int, threshold: float | None = None
) -> tuple[Verifier, dict[str, Any]]:
    """Load a recogniser with its threshold for a resolution.

    Without `threshold` it is the one measured at a false acceptance rate of 0.1 %, if available, else its
    authors'.

    Args:
        name: `dlib`, `edgeface`, `arcface` or `bundled`.
        resolution: side of the aligned images in pixels.
        threshold: threshold on the recogniser's similarity; None for its own.

    Returns:
        The verifier, and its description for results.

    Raises:
        ValueError: the verifier is unknown, or no threshold is known for it at this resolution.
        WeightsMissing: the recogniser's file is not installed.

    Example:
        >>> load_verifier("dlib", resolution=64)[1]["threshold"]
        0.4675
    """
    verifier, origin = VERIFIERS[name](resolution, threshold)
    return verifier, _card(verifier, origin)


def choose_verifier(
    name: str, *, resolution: int, threshold: float | None = None
) -> tuple[Verifier, dict[str, Any]]:
    """Load a verifier by name or ONNX file.

    Args:
        name: a name in `VERIFIERS`, or the path of an `.onnx` file.
        resolution: side of the faces in pixels; selects the measured threshold.
        threshold: threshold on the recogniser's similarity; None for the measured one.

    Returns:
        The verifier, and its description for results.

    Raises:
        ValueError: the verifier is unknown, or no threshold is known for it.
    """
    path = Path(name)
    if path.suffix.lower() != ".onnx":
        if name not in list(VERIFIERS) and path.suffix:
            raise ValueError(
                f"no verifier {name!r}; allowed: {', '.join(VERIFIERS)}, or the path of an .onnx file"
            )
        return load_verifier(name, resolution=resolution, threshold=threshold)
    origin = _GIVEN
    if threshold is None:
        try:
            threshold, origin = _known(path.stem, resolution)
        except ValueError:
            raise ValueError(
                f"no threshold is known for {path.name} at {resolution} px; give --threshold, "
                f"which you can measure: semveil calibrate --verifier {path} --pairs LFW --resolution "
                f"{resolution}"
            ) from None
    verifier = OnnxVerifier(path, threshold=threshold)
    return verifier, _card(verifier, origin)


class Remembering(Verifier):
    """Verifier that caches the embedding of every image.

    Args:
        verifier: the wrapped verifier, with its name and threshold.
    """

    def __init__(self, verifier: Verifier) -> None:
        self.verifier, self.name, self.threshold = verifier, verifier.name, verifier.threshold
        self._known: dict[str, Tensor] = {}

    @property
    def digest(self) -> str | None:
        return self.verifier.digest

    def embed(self, images: Tensor) -> Tensor:
        """Compute identity vectors (B, E); an image seen before is not computed again.

        Args:
            images: (B, 3, S, S) in [-1, 1].
        """
        keys = [digest_of_tensors([image]) for image in images]
        new = {key: i for i, key in enumerate(keys) if key not in self._known}
        if new:
            for key, embedding in zip(new, self.verifier.embed(images[list(new.values())]), strict=True):
                self._known[key] = embedding
        return torch.stack([self._known[key] for key in keys])

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        """Similarity matrix of the wrapped verifier."""
        return self.verifier.similarities(a, b)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Pairwise similarity of the wrapped verifier."""
        return self.verifier.similarity(a, b)


def _known(name: str, resolution: int) -> tuple[float, str]:
    """Measured threshold and its origin; raises ValueError if there is none."""
    threshold = measured_threshold(name, resolution=resolution, far=FAR).threshold
    return threshold, f"measured on LFW at {resolution} px, false acceptance rate {FAR:g}"


def _threshold(name: str, resolution: int, given: float | None) -> tuple[float | None, str]:
    if given is not None:
        return given, _GIVEN
    try:
        return _known(name, resolution)
    except ValueError:
        return None, f"its authors' or users'; none was measured at {resolution} px"


def _card(verifier: Verifier, origin: str) -> dict[str, Any]:
    return {
        "name": verifier.name,
        "threshold": verifier.threshold,
        "threshold_from": origin,
        "digest": verifier.digest,
    }
