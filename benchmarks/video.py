# SPDX-License-Identifier: Apache-2.0
"""What clips give away over many frames, how much they flicker, and whether a face is missed.

    python benchmarks/video.py DATA [--people 24] [--strangers 200] [--epsilon 6] [--part attack|clips|all]
    [--frames 48]

DATA holds `lfw` as `semveil data prepare` takes it; for the attack it may also be FACES.npz, the `FaceSet`
prepared from it. People are of the development split, which nothing is trained on, and have two photos there:
a clip is made from the first by moving, turning, scaling and lighting it, the second stands in the attacker's
gallery with photos of others of that split. The attacker has 1, 10 or
100 frames of the clip and knows which face is the same in all of them. He averages what recognisers make of
the frames, to take noise away that is drawn anew in each, and of cosines takes off what they make on average
of the other people's clips.

The second part protects clips by the library's own call and reads the output: frames in which a known face is
missed, and the mean absolute difference between each frame and the one before it moved along (levels), of the
source and of the output, in the discs around the source's faces, so that figures compare however a face is
pasted in.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.transform import SimilarityTransform

from semveil.bulk.protect import protect, protection_settings
from semveil.data.align import align_face
from semveil.data.face_set import FaceSet
from semveil.data.faces import find_faces
from semveil.data.paste import pasted_region
from semveil.data.photos import Photo, load_photo
from semveil.data.splits import DEVELOPMENT, split_people
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.faces.template import TEMPLATE
from semveil.methods.registry import load_method
from semveil.methods.release import draw_once, show_draw
from semveil.models.face import load_model
from semveil.recognition.thresholds import MODEL_SIZE, measured_threshold
from semveil.recognition.verifier import BundledVerifier, DlibVerifier, Verifier
from semveil.video.clip import FrameFormat, frames_of, read_clip
from semveil.video.encode import write_stretch
from semveil.video.flicker import flicker

FRAMES = (1, 10, 100)
CROP = 128  # px, of photos in the gallery

Portrait = tuple[NDArray[np.uint8], NDArray[np.float64]]  # a photo and the landmarks of its main face


def held_out_people(data: Path) -> dict[str, list[Path]]:
    """Photos of the people of LFW's development split by name."""
    photos = sorted((data / "lfw").glob("*/*.jpg"))
    split = split_people([path.parent.name for path in photos])
    people: dict[str, list[Path]] = {}
    for path in photos:
        if split[path.parent.name] == DEVELOPMENT:
            people.setdefault(path.parent.name, []).append(path)
    return people


@cache
def main_face(path: Path) -> Portrait | None:
    """A photo and the landmarks of the face in its middle."""
    photo = load_photo(path)
    faces = find_faces(photo)
    if not faces:
        return None
    centre = np.array(photo.pixels.shape[1::-1]) / 2
    face = min(faces, key=lambda face: float(np.linalg.norm(face.landmarks.mean(0) - centre)))
    return photo.pixels, face.landmarks


def prepared_people(path: Path) -> tuple[dict[str, list[int]], Callable[[int], Portrait]]:
    """Rows of a face set that show the people of LFW's development split, by name, and how to look at one."""
    faces = FaceSet.load(path)
    faces = faces.select((faces.split == DEVELOPMENT) & np.char.startswith(faces.source, "lfw/"))
    people: dict[str, list[int]] = {}
    for row, name in enumerate(faces.person.tolist()):
        people.setdefault(name, []).append(row)
    landmarks = TEMPLATE * faces.pixels.shape[1] - 0.5
    return people, lambda row: (faces.pixels[row], landmarks)


def motion(
    frames: int, centre: Sequence[float], rng: np.random.Generator
) -> list[tuple[SimilarityTransform, float]]:
    """For each frame how it is moved, turned and scaled, smoothly, and how bright it is."""
    t = np.arange(frames) / 25
    waves = [
        rng.uniform(0.5, 1) * np.sin(2 * np.pi * rng.uniform(0.2, 0.6) * t + rng.uniform(0, 6))
        for _ in range(5)
    ]
    steps = []
    for x, y, turn, size, light in zip(*waves, strict=True):
        there = SimilarityTransform(translation=(-centre[0], -centre[1]))
        change = SimilarityTransform(scale=1 + 0.12 * size, rotation=0.15 * turn)
        back = SimilarityTransform(translation=(centre[0] + 14 * x, centre[1] + 10 * y))
        steps.append((there + change + back, 1 + 0.06 * light))
    return steps


