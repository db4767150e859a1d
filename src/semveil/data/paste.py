# SPDX-License-Identifier: Apache-2.0
"""Pasting of protected faces into their photo with soft edges; all other pixels are unchanged."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.data.align import AlignedFace, align_face
from semveil.data.grain import LARGEST, grain_of, grains
from semveil.data.regions import Region

# Circle of the face in its aligned crop, in units of the crop's side. In 1,000 CelebAMask-HQ photos 98.3 % of
# the pixels labelled skin, brows, eyes, nose, mouth or glasses are within CORE, 99.7 % within EDGE; of the
# hair 39 % and 59 %.
CENTRE = (0.5, 0.55)
CORE = 0.40  # radius up to which a pasted face covers the photo completely
EDGE = 0.45  # radius from which it does not cover the photo

# Distance of a crop's corners from the circle's centre, hypot(0.5, 0.55), plus a margin for resampling.
_REACH = 0.8
_LEAST = 1 / 512  # smaller covers are ignored: they change no level, and are residues of resampling
# Extent of a mosaic over another face in units of its circle's radius, plus a margin for resampling.
_CLEAR_OF = 1.4
_ENOUGH = 16  # blocks needed to estimate grain
_GREY, _GREY_MOST = 2.5, 12  # maximum channel spread in a grey photo, in levels: mean, and 99th percentile
_BAND = 1 << 19  # pixels processed at once
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Circle:
    """Circle of a face in its photo.

    Attributes:
        x, y: centre in the photo, in pixel corner coordinates.
        side: side of the aligned crop in pixels of the photo; the face's radius is `CORE` to `EDGE` times it.
    """

    x: float
    y: float
    side: float

    @classmethod
    def of(cls, face: AlignedFace) -> "Circle":
        """Return the circle around an aligned face, in photo coordinates.

        Args:
            face: as returned by `align_face`.
        """
        size = face.pixels.shape[0]
        x, y, _ = face.to_photo @ (CENTRE[0] * size, CENTRE[1] * size, 1)
        return cls(float(x), float(y), size * math.hypot(face.to_photo[0, 0], face.to_photo[1, 0]))

    def meets(self, other: "Circle") -> bool:
        """Return whether two circles of radius `EDGE` overlap.

        Args:
            other: circle in the same photo.
        """
        return math.hypot(self.x - other.x, self.y - other.y) < EDGE * (self.side + other.side)


@dataclass(frozen=True, eq=False)
class Fit:
    """Cover and grain of a pasted crop, tighter than the disc.

    Attributes:
        cover: (P, P) in [0, 1], opacity over the whole crop.
        grain: standard deviation of the noise added to the luma, in levels.
    """

    cover: NDArray[np.float32]
    grain: float = 0.0


def paste_faces(
    photo: NDArray[np.uint8],
    faces: Sequence[AlignedFace],
    crops: Sequence[NDArray[np.uint8] | None],
    *,
    fits: Mapping[int, Fit] | None = None,
    rng: np.random.Generator | None = None,
) -> NDArray[np.uint8]:
    """Replace faces of a photo.

    Within `CORE` pixels are the crop's; between `CORE` and `EDGE` crop and photo are blended by a smooth step
    of the distance from the centre; outside, the photo is unchanged. For a face with a `Fit`, opacity is also
    limited by its cover. Where faces overlap, a pixel belongs to the nearest one in units of its crop, so no
    crop covers or shows another face. Faces pasted into a grey photo are converted to grey.

    Args:
        photo: (H, W, 3) RGB.
        faces: all faces of the photo, including those that are kept, aligned at any size.
        crops: for each face the replacement (S, S, 3) RGB of any size; None keeps the face.
        fits: fits of some faces, by number.
        rng: source of the grain; None for a new draw each time.

    Raises:
        ValueError: the numbers of crops and faces differ, or a crop is not a square RGB picture.

    Example:
        >>> photo = np.zeros((40, 40, 3), np.uint8)
        >>> there = AlignedFace(photo[:20, :20], np.diag([1.0, 1.0, 1.0]), np.ones((20, 20), np.float32))
        >>> pasted = paste_faces(photo, [there], [np.full((64, 64, 3), 200, np.uint8)])
        >>> pasted[10, 10].tolist(), int(pasted[20:].max()), int(pasted[:, 20:].max())
        ([200, 200, 200], 0, 0)
    """
    if len(crops) != len(faces):
        raise ValueError(f"{len(faces)} faces need as many crops (None where a face stays), got {len(crops)}")
    for crop in crops:
        if crop is not None and (
            crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape != (len(crop), len(crop), 3)
        ):
            raise ValueError(f"a pasted crop must be (S, S, 3) uint8, got {crop.shape} {crop.dtype}")
    fits, rng = fits or {}, rng or np.random.default_rng()
    circles = [Circle.of(face) for face in faces]
    replaced = [circle for circle, crop in zip(circles, crops, strict=True) if crop is not None]
    colourless = bool(replaced) and _colourless(photo, replaced)
    pasted = photo.copy()
    for i, (face, crop) in enumerate(zip(faces, crops, strict=True)):
        if crop is None:
            continue
        if colourless:
            crop = np.repeat(np.rint(crop @ _LUMA)[..., None], 3, -1).astype(np.uint8)
        for rows, columns in _bands(circles[i], photo.shape):
            share = _covered(circles, faces, i, fits.get(i), rows, columns)
            new = _sampled(crop, face, rows, columns)
            if i in fits and fits[i].grain:
                new += fits[i].grain * rng.standard_normal((*new.shape[:2], 1), np.float32)
            old = photo[rows, columns]
            blend = np.rint(old + share[..., None] * (new - old)).clip(0, 255).astype(np.uint8)
            pasted[rows, columns] = np.where(share[..., None] > 0, blend, pasted[rows, columns])
    return pasted


def _colourless(photo: NDArray[np.uint8], replaced: Sequence[Circle]) -> bool:
    """Return whether a photo is nearly grey outside the circles of the replaced faces.

    Those faces must not influence the result.
    """
    height, width = photo.shape[:2]
    step = max(1, _BAND // width)
    counts = np.zeros(256, np.int64)
    for top in range(0, height, step):
        rows, columns = slice(top, min(height, top + step)), slice(0, width)
        band = photo[rows]
        stays = np.ones(band.shape[:2], bool)
        for circle in replaced:
            stays &= _distance(circle, rows, columns) >= EDGE
        counts += np.bincount((band.max(-1) - band.min(-1))[stays], minlength=256)
    total = counts.sum()
    if not total:
        return False
    spread = np.arange(256) @ counts / total
    return bool(spread <= _GREY and np.searchsorted(np.cumsum(counts), 0.99 * total) <= _GREY_MOST)


def align_apart(
    photo: NDArray[np.uint8], landmarks: Sequence[NDArray[np.float64]], size: int
) -> list[AlignedFace]:
    """Align the faces of a photo so that no crop shows the region that `paste_faces` assigns to another face.

    Before a face is cropped, the pixels that belong to its neighbours' circles are filled with its own mean
    colour. Pixels outside the circles (hair, neck) and those of a neighbour's circle that are nearer to this
    face are kept: `passing` tells whose pixels these may be.

    Args:
        photo: (H, W, 3) RGB.
        landmarks: landmarks of each face, as for `align_face`.
        size: side of the crops in pixels.
    """
    faces = [align_face(photo, points, size) for points in landmarks]
    circles = [Circle.of(face) for face in faces]
    apart = []
    for i, (face, points) in enumerate(zip(faces, landmarks, strict=True)):
        reach = Circle(circles[i].x, circles[i].y, circles[i].side * _REACH / EDGE)
        neighbours = [j for j, circle in enumerate(circles) if j != i and reach.meets(circle)]
        if not neighbours:
            apart.append(face)
            continue
        alone = photo.copy()
        colour = np.rint(_own_colour(photo, circles, i))
        for j in neighbours:
            for rows, columns in _bands(circles[j], photo.shape):
                alone[rows, columns][_share(circles, j, rows, columns) > 0] = colour
        apart.append(align_face(alone, points, size))
    return apart


def passing(faces: Sequence[AlignedFace]) -> list[tuple[int, ...]]:
    """For each face, the numbers of all faces whose pixels may appear in its crop, including its own.

    The pixels of a face are those of its own crop. Overlapping crops share some of them, because only circles
    are blanked between them, not corners.

    Args:
        faces: all aligned faces of one photo.

    Example:
        >>> there = [AlignedFace(np.zeros((4, 4, 3), np.uint8), np.array([[5, 0, x], [0, 5, 0], [0, 0, 1.0]]),
        ...                      np.ones((4, 4), np.float32)) for x in (0, 18, 60)]
        >>> passing(there)
        [(0, 1), (0, 1), (2,)]
    """
    squares = [_corners(face) for face in faces]
    return [tuple(j for j, other in enumerate(squares) if _overlap(square, other)) for square in squares]


def clear_of_others(faces: Sequence[AlignedFace], i: int, size: int) -> NDArray[np.bool_]:
    """Mask of the pixels of a face's crop that lie on the photo and away from all other faces.

    The distance kept includes mosaics over those faces.

    Args:
        faces: all aligned faces of one photo.
        i: number of the face.
        size: side of the mask in pixels; it covers the whole crop at any resolution.

    Returns:
        (size, size).
    """
    face = faces[i]
    scale = face.pixels.shape[0] / size
    y, x = (np.mgrid[:size, :size] + 0.5) * scale
    points = np.stack([x, y, np.ones_like(x)], -1) @ face.to_photo.T
    inside = Image.fromarray(face.inside).resize(
        (size, size), Image.Resampling.BOX if scale > 1 else Image.Resampling.NEAREST
    )
    clear = np.asarray(inside) > 0.99
    for j, other in enumerate(map(Circle.of, faces)):
        if j != i:
            clear &= (
                np.hypot(points[..., 0] - other.x, points[..., 1] - other.y) > _CLEAR_OF * EDGE * other.side
            )
    return clear


def surrounding_grain(
    photo: NDArray[np.uint8],
    faces: Sequence[AlignedFace],
    i: int,
    cover: NDArray[np.float32],
    skin: NDArray[np.float32],
) -> float:
    """Grain of the unchanged photo around face i, in levels.

    Args:
        photo: (H, W, 3) RGB.
        faces: all faces of the photo, as for `paste_faces`.
        i: 0-based index of the face.
        cover: (P, P) opacity of the new face over the whole crop.
        skin: (P, P), 1 on skin outside the face. It has the face's light and focus, so only it is used if
            there is enough of it.

    Returns:
        The grain, at most `grain.LARGEST`; 0 if too few pixels are available.
    """
    circles = [Circle.of(face) for face in faces]
    around: list[NDArray[np.float32]] = []
    beside: list[NDArray[np.float32]] = []
    for rows, columns in _bands(circles[i], photo.shape):
        stays = _covered(circles, faces, i, Fit(cover), rows, columns) == 0
        for j, other in enumerate(circles):
            if j != i:
                stays &= _distance(other, rows, columns) > _CLEAR_OF * EDGE
        around.append(grains(photo[rows, columns], stays))
        beside.append(
            grains(
                photo[rows, columns],
                stays & (_sampled(skin[..., None], faces[i], rows, columns)[..., 0] > 0.9),
            )
        )
    found = next((found for found in map(_joined, (beside, around)) if len(found) >= _ENOUGH), _joined([]))
    return min(LARGEST, grain_of(found))


def _joined(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(0, np.float32), *parts])


def _corners(face: AlignedFace) -> NDArray[np.float64]:
    """Corners (4, 2), in the photo, of the area from which a crop is sampled."""
    # margin of the resampling filter
    size, more = face.pixels.shape[0], 2 / math.hypot(face.to_photo[0, 0], face.to_photo[1, 0])
    low, high = -more, size + more
    square = np.array([[low, low, 1], [high, low, 1], [high, high, 1], [low, high, 1]])
    return (square @ face.to_photo.T)[:, :2]


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Return whether two squares (4, 2) intersect, by the separating axis theorem."""
    for square in (one, other):
        for axis in (square[1] - square[0], square[3] - square[0]):
            a, b = one @ axis, other @ axis
            if a.max() < b.min() or b.max() < a.min():
                return False
    return True


