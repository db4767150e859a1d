"""Every face of a photo by dlib and YuNet together: frontal, turned, masked or cut, each aligned or said to be doubtful."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.transform import SimilarityTransform

from semveil.core.face_template import TEMPLATE
from semveil.core.registry import suggest
from semveil.data.photos import Photo
from semveil.recognition.dlib_faces import Face, detect_faces, find_landmarks
from semveil.recognition.yunet import Detection, DetectorMissing, detect, is_installed

DETECTORS = ("auto", "union", "yunet", "dlib")
MISSED_WITHOUT = "without it faces that are turned, masked, cut by the edge or small are missed: pip install 'semveil[detect]'"

_LARGEST_UPSAMPLING = 2.0
_YUNET_PIXELS = 1_500_000
_DLIB_PIXELS = 1_000_000
_YUNET_SMALLEST = 14  # px
_YUNET_LARGEST = 400  # px: it misses most faces that are larger
_COARSE_SIDE = 480  # of a second, small pass for those
_DLIB_MARGIN = 20  # px; continued edges let dlib see faces that they cut
# Of the 26 bystanders that benchmarks/lfw_faces.json marks YuNet finds 19 at a threshold of .5 and 21 at .3, with 2 false boxes.
_YUNET_SCORE, _YUNET_SURE = 0.3, 0.7
_DLIB_SCORE, _DLIB_SURE = 0.2, 0.3
_SAME = 0.3  # intersection over union

# Medians over 187 LFW photos of people who are not held out, in units of the side of the crop that `TEMPLATE` stands in:
# YuNet's points and dlib's box.
# The square of YuNet's area about the middle of its box is dlib's box, to 3 %.
_POINTS = np.array([[0.368, 0.477], [0.630, 0.480], [0.492, 0.629], [0.382, 0.738], [0.613, 0.740]])
_BOX = np.array([[0.19, 0.29], [0.81, 0.91]])
_CROP = 256  # px: the box gets 157 px in it, so that dlib's rounding of landmarks is .3 % of it
_EYES = float(np.linalg.norm(TEMPLATE[:2].mean(0) - TEMPLATE[2:4].mean(0)))
# On those photos dlib's landmarks lie .07 eye distances from where YuNet's points put them (99 %: .22), and the eyes are .59 to
# 1.28 times as far from each other as from the mouth.
_FARTHEST = 0.3
_NARROWEST = 0.5
_INSIDE = 0.8


def resolve_detector(name: str) -> str:
    """`auto` is the union where YuNet is installed, and dlib alone where not.

    Raises:
        ValueError: no such detector.
        DetectorMissing: it is named and not installed.

    Example:
        >>> resolve_detector("dlib")
        'dlib'
    """
    if name not in DETECTORS:
        raise ValueError(f"no detector {name!r}{suggest(name, DETECTORS)}; allowed: {', '.join(DETECTORS)}")
    if name == "auto":
        return "union" if is_installed() else "dlib"
    if name != "dlib" and not is_installed():
        raise DetectorMissing(f"detector {name!r} is not installed; {MISSED_WITHOUT}, or take --detector dlib")
    return name


def find_all_faces(photo: Photo, detector: str = "union") -> list[Face]:
    """All faces at any angle, largest first, equal ones from left to right and top to bottom.

    Each detector looks once, at the scale that suits it: YuNet at up to 1.5 megapixels (again at 480 px where faces could be too
    large for it) and small photos at twice their side, dlib at up to one megapixel and never enlarged. A face that dlib found has dlib's box and
    landmarks; for another the photo is turned upright by YuNet's points, and dlib's landmarks are looked for there.

    Args:
        photo: as `load_photo` gives it.
        detector: `union` or `yunet`.

    Returns:
        Boxes and landmarks in pixels of the photo. Those of a doubtful face are a rough guess.

    Raises:
        DetectorMissing: YuNet is not installed.
    """
    picture = Image.fromarray(photo.pixels)
    seen = _by_yunet(picture)
    upright = _by_dlib(picture) if detector == "union" else []
    faces = []
    for face in upright:
        same = [one for one in seen if overlap(face.box, one.box) > _SAME]
        seen = [one for one in seen if not any(one is other for other in same)]
        if not same and face.score < _DLIB_SCORE:
            continue
        sure = bool(same) or face.score >= _DLIB_SURE
        doubt = "" if sure else f"dlib alone is a little sure that this is a face (score {face.score:.2f})"
        faces.append(Face(face.box, face.score, face.landmarks, "dlib+yunet" if same else "dlib", doubt))
    faces += [_aligned(picture, one) for one in seen]
    sure = [face for face in faces if not face.doubtful]
    faces = [face for face in faces if not (face.doubtful and any(_holds(other, face) for other in sure))]
    return sorted(faces, key=lambda face: (-face.area, *face.box))


def smallest_found(width: int, height: int) -> float:
    """About how many pixels a face must have to be found in a photo of that size.

    Example:
        >>> smallest_found(4000, 3000) > 2 * smallest_found(640, 480)
        True
    """
    return _YUNET_SMALLEST / _scale(width, height, _YUNET_PIXELS)


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes (left, top, right, bottom).

    Example:
        >>> overlap((0, 0, 2, 2), (1, 0, 3, 2))
        0.3333333333333333
    """
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def _holds(face: Face, other: Face) -> bool:
    """Whether the other box is part of this face: a mouth or a beard that passes for a face."""
    left, top, right, bottom = other.box
    x, y = (left + right) / 2, (top + bottom) / 2
    return other.area < face.area / 2 and face.box[0] < x < face.box[2] and face.box[1] < y < face.box[3]