def moved(pixels: NDArray[np.uint8], step: tuple[SimilarityTransform, float]) -> NDArray[np.uint8]:
    """One frame."""
    transform, light = step
    matrix = np.linalg.inv(np.asarray(transform.params)).ravel()[:6]
    picture = Image.fromarray(pixels).transform(
        (pixels.shape[1], pixels.shape[0]), Image.Transform.AFFINE, tuple(matrix), Image.Resampling.BICUBIC
    )
    return np.rint(np.asarray(picture, np.float32) * light).clip(0, 255).astype(np.uint8)


def crops_of_clip(portrait: Portrait, size: int, frames: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Aligned crops (T, S, S, 3) of a clip that is made from a photo; landmarks jitter as a detector's do."""
    pixels, landmarks = portrait
    wide = np.pad(pixels, ((60, 60), (60, 60), (0, 0)), mode="reflect")
    crops = []
    for step in motion(frames, (landmarks + 60).mean(0).tolist(), rng):
        points = step[0](landmarks + 60) + rng.normal(0, 0.4, (5, 2))
        crops.append(align_face(moved(wide, step), points, size).pixels)
    return np.stack(crops)


def attack(data: Path, people: int, strangers: int, epsilon: float, names: Sequence[str]) -> None:
    """The table of the first part."""
    rng = np.random.default_rng(7)
    known: dict[str, list[Any]]
    face: Callable[[Any], Portrait | None]
    known, face = (held_out_people(data), main_face) if data.is_dir() else prepared_people(data)
    order = rng.permutation(sorted(known)).tolist()
    pairs = list(
        islice((n for n in order if len(known[n]) > 1 and all(face(p) for p in known[n][:2])), people)
    )
    others = list(islice((n for n in order if n not in pairs and face(known[n][0])), strangers))
    shown_there = [known[name][1] for name in pairs] + [known[name][0] for name in others]
    gallery = to_tensor([align_face(*face(photo), CROP).pixels for photo in shown_there])  # type: ignore[misc]
    method = load_method("identity-dp", epsilon=epsilon)
    every: dict[str, Verifier] = {
        "bundled": BundledVerifier(threshold=measured_threshold("bundled", resolution=MODEL_SIZE).threshold),
        "dlib": DlibVerifier(threshold=measured_threshold("dlib", resolution=MODEL_SIZE).threshold),
    }
    judges = [every[name] for name in names]
    kinds = ("source", "one draw", "drawn anew")
    seen: dict[tuple[str, str, int], list[torch.Tensor]] = {}
    for name in pairs:
        images = to_tensor(list(crops_of_clip(face(known[name][0]), method.size, max(FRAMES), rng)))
        with torch.no_grad():
            one = show_draw(method, draw_once(method, images[:1]), images).clamp(-1, 1)
            anew = method.protect(images).images.clamp(-1, 1)
            for kind, frames in zip(kinds, (images, one, anew), strict=True):
                for judge in judges:
                    whole = judge.embed(frames)
                    for count in FRAMES:
                        seen.setdefault((kind, judge.name, count), []).append(
                            whole[:count].mean(0, keepdim=True)
                        )
    for judge in judges:
        shown = judge.embed(gallery)
        for kind in kinds:
            cells = []
            for count in FRAMES:
                means = torch.cat(seen[kind, judge.name, count])
                # what the networks make of everybody tells nothing of one person
                if kind != "source" and judge.name != "dlib":
                    means = means - (means.sum(0) - means) / (len(means) - 1)
                means = means / means.norm(dim=1, keepdim=True) if judge.name != "dlib" else means
                alike = judge.similarities(means, shown)
                first = (alike.argmax(1) == torch.arange(len(pairs))).float().mean()
                own = alike[torch.arange(len(pairs)), torch.arange(len(pairs))]
                cells.append(
                    f"{(own >= judge.threshold).float().mean():.0%} / {first:.0%} / {own.mean():.3f}"
                )
            print(f"| {judge.name} | {kind} | {' | '.join(cells)} |", flush=True)
    print(
        f"{len(pairs)} people, gallery of {len(gallery)}; accepted / first in the gallery / mean likeness at "
        f"{FRAMES} frames"
    )


def generated_scene(rng: torch.Generator) -> NDArray[np.uint8]:
    """Two generated faces side by side on grey."""
    model = load_model()
    with torch.no_grad():
        faces = to_pixels(model.generator.synthesize(model.public_latents(2, rng=rng)).clamp(-1, 1))
    scene = np.full((260, 400, 3), 120, np.uint8)
    for i, pixels in enumerate(faces):
        scene[60:220, 20 + 200 * i : 180 + 200 * i] = np.asarray(
            Image.fromarray(pixels).resize((160, 160), Image.Resampling.LANCZOS)
        )
    return scene


def discs(frame: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the discs around a frame's faces lie."""
    faces = [align_face(frame, face.landmarks, 64) for face in find_faces(Photo(frame, "frame", "frame"))]
    mask = np.zeros(frame.shape[:2], bool)
    for i in range(len(faces)):
        region = pasted_region(faces, i, frame.shape)
        if region is not None:
            region.mark(mask)
    return mask


def clips(data: Path, epsilon: float, count: int, most: int) -> None:
    """The table of the second part."""
    rng, known = np.random.default_rng(11), held_out_people(data)
    scenes = [("generated faces", generated_scene(torch.Generator().manual_seed(3)))]
    names = rng.permutation(sorted(known)).tolist()
    photos = [found for name in names[:8] if (found := main_face(known[name][0])) is not None]
    scenes += [(f"photo {i}", pixels) for i, (pixels, _) in enumerate(photos[:2])]
    scenes.append(("two photos", np.concatenate([photos[3][0], photos[4][0]], 1)))
    methods = {
        "identity-dp, one draw": protection_settings("identity-dp", epsilon=epsilon),
        "identity-dp, drawn anew": protection_settings("identity-dp", epsilon=epsilon, draw_per="frame"),
        "blur": protection_settings("blur", size=64, sigma=5.0),
    }
    with tempfile.TemporaryDirectory() as folder:
        for label, pixels in scenes[:most]:
            height, width = (side // 2 * 2 for side in pixels.shape[:2])
            steps = motion(count, (width / 2, height / 2), rng)
            frames = [moved(pixels[:height, :width], step) for step in steps]
            path = Path(folder, f"{label.replace(' ', '-')}.mp4")
            write_stretch(path, iter(frames), FrameFormat((width, height)))
            for kind, settings in methods.items():
                out = Path(folder, kind.replace(" ", "-"))
                start = time.process_time()
                summary = protect([path], out, method=settings)
                seconds = (time.process_time() - start) / count
                if not summary.accounts:
                    print(f"| {label} | {kind} | {summary.refused[0].reason} |", flush=True)
                    continue
                (account,) = summary.accounts
                facts = account.clip
                assert facts is not None
                source, made = read_clip(path), read_clip(out / account.outputs[-1])
                pairs = [list(frames_of(clip.stretch(0, count))) for clip in (source, made)]
                masks = [discs(frame) for frame in pairs[0]]
                measured = flicker(*pairs, masks)
                print(
                    f"| {label} | {kind} | {len(account.marks)} | {facts.hidden} | {facts.missed} | "
                    f"{facts.elsewhere} | {measured.source:.2f} | {measured.protected:.2f} | "
                    f"{seconds * 1e3:.0f} ms |",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds `lfw`; FACES.npz for the attack")
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--strangers", type=int, default=200, help="in the gallery besides")
    parser.add_argument("--epsilon", type=float, default=6.0)
    parser.add_argument("--part", choices=("attack", "clips", "all"), default="all")
    parser.add_argument("--judges", default="bundled,dlib", help="recognisers of the attacker")
    parser.add_argument("--scenes", type=int, default=4, help="of the second part")
    parser.add_argument("--frames", type=int, default=48, help="of each clip of the second part")
    given = parser.parse_args()
    if given.part != "clips":
        attack(given.data, given.people, given.strangers, given.epsilon, given.judges.split(","))
    if given.part != "attack":
        clips(given.data, given.epsilon, given.frames, given.scenes)


if __name__ == "__main__":
    main()
