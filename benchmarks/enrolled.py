# SPDX-License-Identifier: Apache-2.0
"""How well `semveil protect --enrolled` recognises people, and how often it takes strangers for them.

    python benchmarks/enrolled.py FACES.npz DATA [--people 350]

FACES.npz is a prepared set of faces, DATA the folder that it was prepared from. One LFW photo of each person
enrols the person, a second one of the same person must be recognised, by one reference photo at a time, and
none of anybody else.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from semveil.bulk.enrolled import CROP
from semveil.data.face_set import FaceSet, open_aligned
from semveil.faces.pixels import to_tensor
from semveil.recognition.thresholds import MODEL_SIZE, measured_threshold
from semveil.recognition.verifier import DlibVerifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=int, default=350)
    given = parser.parse_args()
    faces = FaceSet.load(given.faces)
    _, first, count = np.unique(faces.person, return_index=True, return_counts=True)
    several = first[(count > 1) & np.char.startswith(faces.source[first], "lfw/")]
    chosen = np.random.default_rng(5).permutation(several)[: given.people]
    second = np.array([np.flatnonzero(faces.person == faces.person[i])[1] for i in chosen])
    verifier = DlibVerifier()
    enrolled, shown = (
        torch.cat(
            [verifier.embed(to_tensor([open_aligned(given.data, faces.source[i], CROP)])) for i in rows]
        )
        for rows in (chosen, second)
    )
    alike = verifier.similarities(shown, enrolled)
    own = torch.eye(len(chosen), dtype=torch.bool)
    print(f"{len(chosen)} people, crops of {CROP} px")
    for name, threshold in (
        ("used", measured_threshold("dlib", resolution=MODEL_SIZE).threshold),
        ("author's", verifier.threshold),
    ):
        recognised, mistaken = (
            (alike[own] >= threshold).float().mean(),
            (alike[~own] >= threshold).float().mean(),
        )
        print(
            f"{name} threshold {threshold:.4f}: {recognised:.1%} recognised, {mistaken:.3%} of strangers "
            "mistaken"
        )


if __name__ == "__main__":
    main()