def _by_yunet(picture: Image.Image) -> list[Detection]:
    """Detections in pixels of the photo, surest first, each face once."""
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
        if all(overlap(one.box, other.box) <= _SAME for other in kept):
            kept.append(one)
    return kept


def _by_dlib(picture: Image.Image) -> list[Face]:
    """Upright faces in pixels of the photo, with landmarks that are looked for at a fixed size of the face."""
    pixels, step = _scaled(picture, min(1.0, _scale(*picture.size, _DLIB_PIXELS)))
    margins = ((_DLIB_MARGIN, _DLIB_MARGIN), (_DLIB_MARGIN, _DLIB_MARGIN), (0, 0))
    found = detect_faces(np.pad(pixels, margins, mode="edge"))
    faces = []
    for face in found:
        corners = (np.array(face.box, float).reshape(2, 2) - _DLIB_MARGIN + 0.5) * step - 0.5
        left, top, right, bottom = (round(float(c)) for c in corners.ravel())
        landmarks = (face.landmarks - _DLIB_MARGIN + 0.5) * step - 0.5
        refined = _landmarks(picture, landmarks)
        faces.append(Face((left, top, right, bottom), face.score, refined))
    return faces


def _scale(width: int, height: int, pixels: int) -> float:
    return min(_LARGEST_UPSAMPLING, math.sqrt(pixels / (width * height)))


def _scaled(picture: Image.Image, scale: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Pixels at a scale, and the size of one of them in pixels of the photo (x, y)."""
    width, height = (max(1, round(side * scale)) for side in picture.size)
    resized = picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(resized), np.array(picture.size) / (width, height)


def _landmarks(picture: Image.Image, rough: NDArray[np.float64]) -> NDArray[np.float64]:
    """dlib's landmarks, looked for in a crop that rough ones turn upright and bring to one size."""
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
    """A face that YuNet alone found, with dlib's landmarks as far as they can be trusted."""
    left, top, right, bottom = seen.box
    middle, half = np.array([left + right, top + bottom]) / 2, math.sqrt((right - left) * (bottom - top)) / 2
    square = (*(math.floor(v) for v in middle - half), *(math.ceil(v) for v in middle + half))
    box = (square[0], square[1], square[2], square[3])
    to_photo = SimilarityTransform.from_estimate(_POINTS, seen.points + 0.5)
    doubt = _doubt(seen, picture.size, box)
    if doubt or not to_photo or to_photo.scale < half:  # nearly one point
        upright = SimilarityTransform.from_estimate(_BOX, np.array(box, float).reshape(2, 2))
        return Face(box, seen.score, upright(TEMPLATE) - 0.5, "yunet", doubt or "its eyes and nose cannot be placed")
    rough = to_photo(TEMPLATE) - 0.5
    landmarks = _landmarks(picture, rough)
    apart = float(np.linalg.norm(landmarks - rough, axis=1).mean()) / (_EYES * float(to_photo.scale))
    if apart > _FARTHEST:
        return Face(box, seen.score, rough, "yunet", "its eyes and nose cannot be placed")
    return Face(box, seen.score, landmarks, "yunet")


def _doubt(seen: Detection, size: tuple[int, int], box: tuple[int, int, int, int]) -> str:
    if seen.score < _YUNET_SURE:
        return f"the detector is not sure that this is a face (score {seen.score:.2f})"
    right_eye, left_eye, _, *mouth = seen.points
    if np.linalg.norm(left_eye - right_eye) < _NARROWEST * np.linalg.norm(np.mean(mouth, 0) - (left_eye + right_eye) / 2):
        return "it is seen from the side"
    width, height = (min(box[i + 2], size[i]) - max(box[i], 0) for i in (0, 1))
    if min(width, height) <= 0 or width * height < _INSIDE * (box[2] - box[0]) * (box[3] - box[1]):
        return "the photo's edge cuts it"
    return ""
