# SPDX-License-Identifier: Apache-2.0
"""Face detection by dlib and YuNet together: frontal, turned, masked or truncated faces.

Each face is aligned or marked as doubtful.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.transform import SimilarityTransform

from semveil.core.registry import suggest
from semveil.data.boxes import SAME, SMALLEST_FACE, Box, overlap, side
from semveil.data.frontal import SIZES_DIFFER, find_frontal_faces
from semveil.data.photos import Photo
from semveil.faces.template import TEMPLATE
from semveil.recognition.dlib_faces import Face, find_landmarks
from semveil.recognition.yunet import Detection, DetectorMissing, detect, is_installed

DETECTORS = ("auto", "union", "yunet", "dlib")
MISSED_WITHOUT = (
    "without YuNet, turned, masked, cut and small faces are missed: pip install 'semveil[detect]'"
)

_LARGEST_UPSAMPLING = 1.5
_YUNET_PIXELS = 1_500_000
_YUNET_SMALLEST = 14  # px
_YUNET_LARGEST = 400  # px: most larger faces are missed
_COARSE_SIDE = 480  # px, longer side in a second pass for those
# Of the 26 bystanders annotated in benchmarks/lfw_faces.json YuNet finds 19 at a threshold of 0.5, 21 at 0.3;
# a second look removes false detections. Gravel scores up to 0.77, clearly visible faces 0.85 and more.
_YUNET_SCORE, _YUNET_KEPT, _YUNET_SURE = 0.3, 0.5, 0.8
_LOOK_SIDE = 192  # px, side of the crop for a second look
_UPRIGHT = 0.92  # ends the second look; faces rotated by 90 degrees or more score less
_LOOK_AROUND = 2.0  # side of that crop relative to the face's box
_DLIB_SCORE, _DLIB_SURE = 0.2, 0.3

# YuNet's points and dlib's box: medians over 187 LFW photos of people who are not held out, in units of the
# side of an aligned crop (as `TEMPLATE`). dlib's box is, to 3 %, the square with the area and centre of
# YuNet's box.
_POINTS = np.array([[0.368, 0.477], [0.630, 0.480], [0.492, 0.629], [0.382, 0.738], [0.613, 0.740]])
_BOX = np.array([[0.19, 0.29], [0.81, 0.91]])
_CROP = 256  # px: the box has 157 px in it, so dlib's rounding of landmarks is 0.3 % of it
# On those photos dlib's landmarks are 0.07 eye distances from those predicted by YuNet's points (99 %: 0.22),
# and the distance between the eyes is 0.59 to 1.28 times that from eyes to mouth.
_FARTHEST = 0.3
_NARROWEST = 0.5
_INSIDE = 0.9


def resolve_detector(name: str) -> str:
    """Resolve a detector name: `auto` is `union` if YuNet is installed, else `dlib`.

    Args:
        name: one of `DETECTORS`.

    Raises:
        ValueError: the name is not in `DETECTORS`.
        DetectorMissing: the detector needs YuNet, which is not installed.

    Example:
        >>> resolve_detector("dlib")
        'dlib'
    """
    if name not in DETECTORS:
        raise ValueError(f"no detector {name!r}{suggest(name, DETECTORS)}; allowed: {', '.join(DETECTORS)}")
    if name == "auto":
        return "union" if is_installed() else "dlib"
    if name != "dlib" and not is_installed():
        raise DetectorMissing(
            f"detector {name!r} is not installed; {MISSED_WITHOUT}, or take --detector dlib"
        )
    return name


def find_all_faces(photo: Photo, detector: str = "union") -> list[Face]:
    """Find all faces at any angle, largest first, equal ones from left to right and top to bottom.

    Each detector runs at its own scale. YuNet: up to 1.5 megapixels, with small photos enlarged by up to
    half, and again at 480 px if faces could be too large for it. dlib: as in `find_frontal_faces`, at 0.7
    megapixels, and at a finer scale only if YuNet finds faces that need it. A face found by dlib has the box
    and landmarks of dlib alone, so that its crop does not depend on the installed detectors. Any other face
    is confirmed by a second look at its own crop; dlib locates its landmarks in a crop made upright by
    YuNet's points.

    Args:
        photo: as returned by `load_photo`.
        detector: `union` or `yunet`.

    Returns:
        Boxes and landmarks in pixels of the photo. The landmarks of a doubtful face are a rough guess.

    Raises:
        DetectorMissing: YuNet is not installed.
    """
    picture = Image.fromarray(photo.pixels)
    seen = _Seen(picture, _by_yunet(picture))
    upright = find_frontal_faces(photo, beside=seen.boxes_beside) if detector == "union" else []
    faces = []
    for face in upright:
        both = any(overlap(face.box, one.box) > SAME for one in seen.first)
        if not both and face.score < _DLIB_SCORE:
            continue
        settled = both or face.score >= _DLIB_SURE
        doubt = "" if settled else f"dlib alone is a little sure that this is a face (score {face.score:.2f})"
        faces.append(replace(face, detector="dlib+yunet" if both else "dlib", doubtful=doubt))
    known = [face for face in faces if not face.doubtful]
    others = [one for one in seen.beside(upright) if not _led_to_any(known, one)]
    faces += [_aligned(picture, one) for one in _each_once(others)]
    sure = [face for face in faces if not face.doubtful]
    faces = [face for face in faces if not (face.doubtful and any(_holds(other, face) for other in sure))]
    return sorted(faces, key=lambda face: (-face.area, *face.box))


def smallest_found(width: int, height: int) -> float:
    """Approximate side in pixels of the smallest face found in a photo; it grows with the photo's size.

    Args:
        width: width of the photo in pixels.
        height: height of the photo in pixels.

    Example:
        >>> smallest_found(4000, 3000) > 2 * smallest_found(640, 480)
        True
    """
    return _YUNET_SMALLEST / _scale(width, height, _YUNET_PIXELS)


def _led_to_any(faces: Sequence[Face], seen: Detection) -> bool:
    """Return whether the second look at a part of a face found one of these faces again."""
    rough = _rough(seen)
    return rough is not None and any(_distance(face.landmarks, rough) <= _FARTHEST for face in faces)


def _distance(landmarks: NDArray[np.float64], rough: NDArray[np.float64]) -> float:
    """Mean distance of landmarks from rough ones, in units of the rough distance between the eyes."""
    eyes = np.linalg.norm(rough[:2].mean(0) - rough[2:4].mean(0))
    return float(np.linalg.norm(landmarks - rough, axis=1).mean() / eyes)


def _holds(face: Face, other: Face) -> bool:
    """Return whether the other box is a part of this face, such as a mouth or beard mistaken for a face."""
    left, top, right, bottom = other.box
    x, y = (left + right) / 2, (top + bottom) / 2
    return other.area < face.area / 2 and face.box[0] < x < face.box[2] and face.box[1] < y < face.box[3]


def _by_yunet(picture: Image.Image) -> list[Detection]:
    """Detections in pixels of the photo in descending order of score, without duplicates."""
    scales = [_scale(*picture.size, _YUNET_PIXELS)]
    if max(picture.size) * scales[0] > 1.5 * _YUNET_LARGEST:
        scales.append(_COARSE_SIDE / max(picture.size))
    found: list[Detection] = []
    for scale in scales:
        pixels, step = _scaled(picture, scale)
        for one in detect(pixels, threshold=_YUNET_SCORE):
            left, top, right, bottom = (np.array(one.box) * np.tile(step, 2)).tolist()
            found.append(Detection((left, top, right, bottom), one.score, (one.points + 0.5) * step - 0.5))
    kept: list[Detection] = []
    for one in sorted(found, key=lambda one: -one.score):
        if all(overlap(one.box, other.box) <= SAME for other in kept):
            kept.append(one)
    return kept


def _each_once(seen: Sequence[Detection]) -> list[Detection]:
    """Remove duplicates: two boxes may turn out to be the same face."""
    kept: list[Detection] = []
    for one in seen:
        middle = one.points.mean(0)
        if not any(np.linalg.norm(middle - other.points.mean(0)) < side(one.box) / 4 for other in kept):
            kept.append(one)
    return kept


@dataclass(frozen=True)
class _Seen:
    """YuNet's detections in a photo, with second looks computed on demand.

    Attributes:
        picture: the photo.
        first: detections before the second look.
        again: results of second looks, by index of the detection.
    """

    picture: Image.Image
    first: Sequence[Detection]
    again: dict[int, Detection] = field(default_factory=dict)

    def beside(self, faces: Sequence[Face]) -> list[Detection]:
        """Detections other than the given faces that a second look confirms."""
        others = [
            i
            for i, one in enumerate(self.first)
            if not any(overlap(one.box, face.box) > SAME for face in faces)
        ]
        for i in others:
            if i not in self.again:
                self.again[i] = _second_look(self.picture, self.first[i])
        return [self.again[i] for i in others if self.again[i].score >= _YUNET_KEPT]

    def boxes_beside(self, faces: Sequence[Face]) -> list[Box]:
        """Boxes of those that may be large enough to be protected."""
        return [one.box for one in self.beside(faces) if side(one.box) > SMALLEST_FACE / SIZES_DIFFER]


def _second_look(picture: Image.Image, seen: Detection) -> Detection:
    """Detect a face again in its own crop, rotated by 0, 90, 180 and 270 degrees; the best score is used.

    YuNet finds faces at any angle, but its points are those of an upright face, hence the rotations.
    """
    left, top, right, bottom = seen.box
    around = _LOOK_AROUND * side(seen.box)
    corner = np.floor([(left + right - around) / 2, (top + bottom - around) / 2]).astype(int)
    size = max(2, math.ceil(around))
    window = picture.crop((*corner.tolist(), *(corner + size).tolist()))  # black outside the photo
    pixels = np.asarray(window.resize((_LOOK_SIDE, _LOOK_SIDE), Image.Resampling.BICUBIC, reducing_gap=3.0))
    best = None
    for quarters in range(4):
        for one in detect(np.rot90(pixels, quarters), threshold=_YUNET_SCORE):
            x, y = (one.box[0] + one.box[2]) / 2, (one.box[1] + one.box[3]) / 2
            central = max(abs(x - _LOOK_SIDE / 2), abs(y - _LOOK_SIDE / 2)) < _LOOK_SIDE / (4 * _LOOK_AROUND)
            if central and (best is None or one.score > best[0]):
                points = one.points
                for _ in range(quarters):
                    points = np.column_stack([_LOOK_SIDE - 1 - points[:, 1], points[:, 0]])
                best = one.score, (points + 0.5) * size / _LOOK_SIDE + corner - 0.5
        if best is not None and best[0] >= _UPRIGHT:
            break
    return seen if best is None else Detection(seen.box, max(seen.score, best[0]), best[1])


def _scale(width: int, height: int, pixels: int) -> float:
    return min(_LARGEST_UPSAMPLING, math.sqrt(pixels / (width * height)))


def _scaled(picture: Image.Image, scale: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Pixels at a scale, and the size (x, y) of one such pixel in pixels of the photo."""
    width, height = (max(1, round(side * scale)) for side in picture.size)
    resized = picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(resized), np.array(picture.size) / (width, height)


