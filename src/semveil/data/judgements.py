# SPDX-License-Identifier: Apache-2.0
"""Judgements of face images by an independent program, from JSON lines (format in `docs/utility.md`)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.core.errors import SemveilError
from semveil.core.text import parse_json, read_text

POINTS = 478  # MediaPipe's face mesh with irises
SEXES = ("female", "male", "unknown")
LARGEST_FILE = 1 << 29  # bytes; a face takes about 30,000


class BadJudgements(SemveilError):
    """A file of judgements does not have the format described in `docs/utility.md`."""


@dataclass(frozen=True, eq=False)
class JudgedFace:
    """Judgement of one face in an image.

    Attributes:
        mesh: (478, 3) x, y in pixels of the image, and depth in the same unit.
        age: age in years.
        sex: `female`, `male`, or `unknown` if the program does not say.
        emotion: score of each emotion by name, >= 0.
    """

    mesh: NDArray[np.float64]
    age: float
    sex: str
    emotion: Mapping[str, float]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the mesh."""
        (left, top), (right, bottom) = self.mesh[:, :2].min(0), self.mesh[:, :2].max(0)
        return float(left), float(top), float(right), float(bottom)


def read_judgements(path: Path) -> dict[Path, tuple[JudgedFace, ...]]:
    """Read the judged faces of each picture.

    Args:
        path: JSON lines file; picture names are relative to the working directory or, if no such file exists,
            to the folder of the JSON lines file.

    Returns:
        Faces by resolved path of the picture; empty for a picture without a face.

    Raises:
        BadJudgements: the file cannot be read, a line is damaged, or a picture is judged twice.
    """
    try:
        lines = read_text(path, largest=LARGEST_FILE).split("\n")
    except (OSError, ValueError) as error:
        raise BadJudgements(f"cannot read {path.name}: {getattr(error, 'strerror', None) or error}") from None
    found: dict[Path, tuple[JudgedFace, ...]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            content = parse_json(line)
            picture = _place(content["file"], path.parent)
            faces = tuple(map(_face, content["faces"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadJudgements(f"line {number} of {path.name} is no judgement: {error}") from None
        if picture in found:
            raise BadJudgements(f"line {number} of {path.name} judges {content['file']} a second time")
        found[picture] = faces
    return found


def _place(name: Any, folder: Path) -> Path:
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError(f"file is the name of a picture, got {ascii(name)[:100]}")
    here = Path(name)
    return here.resolve() if here.exists() else (folder / name).resolve()


def _face(content: Any) -> JudgedFace:
    mesh = np.asarray(content["mesh"], np.float64)
    if mesh.shape != (POINTS, 3) or not np.isfinite(mesh).all() or np.ptp(mesh[:, :2], axis=0).min() <= 0:
        raise ValueError(
            f"mesh holds {POINTS} finite points x, y, z that are not all in one line, got shape {mesh.shape}"
        )
    age, sex = _number("age", content["age"]), content["sex"]
    if sex not in SEXES:
        raise ValueError(f"sex is one of {', '.join(SEXES)}, got {ascii(sex)[:100]}")
    emotion = {str(name): _number("emotion", score) for name, score in dict(content["emotion"]).items()}
    if not emotion or min(emotion.values()) < 0:
        raise ValueError("emotion holds one score or more, none below 0")
    return JudgedFace(mesh, age, sex, emotion)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is a finite number, got {ascii(value)[:100]}")
    return float(value)
