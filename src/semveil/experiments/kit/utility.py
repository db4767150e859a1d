# SPDX-License-Identifier: Apache-2.0
"""Utility of protected faces: metrics of crops, and an independent judge's file for whole images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from semveil.core.checkpoints import build_to_fit
from semveil.core.network_files import read_network
from semveil.core.results import rounded
from semveil.data.boxes import overlap as box_overlap
from semveil.data.judgements import JudgedFace
from semveil.experiments.kit.statistics import NOT_MEASURED, mean_of_photos
from semveil.experiments.kit.tables import markdown
from semveil.faces.pixels import to_pixels
from semveil.metrics import points
from semveil.metrics.detection import PADDING, SIDE
from semveil.metrics.five_points import five_point_error, five_points
from semveil.metrics.part_shapes import opening_error, overlap
from semveil.recognition import yunet
from semveil.recognition.face_parser import FaceParser

# A judged face matches the photo's above this intersection over union of the meshes' boxes.
SAME_PLACE = 0.3
YUNET_SCORE = 0.6
_WORDS = {
    "five_point_error": "landmark error / eye distance (five points)",
    "yunet_detected": "face detection rate (YuNet)", "mouth_opening_error": "mouth opening error",
    "eye_opening_error": "eye opening error", "hair_overlap": "hair IoU",
    "judge_detected": "judge: face detection rate",
    "judge_landmark_error": "judge: landmark error / eye distance",
    "judge_pose_degrees": "judge: pose error (°)", "judge_gaze_error": "judge: gaze error (eye widths)",
    "judge_mouth_error": "judge: mouth opening error", "judge_eye_error": "judge: eye opening error",
    "judge_expression_kept": "judge: expression preserved", "judge_age_error": "judge: age error (years)",
    "judge_sex_kept": "judge: sex preserved",
}  # fmt: skip


def load_parser(path: Path) -> FaceParser:
    """Load a face parser trained by `semveil train parser`.

    Args:
        path: path of the checkpoint.

    Raises:
        BadCheckpoint: the file is not such a checkpoint.
    """
    return build_to_fit(FaceParser, read_network(path), name=path.name)


def kept_on_crops(source: Tensor, images: Tensor, parser: FaceParser | None) -> dict[str, list[float | None]]:
    """Utility metrics of crops: five points, a second detector, and with a parser openings and hair.

    Args:
        source: (B, 3, S, S) aligned photos in [-1, 1].
        images: (B, 3, S, S) protected images of them.
        parser: labels both; None omits the metrics that require labels.

    Returns:
        By metric one value per photo; None where a face or a part was not found.
    """
    columns: dict[str, list[float | None]] = {
        "five_point_error": five_point_error(five_points(source), images)
    }
    if yunet.is_installed():
        columns["yunet_detected"] = [float(_yunet_finds(image)) for image in images]
    labelled = {} if parser is None else kept_by_parser(source, images, parser)
    return {name: rounded(values) for name, values in columns.items()} | labelled


def kept_by_parser(source: Tensor, images: Tensor, parser: FaceParser) -> dict[str, list[float | None]]:
    """Utility metrics of crops from their part labels: opening of mouth and eyes, and hair.

    Args:
        source: (B, 3, S, S) aligned photos in [-1, 1].
        images: (B, 3, S, S) protected images of them.
        parser: labels both.

    Returns:
        By metric one value per photo; None where a part was not found.
    """
    before, after = parser.label(source), parser.label(images)
    columns = {
        "mouth_opening_error": opening_error(before, after, "mouth"),
        "eye_opening_error": opening_error(before, after, "eyes"),
        "hair_overlap": overlap(before, after, "hair"),
    }
    return {name: rounded(values) for name, values in columns.items()}


def kept_by_judge(
    judged: Mapping[Path, Sequence[JudgedFace]], photos: Sequence[Path], pictures: Sequence[Path]
) -> dict[str, list[float | None]]:
    """Utility metrics from an independent program's judgements of the photos' largest faces.

    Args:
        judged: see `read_judgements`.
        photos: files of the originals.
        pictures: files of their protected versions, in the same order, whole and at any size.

    Returns:
        By metric one value per photo; None where the judge found no face, or did not see both files.
    """
    rows = [_kept(judged, photo, picture) for photo, picture in zip(photos, pictures, strict=True)]
    names = [name for name in _WORDS if name.startswith("judge_")]
    return {name: rounded([row.get(name) for row in rows]) for name in names}


def utility_table(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Return a Markdown table of means with 95 % intervals over photos; empty columns are omitted.

    Args:
        rows: name and metrics of each row.
    """
    names = [name for name in _WORDS if any(columns.get(name) for _, columns in rows)]
    cells = [[row, *(_cell(columns.get(name)) for name in names)] for row, columns in rows]
    return markdown(["utility", *(_WORDS[name] for name in names)], cells)