def _landmarks(picture: Image.Image, rough: NDArray[np.float64]) -> NDArray[np.float64]:
    """Locate dlib's landmarks in a crop normalised to upright and fixed size by rough landmarks."""
    to_photo = SimilarityTransform.from_estimate(TEMPLATE * _CROP, rough + 0.5)
    shrink = max(1, math.floor(to_photo.scale))
    corners = to_photo(np.array([[0, 0], [_CROP, 0], [0, _CROP], [_CROP, _CROP]], float))
    left, top = (int(v) for v in np.floor(corners.min(0)))
    right, bottom = (int(v) for v in np.ceil(corners.max(0)))
    window = picture.crop((left, top, right, bottom)).reduce(shrink)
    shift = np.array([[1 / shrink, 0, -left / shrink], [0, 1 / shrink, -top / shrink], [0, 0, 1]])
    affine = tuple((shift @ to_photo.params).ravel()[:6])
    crop = window.transform((_CROP, _CROP), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    (x, y), (right, bottom) = np.rint(_BOX * _CROP).astype(int).tolist()
    return to_photo(find_landmarks(np.asarray(crop), (x, y, right, bottom)) + 0.5) - 0.5


def _aligned(picture: Image.Image, seen: Detection) -> Face:
    """Face that only YuNet found, with dlib's landmarks if they are reliable."""
    left, top, right, bottom = seen.box
    middle, half = np.array([left + right, top + bottom]) / 2, side(seen.box) / 2
    square = (*(math.floor(v) for v in middle - half), *(math.ceil(v) for v in middle + half))
    box = (square[0], square[1], square[2], square[3])
    rough = _rough(seen)
    doubt = _doubt(seen, picture.size, box)
    if doubt or rough is None:
        upright = SimilarityTransform.from_estimate(_BOX, np.array(box, float).reshape(2, 2))
        return Face(
            box, seen.score, upright(TEMPLATE) - 0.5, "yunet", doubt or "its eyes and nose cannot be placed"
        )
    landmarks = _landmarks(picture, rough)
    if _distance(landmarks, rough) > _FARTHEST:
        return Face(box, seen.score, rough, "yunet", "its eyes and nose cannot be placed")
    return Face(box, seen.score, landmarks, "yunet")


def _rough(seen: Detection) -> NDArray[np.float64] | None:
    """Rough dlib landmarks predicted from YuNet's points; None if the points nearly coincide."""
    to_photo = SimilarityTransform.from_estimate(_POINTS, seen.points + 0.5)
    if not to_photo or to_photo.scale < (seen.box[2] - seen.box[0]) / 2:
        return None
    return to_photo(TEMPLATE) - 0.5


def _doubt(seen: Detection, size: tuple[int, int], box: tuple[int, int, int, int]) -> str:
    if seen.score < _YUNET_SURE:
        return f"the detector is not sure that this is a face (score {seen.score:.2f})"
    right_eye, left_eye, _, *mouth = seen.points
    if np.linalg.norm(left_eye - right_eye) < _NARROWEST * np.linalg.norm(
        np.mean(mouth, 0) - (left_eye + right_eye) / 2
    ):
        return "it is seen from the side"
    width, height = (min(box[i + 2], size[i]) - max(box[i], 0) for i in (0, 1))
    if min(width, height) <= 0 or width * height < _INSIDE * (box[2] - box[0]) * (box[3] - box[1]):
        return "the photo's edge cuts it"
    return ""