def _own_colour(photo: NDArray[np.uint8], circles: Sequence[Circle], i: int) -> NDArray[np.float64]:
    total, count = np.zeros(3), 0
    for rows, columns in _bands(circles[i], photo.shape):
        own = photo[rows, columns][_share(circles, i, rows, columns) > 0]
        total, count = total + own.sum(0, dtype=np.float64), count + len(own)
    return total / max(1, count)


def _bands(circle: Circle, shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Yield the photo's rectangle around a circle, a few rows at a time."""
    radius = EDGE * circle.side
    left, right = max(0, math.floor(circle.x - radius)), min(shape[1], math.ceil(circle.x + radius))
    top, bottom = max(0, math.floor(circle.y - radius)), min(shape[0], math.ceil(circle.y + radius))
    if left >= right:
        return
    step = max(1, _BAND // (right - left))
    for start in range(top, bottom, step):
        yield slice(start, min(bottom, start + step)), slice(left, right)


def _share(circles: Sequence[Circle], i: int, rows: slice, columns: slice) -> NDArray[np.float32]:
    """Opacity in [0, 1] of face i on each pixel; 0 where another face is nearer (ties: the earlier face)."""
    distance = _distance(circles[i], rows, columns)
    step = ((EDGE - distance) / (EDGE - CORE)).clip(0, 1)
    share = step * step * (3 - 2 * step)
    for j, other in enumerate(circles):
        if j != i and other.meets(circles[i]):
            far = _distance(other, rows, columns)
            share[far <= distance if j < i else far < distance] = 0
    return share


def _distance(circle: Circle, rows: slice, columns: slice) -> NDArray[np.float32]:
    """Distance of pixel centres from a circle's centre, in units of the crop's side."""
    y = (np.arange(rows.start, rows.stop) + 0.5 - circle.y) / circle.side
    x = (np.arange(columns.start, columns.stop) + 0.5 - circle.x) / circle.side
    return np.hypot(y[:, None], x[None, :]).astype(np.float32)


def _covered(
    circles: Sequence[Circle],
    faces: Sequence[AlignedFace],
    i: int,
    fit: Fit | None,
    rows: slice,
    columns: slice,
) -> NDArray[np.float32]:
    """Opacity in [0, 1] of face i on each pixel, limited by the disc and by its fit."""
    share = _share(circles, i, rows, columns)
    if fit is not None:
        cover = _sampled(fit.cover[..., None], faces[i], rows, columns)[..., 0]
        share = np.minimum(share, np.where(cover < _LEAST, 0, cover.clip(0, 1)))
    return share


def _sampled(crop: NDArray[Any], face: AlignedFace, rows: slice, columns: slice) -> NDArray[np.float32]:
    """Resample an (S, S, C) crop to pixels of the photo, (h, w, C); 0 outside the crop."""
    size = len(crop)
    to_photo = face.to_photo @ np.diag([face.pixels.shape[0] / size, face.pixels.shape[0] / size, 1])
    scale = math.hypot(to_photo[0, 0], to_photo[1, 0])
    small = min(size, max(1, math.ceil(size * scale)))  # reduced before rotation, to avoid aliasing
    to_crop = np.diag([small / size, small / size, 1]) @ np.linalg.inv(to_photo)
    shift = np.array([[1, 0, columns.start], [0, 1, rows.start], [0, 0, 1]])
    affine = tuple((to_crop @ shift).ravel()[:6])
    window = (columns.stop - columns.start, rows.stop - rows.start)

    def sample(plane: NDArray[Any]) -> NDArray[np.float32]:
        picture = Image.fromarray(plane.astype(np.float32))  # in floats, as in `align_face`
        if small < size:
            picture = picture.resize((small, small), Image.Resampling.LANCZOS)
        return np.asarray(picture.transform(window, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC))

    return np.stack([sample(crop[..., c]) for c in range(crop.shape[-1])], -1)


def pasted_region(
    faces: Sequence[AlignedFace], i: int, shape: tuple[int, ...], fit: Fit | None = None
) -> Region | None:
    """Pixels of a photo that `paste_faces` may change for face i; disjoint for different faces.

    Args:
        faces: as for `paste_faces`.
        i: 0-based index of the face.
        shape: shape of the photo.
        fit: fit of the face.

    Returns:
        The region; None if the face is outside the photo, or all its pixels belong to nearer faces.
    """
    circles = [Circle.of(face) for face in faces]
    bands = list(_bands(circles[i], shape))
    if not bands:
        return None
    mask = np.concatenate([_covered(circles, faces, i, fit, rows, columns) > 0 for rows, columns in bands])
    return Region(bands[0][1].start, bands[0][0].start, mask) if mask.any() else None
