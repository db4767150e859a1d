# SPDX-License-Identifier: Apache-2.0
"""Processing of one stretch of a clip by a worker.

Its faces are detected, then replaced, hidden or covered, and the result is written.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from semveil.bulk.account import Fate
from semveil.bulk.pictures import outline_passes, soften
from semveil.bulk.settings import Settings
from semveil.bulk.sources import sha256_of
from semveil.bulk.task import method_of
from semveil.data.align import AlignedFace
from semveil.data.cover import cover_faces, hide_faces
from semveil.data.detection import resolve_detector
from semveil.data.faces import find_faces
from semveil.data.fit import Fitted, fit_faces
from semveil.data.paste import align_apart, paste_faces, pasted_region
from semveil.data.photos import Photo
from semveil.data.regions import Region
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.methods.release import Draw, ImageMethod, is_noiseless, show_draw
from semveil.recognition.dlib_faces import Face
from semveil.video.clip import FrameFormat, Stretch, frames_of
from semveil.video.encode import write_stretch
from semveil.video.missed import Box, missed, still_shown
from semveil.video.tracks import Place, Shown, Sighting, sharpness, thumbnail

_TOGETHER = 8  # frames per batch of the networks
LEAD = 8  # frames fitted before a stretch; older ones together would weigh a tenth


@dataclass(frozen=True)
class Looked:
    """Detections in a stretch, JSON-ready.

    Attributes:
        faces: for each frame, its faces as returned by `Sighting.as_dict`.
        thumbnails: for each frame, its thumbnail as hexadecimal digits.
    """

    faces: list[list[dict[str, Any]]]
    thumbnails: list[str]


@dataclass(frozen=True, eq=False)
class Drawing:
    """A stretch to be written.

    Attributes:
        stretch: its frames.
        kind: format of the frames.
        path: file to write.
        method_digest: `Settings.digest` in the process that started the run.
        places: for each frame, the places of the clip's faces, by number.
        fates: fate of each face, by number.
        draws: draws of protected faces, by number; empty if each frame is protected separately.
        known: for each frame, boxes of faces of the source that must not be visible.
        softened: numbers of the faces whose new faces are blurred.
        lead: preceding frames, processed but not written, so that stretches join without jumps.
    """

    stretch: Stretch
    kind: FrameFormat
    path: str
    method_digest: str
    places: tuple[Mapping[int, Place], ...]
    fates: Mapping[int, Fate]
    draws: Mapping[int, Draw]
    known: tuple[tuple[Box, ...], ...]
    softened: tuple[int, ...] = ()
    lead: "Lead | None" = None


@dataclass(frozen=True, eq=False)
class Lead:
    """Frames that precede a stretch.

    Attributes:
        stretch: the frames.
        places: for each frame, the places of the clip's faces, by number.
    """

    stretch: Stretch
    places: tuple[Mapping[int, Place], ...]


@dataclass(frozen=True)
class Drawn:
    """Result of writing a stretch, JSON-ready.

    Attributes:
        sha256: digest of the file.
        missed: indices in the clip of the frames with a missed face, see `ClipFacts`.
        elsewhere: as in `ClipFacts`.
    """

    sha256: str
    missed: list[int]
    elsewhere: int


@dataclass(eq=False)
class _Frame:
    """A frame while it is processed.

    `crops` are the new crops of the faces of `aligned` that are replaced, `close` the faces whose outline may
    pass, `fitted` how these are pasted.
    """

    pixels: NDArray[np.uint8]
    numbers: list[int]
    places: list[Place]
    aligned: list[AlignedFace] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    crops: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    close: list[int] = field(default_factory=list)
    fitted: dict[int, Fitted] = field(default_factory=dict)


def look_for_faces(stretch: Stretch, detector: str) -> Looked:
    """Detect all faces in every frame, with their sharpness, and compute the thumbnails that separate shots.

    Args:
        stretch: frames to search.
        detector: name of the face detector, as for `find_faces`.

    Raises:
        ClipError: the clip cannot be read, or changed since it was examined.
    """
    faces, thumbnails = [], []
    for pixels in frames_of(stretch):
        found = find_faces(as_photo(pixels), thorough=True, detector=detector)
        faces.append([_sighting(pixels, face) for face in found])
        thumbnails.append(thumbnail(pixels).tobytes().hex())
    return Looked(faces, thumbnails)


def write_protected(task: Drawing, settings: Settings) -> Drawn:
    """Protect and encode a stretch, then detect faces in the encoded frames.

    Args:
        task: frames, places and draws of the faces, and the file to write.
        settings: settings of the run.

    Returns:
        Digest of the file, and what the detectors find in it.

    Raises:
        BulkError: this process has another model or version than the one that started the run.
        ClipError: the clip cannot be read, or changed since it was examined.
        OutputError: the file cannot be written, for example on a full disk.
    """
    method = method_of(settings, task.method_digest, clip=True)
    altered: list[list[Region]] = []
    frames, places, skipped = frames_of(task.stretch), task.places, 0
    if task.lead is not None:
        frames = itertools.chain(frames_of(task.lead.stretch), frames)
        places, skipped = (*task.lead.places, *places), len(task.lead.places)

    def protected() -> Iterator[NDArray[np.uint8]]:
        made = protect_frames(frames, places, task.fates, task.draws, method, task.softened)
        for pixels, regions in itertools.islice(made, skipped, None):
            altered.append(regions)
            yield pixels

    write_stretch(task.path, protected(), task.kind)
    return Drawn(sha256_of(task.path).hex(), *_looked_through(task, altered))


def protect_frames(
    frames: Iterator[NDArray[np.uint8]],
    places: Sequence[Mapping[int, Place]],
    fates: Mapping[int, Fate],
    draws: Mapping[int, Draw],
    method: ImageMethod,
    softened: Collection[int] = (),
) -> Iterator[tuple[NDArray[np.uint8], list[Region]]]:
    """Replace, hide or cover the faces of frames.

    Args:
        frames: (H, W, 3) RGB.
        places: for each frame, the places of its faces, by number.
        fates: fates of the faces, by number.
        draws: draws of protected faces, by number; a face without one is protected in each frame separately.
        method: applies the draws.
        softened: numbers of the faces whose new faces are blurred.

    Yields:
        Each frame with its altered regions.
    """
    pairs = zip(frames, places, strict=True)
    before: dict[int, Fitted] = {}
    while batch := list(itertools.islice(pairs, _TOGETHER)):
        made = [_Frame(pixels, list(there), list(there.values())) for pixels, there in batch]
        _replace_faces(made, fates, draws, method, softened)
        for frame in made:
            _fit_closely(frame, before)
            before = {frame.numbers[i]: one for i, one in frame.fitted.items()}
            yield _finished(frame, fates)


def _fit_closely(frame: _Frame, before: Mapping[int, Fitted]) -> None:
    """Fit the faces whose outline may pass, starting from their previous fits `before`, by face number."""
    if frame.close:
        landmarks, crops = [place.landmarks for place in frame.places], [frame.crops[i] for i in frame.close]
        last = [before.get(frame.numbers[i]) for i in frame.close]
        frame.fitted = dict(
            zip(frame.close, fit_faces(frame.pixels, landmarks, frame.close, crops, last), strict=True)
        )


def _replace_faces(
    frames: Sequence[_Frame],
    fates: Mapping[int, Fate],
    draws: Mapping[int, Draw],
    method: ImageMethod,
    softened: Collection[int],
) -> None:
    """Compute the new crops, batched by face number."""
    jobs: dict[int, list[tuple[_Frame, int]]] = {}
    for frame in frames:
        frame.replaced = [
            i
            for i, (number, place) in enumerate(zip(frame.numbers, frame.places, strict=True))
            if fates[number] == Fate.PROTECTED and place.shown == Shown.REPLACED
        ]
        if frame.replaced:
            frame.aligned = align_apart(
                frame.pixels, [place.landmarks for place in frame.places], method.size
            )
        for i in frame.replaced:
            jobs.setdefault(frame.numbers[i], []).append((frame, i))
    for number, where in jobs.items():
        images = to_tensor([frame.aligned[i].pixels for frame, i in where])
        with torch.no_grad():
            if number in draws:
                made, claim = show_draw(method, draws[number], images), draws[number].guarantee
            else:
                release = method.protect(images)
                made, claim = release.images, release.guarantee
        for (frame, i), pixels in zip(where, to_pixels(made), strict=True):
            frame.crops[i] = soften(pixels) if number in softened else pixels
            if outline_passes(claim):
                frame.close.append(i)


def _finished(frame: _Frame, fates: Mapping[int, Fate]) -> tuple[NDArray[np.uint8], list[Region]]:
    pixels, regions = frame.pixels, []
    if frame.replaced:
        toned = {i: one.crop for i, one in frame.fitted.items()}
        crops = [toned.get(i, frame.crops.get(i)) for i in range(len(frame.places))]
        fits = {i: one.fit for i, one in frame.fitted.items()}
        pixels = paste_faces(pixels, frame.aligned, crops, fits=fits)
        found = (pasted_region(frame.aligned, i, pixels.shape, fits.get(i)) for i in frame.replaced)
        regions = [region for region in found if region is not None]
    others = [(fates[number], place.face) for number, place in zip(frame.numbers, frame.places, strict=True)]
    hidden = [
        face for i, (fate, face) in enumerate(others) if fate == Fate.PROTECTED and i not in frame.replaced
    ]
    pixels, over = hide_faces(pixels, hidden, taken=regions)
    regions += [region for region in over if region is not None]
    pixels, over = cover_faces(pixels, [face for fate, face in others if fate == Fate.COVERED], taken=regions)
    return pixels, regions + [region for region in over if region is not None]


def _looked_through(task: Drawing, altered: Sequence[Sequence[Region]]) -> tuple[list[int], int]:
    """Encoded frames with a missed known face, and the number of frames where something else is found.

    A known face is missed if any detector by itself has a box on it. Finds elsewhere are those of the
    detectors together, since each alone also takes folds and foliage for faces.
    """
    written = Stretch(task.path, 0, tuple(range(len(altered))), 0, seekable=False)
    together = resolve_detector("auto")  # all available, whichever searched the source
    lost, elsewhere = [], 0
    frames = zip(frames_of(written), altered, task.known, task.places, strict=True)
    for index, (pixels, regions, known, there) in enumerate(frames, task.stretch.first):
        left = [place.box for number, place in there.items() if task.fates[number] == Fate.LEFT]
        shown = _still_found(pixels, regions, left, together, thorough=True)
        alone = (_still_found(pixels, regions, left, one) for one in _by_itself(together)) if known else ()
        if missed(shown, known) or any(missed(boxes, known) for boxes in alone):
            lost.append(index)
        elif shown:
            elsewhere += 1
    return lost, elsewhere


def _still_found(
    pixels: NDArray[np.uint8],
    altered: Sequence[Region],
    left: Sequence[Box],
    detector: str,
    *,
    thorough: bool = False,
) -> list[Box]:
    """Boxes of a detector outside the altered regions, without those of faces `left` as they are."""
    found = find_faces(as_photo(pixels), thorough=thorough, detector=detector)
    shown = still_shown([face.box for face in found], altered, pixels.shape)
    return [box for box in shown if not missed([box], left)]


def _by_itself(together: str) -> tuple[str, ...]:
    """Detectors that `together` combines.

    The combination finds less than its parts: it drops faint finds that the other detector does not confirm
    and doubtful ones inside a sure face, and has one box for what both find.
    """
    return ("dlib", "yunet") if together == "union" else ()


def as_photo(pixels: NDArray[np.uint8]) -> Photo:
    """Wrap a frame as a `Photo`, the input type of detectors.

    Args:
        pixels: (H, W, 3) RGB uint8, upright.
    """
    return Photo(pixels, "frame", "frame")


def draws_once(method: ImageMethod, settings: Settings) -> bool:
    """Whether one draw of the noise serves all frames of a face.

    True for `draw_per="track"`, unless the method adds no noise.

    Args:
        method: the protection.
        settings: settings of the run.
    """
    return settings.draw_per == "track" and not is_noiseless(method)


def stretch_file(stretch: Stretch) -> str:
    """File name of an encoded stretch, by its first frame.

    Args:
        stretch: stretch of the source.
    """
    return f"frames-{stretch.first:08d}.mp4"


def _sighting(pixels: NDArray[np.uint8], face: Face) -> dict[str, Any]:
    return Sighting(face, sharpness(pixels, face)).as_dict()