def _cell(values: Any) -> str:
    mean = None if values is None else mean_of_photos(values)
    return NOT_MEASURED if mean is None else f"{mean} ({mean.count})"


def _yunet_finds(image: Tensor) -> bool:
    resized = F.interpolate(
        image[None].detach().float().cpu(), size=(SIDE, SIDE), mode="bicubic", antialias=True
    )
    padded = to_pixels(F.pad(resized, (PADDING,) * 4, mode="replicate"))[0]
    return bool(yunet.detect(padded, threshold=YUNET_SCORE))


def _kept(judged: Mapping[Path, Sequence[JudgedFace]], photo: Path, picture: Path) -> dict[str, float]:
    """Metrics of one image; at least `judge_detected` if the judge saw both files and a face in the photo."""
    before, faces = judged.get(photo.resolve()), judged.get(picture.resolve())
    if not before or faces is None:
        return {}
    face = max(before, key=lambda one: (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]))
    scale = _width(photo) / _width(picture)
    scaled = [(JudgedFace(one.mesh * scale, one.age, one.sex, one.emotion)) for one in faces]
    there = [one for one in scaled if box_overlap(face.box, one.box) > SAME_PLACE]
    if not there:
        return {"judge_detected": 0.0}
    same = max(there, key=lambda one: box_overlap(face.box, one.box))
    return {"judge_detected": 1.0, **compare_faces(face, same)}


def compare_faces(face: JudgedFace, other: JudgedFace) -> dict[str, float]:
    """Differences of a face from the photo's, both in the photo's pixels.

    Args:
        face: largest face of the photo.
        other: the matching face in the protected image.

    Returns:
        Pose in degrees, gaze in eye widths, openings as height over width, landmarks in eye distances, age in
        years, and 1 or 0 for preserved expression and sex. Sex is omitted if either is unknown, landmarks if
        the irises coincide.
    """
    strongest = [max(one.emotion, key=one.emotion.__getitem__) for one in (face, other)]
    found = {
        "judge_pose_degrees": points.pose_error(face.mesh, other.mesh),
        "judge_gaze_error": points.gaze_error(face.mesh, other.mesh),
        "judge_mouth_error": abs(points.mouth_opening(face.mesh) - points.mouth_opening(other.mesh)),
        "judge_eye_error": abs(points.eye_opening(face.mesh) - points.eye_opening(other.mesh)),
        "judge_expression_kept": float(strongest[0] == strongest[1]),
        "judge_age_error": abs(face.age - other.age),
    }
    if "unknown" not in (face.sex, other.sex):
        found["judge_sex_kept"] = float(face.sex == other.sex)
    if (eyes := points.eye_distance(face.mesh)) > 0:
        found["judge_landmark_error"] = points.landmark_error(face.mesh[:, :2], other.mesh[:, :2], eyes)
    return found


def _width(picture: Path) -> int:
    with Image.open(picture) as opened:  # without EXIF rotation, as in the judge
        return opened.size[0]
