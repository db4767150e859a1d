# SPDX-License-Identifier: Apache-2.0
"""What the bundled identity encoder is worth, beside recognisers that had no part in it.

    python benchmarks/identity_encoder.py FACES.npz PAIRS.txt [--encoder FILE] [--onnx RECOGNISER.onnx]
    [--dlib] [--split test]

FACES.npz is a prepared `FaceSet` with LFW's photos, PAIRS.txt LFW's list in its folder of photos. For each
verifier: accuracy on balanced pairs of people of the split; threshold and true acceptance at FAR 1e-3 among
all pairs of them, of whom at most five photos count; mean and spread of strangers' similarities; seconds per
image. For the encoder also: accuracy on LFW's own list, on most of whose photos it was trained, without
names. Prints JSON; run it with OMP_NUM_THREADS=1.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from semveil.data.face_set import FaceSet
from semveil.data.held_out_pairs import held_out_accuracy
from semveil.data.pairs import Pair, read_pairs
from semveil.faces.pixels import to_tensor
from semveil.recognition import (
    BundledVerifier,
    DlibVerifier,
    OnnxVerifier,
    Verifier,
    calibrate,
    pair_accuracy,
)
from semveil.recognition.identity_encoder import load_identity_encoder

FAR = 1e-3
MOST = 5  # photos of one person behind the threshold


def people_of(faces: FaceSet, split: str) -> FaceSet:
    """At most `MOST` photos of each of LFW's people in a split."""
    rows = np.flatnonzero((faces.split == split) & np.char.startswith(faces.source, "lfw/"))
    rows = np.random.default_rng(0).permutation(rows)
    number = {
        int(row): int((faces.person[rows[:k]] == faces.person[row]).sum()) for k, row in enumerate(rows)
    }
    return faces.select(np.array(sorted(row for row, earlier in number.items() if earlier < MOST)))


def on_lfw_list(verifier: Verifier, faces: FaceSet, listed: Sequence[Pair]) -> dict:
    """LFW's protocol on the listed pairs of which both photos are in the set.

    Args:
        verifier: judged.
        faces: with photos of LFW.
        listed: pairs of the list, with their folds.
    """
    row = {source: i for i, source in enumerate(faces.source.tolist())}
    index = [
        [row.get(f"lfw/{p.parent.name}/{p.name}", -1) for p in (pair.first, pair.second)] for pair in listed
    ]
    chosen = [pair for pair, places in zip(listed, index, strict=True) if min(places) >= 0]
    places = np.array([both for both in index if min(both) >= 0])
    rows, where = np.unique(places, return_inverse=True)
    with torch.no_grad():
        embeddings = verifier.embed(to_tensor(faces.pixels[rows]))
    where = where.reshape(places.shape)
    scores = verifier.similarity(embeddings[where[:, 0]], embeddings[where[:, 1]]).numpy()
    accuracy, error = pair_accuracy(
        scores, np.array([p.same for p in chosen]), np.array([p.fold for p in chosen])
    )
    return {"lfw_pairs": len(chosen), "lfw_accuracy": accuracy, "lfw_accuracy_standard_error": error}


def judge(verifier: Verifier, faces: FaceSet, listed: Sequence[Pair] | None, split: str) -> dict:
    """All figures of one verifier.

    Args:
        verifier: judged.
        faces: photos with names and splits.
        listed: LFW's pairs; None leaves out its protocol.
        split: people that are measured on.
    """
    accuracy, error = held_out_accuracy(verifier, faces, split=split)
    people = people_of(faces, split)
    images = to_tensor(people.pixels)
    start = time.process_time()
    with torch.no_grad():
        embeddings = verifier.embed(images)
    seconds = (time.process_time() - start) / len(images)
    rng = torch.Generator().manual_seed(0)
    calibration = calibrate(
        verifier, embeddings, people.person, resolution=images.shape[-1], far=FAR, rng=rng
    )
    i, j = np.triu_indices(len(people), 1)
    strangers = verifier.similarities(embeddings, embeddings).numpy()[i, j][
        people.person[i] != people.person[j]
    ]
    return {
        **asdict(calibration),
        "split": split,
        "held_out_accuracy": accuracy,
        "held_out_accuracy_standard_error": error,
        "strangers": {"mean": float(strangers.mean()), "std": float(strangers.std())},
        "seconds_per_image": seconds,
        **(on_lfw_list(verifier, faces, listed) if listed else {}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faces", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--encoder", help="a file of weights; the bundled one by default")
    parser.add_argument("--onnx", type=Path)
    parser.add_argument("--dlib", action="store_true", help="dlib too, at 0.1 s per image")
    parser.add_argument("--split", choices=("development", "test"), default="development")
    options = parser.parse_args()

    faces = FaceSet.load(options.faces)
    listed = read_pairs(options.pairs, options.pairs.parent).pairs
    encoder = load_identity_encoder(options.encoder) if options.encoder else load_identity_encoder()
    result = [judge(BundledVerifier(encoder, threshold=0.0), faces, listed, options.split)]
    if options.onnx:
        result.append(judge(OnnxVerifier(options.onnx, threshold=0.0), faces, None, options.split))
    if options.dlib:
        result.append(judge(DlibVerifier(), faces, None, options.split))
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
