# SPDX-License-Identifier: Apache-2.0
"""What pasting faces back keeps and gives away: how much of a face it covers, who is recognised afterwards,
what it costs.

    python benchmarks/paste.py FACES.npz DATA [--method identity-dp] [--set epsilon=6] [--photos 60]
    [--collection lfw]

FACES.npz is a prepared set of faces, DATA the folder that it was prepared from. Photos of the development
split are protected whole; then the source, the protected crop, and the crops cut out of the photos finished
as a disc and closely along the face are compared by dlib's recogniser.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from semveil.data.align import align_face
from semveil.data.face_set import FaceSet
from semveil.data.faces import find_faces
from semveil.data.fit import fit_faces
from semveil.data.paste import CENTRE, CORE, EDGE, align_apart, paste_faces
from semveil.data.photos import load_photo
from semveil.faces.parts import PARTS
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.methods.options import read_options
from semveil.methods.registry import METHODS, load_method
from semveil.recognition.thresholds import MODEL_SIZE, measured_threshold
from semveil.recognition.verifier import DlibVerifier

_FACE = ("skin", "brows", "eyes", "nose", "mouth", "glasses")


def print_coverage(faces: FaceSet) -> None:
    """Which share of a face's and of hair's pixels, as CelebAMask-HQ labels them, lies within the circle."""
    labels = faces.labels[np.char.startswith(faces.source, "celebamask_hq/")]
    rows, columns = (np.mgrid[: labels.shape[1], : labels.shape[2]] + 0.5) / labels.shape[1]
    radius = np.hypot(columns - CENTRE[0], rows - CENTRE[1])
    for name, limit in (("CORE", CORE), ("EDGE", EDGE)):
        within = [np.isin(labels, [PARTS.index(p) for p in parts]) for parts in (_FACE, ("hair",))]
        face, hair = ((label & (radius <= limit)).sum() / label.sum() for label in within)
        print(
            f"within {name} ({limit}): {face:.1%} of the face, {hair:.1%} of the hair, of {len(labels)} "
            "photos"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--method", default="identity-dp")
    parser.add_argument("--model")
    parser.add_argument("--set", nargs="*", default=[], metavar="OPTION=VALUE")
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--collection", default="lfw", choices=("lfw", "celebamask_hq"))
    given = parser.parse_args()
    faces = FaceSet.load(given.faces)
    print_coverage(faces)

    options = read_options(METHODS[given.method], dict(("--" + text).split("=", 1) for text in given.set))
    method = load_method(given.method, given.model, **options)
    held_out = (faces.split == "development") & np.char.startswith(faces.source, f"{given.collection}/")
    # a photo of each person, so that all others are strangers
    _, first = np.unique(faces.person[held_out], return_index=True)
    sources = faces.source[held_out][first]
    crops: dict[str, list[np.ndarray]] = {"source": [], "protected": [], "disc": [], "closely": []}
    found_again, seconds, several = 0, {"disc": 0.0, "closely": 0.0}, 0
    for source in np.random.default_rng(3).permutation(sources)[: given.photos]:
        photo = load_photo(given.data / str(source).replace("celebamask_hq/", "celebamask_hq/images/"))
        places = [face.landmarks for face in find_faces(photo, thorough=True)]
        aligned = align_apart(photo.pixels, places, method.size)
        protected = to_pixels(method.protect(to_tensor([face.pixels for face in aligned])).images)
        start = time.process_time()
        pasted = {"disc": paste_faces(photo.pixels, aligned, list(protected))}
        seconds["disc"] += time.process_time() - start
        fitted = fit_faces(photo.pixels, places, range(len(places)), list(protected))
        crops_in, fits = [one.crop for one in fitted], {i: one.fit for i, one in enumerate(fitted)}
        pasted["closely"] = paste_faces(photo.pixels, aligned, crops_in, fits=fits)
        seconds["closely"] += time.process_time() - start
        several += len(places) > 1
        found_again += len(find_faces(replace(photo, pixels=pasted["closely"]), thorough=True)) >= 1
        crops["source"].append(align_face(photo.pixels, places[0], method.size).pixels)
        crops["protected"].append(np.asarray(protected[0]))
        for name, pixels in pasted.items():
            crops[name].append(align_face(pixels, places[0], method.size).pixels)
    verifier = DlibVerifier(threshold=measured_threshold("dlib", resolution=MODEL_SIZE).threshold)
    seen = {name: verifier.embed(to_tensor(pixels)) for name, pixels in crops.items()}
    print(
        f"{method.name}: {len(crops['source'])} photos, {several} with several faces, a face found again in "
        f"{found_again}"
    )
    for name in ("protected", *pasted):
        accepted = verifier.same(seen["source"], seen[name]).float().mean()
        distance = (1 - verifier.similarity(seen["source"], seen[name])).mean()
        print(f"{name}: accepted as the same person {accepted:.1%}, mean distance {distance:.3f}")
    strangers = verifier.similarities(seen["source"], seen["source"])
    apart = strangers[~torch.eye(len(strangers), dtype=torch.bool)]
    print(
        f"strangers among the sources: accepted {(apart >= verifier.threshold).float().mean():.1%}, "
        f"{(1 - apart).mean():.3f}"
    )
    for name, taken in seconds.items():
        print(f"pasting, {name}: {taken / len(crops['source']) * 1e3:.1f} ms for a photo")


if __name__ == "__main__":
    main()
