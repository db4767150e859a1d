# SPDX-License-Identifier: Apache-2.0
"""Preservation of a face's geometry, from landmarks: position, eye and mouth opening, gaze, head pose."""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

# Indices in MediaPipe's mesh: iris centres; for each eye, its corners and the middles of its lids; for the
# mouth, the same points of the inner lips.
IRISES = (468, 473)
EYES = ((33, 133, 159, 145), (362, 263, 386, 374))
MOUTH = (78, 308, 13, 14)


def landmark_error(first: Points, second: Points, eye_distance: float) -> float:
    """Mean distance of corresponding points over the eye distance (normalised mean error).

    Args:
        first: (N, 2) in pixels.
        second: (N, 2) in the same pixels.
        eye_distance: eye distance of the photo in pixels, > 0.

    Raises:
        ValueError: the shapes differ or are not (N, 2), or `eye_distance` is not positive.

    Example:
        >>> landmark_error(np.zeros((2, 2)), np.array([[3.0, 4.0], [0.0, 0.0]]), 10.0)
        0.25
    """
    if first.shape != second.shape or first.ndim != 2 or first.shape[1] != 2:
        raise ValueError(f"points are (N, 2) in both pictures, got {first.shape} and {second.shape}")
    if not eye_distance > 0:
        raise ValueError(f"the distance of the eyes must be above 0, got {eye_distance}")
    return float(np.linalg.norm(first - second, axis=1).mean() / eye_distance)


def eye_distance(mesh: Points) -> float:
    """Distance between the irises in the image plane, in the unit of the mesh.

    Args:
        mesh: (478, 3).
    """
    return float(np.linalg.norm(mesh[IRISES[0], :2] - mesh[IRISES[1], :2]))


def mouth_opening(mesh: Points) -> float:
    """Height over width of the gap between the lips.

    Args:
        mesh: (478, 3).
    """
    return _opening(mesh, MOUTH)


def eye_opening(mesh: Points) -> float:
    """Height over width of the gap between the lids, mean of both eyes.

    Args:
        mesh: (478, 3).
    """
    return (_opening(mesh, EYES[0]) + _opening(mesh, EYES[1])) / 2


def gaze(mesh: Points) -> Points:
    """Iris positions relative to the midpoint of the eye corners, in eye widths.

    Args:
        mesh: (478, 3).

    Returns:
        (2, 2): per eye, the components along and across the line between the corners.
    """
    found = []
    for iris, (outer, inner, _, _) in zip(IRISES, EYES, strict=True):
        along = mesh[inner, :2] - mesh[outer, :2]
        offset = mesh[iris, :2] - (mesh[inner, :2] + mesh[outer, :2]) / 2
        square = max(float(along @ along), 1e-12)
        found.append([offset @ along / square, (along[0] * offset[1] - along[1] * offset[0]) / square])
    return np.array(found)


def gaze_error(first: Points, second: Points) -> float:
    """Displacement of the irises within their eyes, in eye widths, mean of both eyes.

    Args:
        first: (478, 3) mesh.
        second: (478, 3) mesh.
    """
    return float(np.linalg.norm(gaze(first) - gaze(second), axis=1).mean())


def pose_error(first: Points, second: Points) -> float:
    """Rotation angle between two heads in degrees (Kabsch algorithm); independent of position and size.

    Different facial proportions affect the fit slightly.

    Args:
        first: (N, 3) mesh.
        second: (N, 3) mesh with corresponding points.

    Returns:
        Angle in [0, 180].

    Example:
        >>> mesh = np.random.default_rng(0).normal(size=(20, 3))
        >>> turned = mesh @ np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        >>> round(pose_error(mesh, turned), 6)
        90.0
    """
    a, b = first - first.mean(0), second - second.mean(0)
    u, _, vt = np.linalg.svd(a.T @ b)
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    cosine = (np.trace(u @ mirror @ vt) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _opening(mesh: Points, corners_and_middle: tuple[int, int, int, int]) -> float:
    left, right, upper, lower = corners_and_middle
    width = float(np.linalg.norm(mesh[left, :2] - mesh[right, :2]))
    return float(np.linalg.norm(mesh[upper, :2] - mesh[lower, :2])) / max(width, 1e-6)
