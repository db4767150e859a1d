# SPDX-License-Identifier: Apache-2.0
"""What the recognisers are worth on small aligned faces, and what each measurement costs.

    python benchmarks/metrics.py FACES.npz PAIRS.txt [--onnx RECOGNISER.onnx] [--images 2000]

FACES.npz is a prepared `FaceSet` with LFW's photos (people held out from training are not used), PAIRS.txt
LFW's list in its folder of photos. For each verifier: threshold at FAR 1e-3 from all pairs among the images,
accuracy by LFW's protocol on the listed pairs among them, both rates at the verifier's own threshold, seconds
per image. Prints one JSON object; run it with OMP_NUM_THREADS=1 and, for LPIPS, SEMVEIL_HOME set to where its
weights lie.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semveil.core.weights import WeightsMissing
from semveil.data.face_set import FaceSet
from semveil.data.pairs import Pair, read_pairs
from semveil.faces.pixels import to_tensor
from semveil.metrics import LPIPS, face_detected, psnr, ssim
from semveil.recognition import DlibVerifier, OnnxVerifier, Verifier, calibrate, pair_accuracy

FAR = 1e-3


def choose(faces: FaceSet, listed: Sequence[Pair], most: int) -> tuple[FaceSet, np.ndarray, list[Pair]]:
    """Images of listed pairs, drawn until there are `most`; each pair as two indices into them; the pairs.

    Args:
        faces: of which those not held out are used.
        listed: pairs of LFW's list.
        most: images, at most.
    """
    usable = {source: i for i, source in enumerate(faces.source) if not faces.held_out[i]}
    key = lambda photo: f"lfw/{photo.parent.name}/{photo.name}"  # noqa: E731
    pairs = [pair for pair in listed if key(pair.first) in usable and key(pair.second) in usable]
    pairs = [pairs[i] for i in np.random.default_rng(0).permutation(len(pairs))]
    images: dict[int, int] = {}
    index = []
    for pair in pairs:
        if len(images) + 2 > most:
            break
        index.append(
            [images.setdefault(usable[key(photo)], len(images)) for photo in (pair.first, pair.second)]
        )
    return faces.select(np.array(list(images))), np.array(index), pairs[: len(index)]


def judge(verifier: Verifier, faces: FaceSet, index: np.ndarray, pairs: Sequence[Pair]) -> dict:
    """Calibrate one verifier and hold it against the listed pairs.

    Args:
        verifier: calibrated and judged.
        faces: the chosen images.
        index: (P, 2) rows of the pairs.
        pairs: P pairs, with folds and whether they show one person.
    """
    size = faces.pixels.shape[1]
    start = time.perf_counter()
    embeddings = verifier.embed(to_tensor(faces.pixels))
    seconds = (time.perf_counter() - start) / len(faces)
    rng = torch.Generator().manual_seed(0)
    calibration = calibrate(verifier, embeddings, faces.person, resolution=size, far=FAR, rng=rng)
    scores = verifier.similarity(embeddings[index[:, 0]], embeddings[index[:, 1]]).numpy()
    accuracy, error = pair_accuracy(
        scores, np.array([p.same for p in pairs]), np.array([p.fold for p in pairs])
    )
    person = np.unique(faces.person, return_inverse=True)[1]
    i, j = np.triu_indices(len(person), 1)
    accepted = (verifier.similarities(embeddings, embeddings).numpy() >= verifier.threshold)[i, j]
    own = {"threshold": verifier.threshold} | {
        name: float(accepted[(person[i] == person[j]) == same].mean())
        for name, same in (("far", False), ("tar", True))
    }
    return asdict(calibration) | {
        "lfw_pairs": len(pairs),
        "lfw_accuracy": accuracy,
        "lfw_accuracy_standard_error": error,
        "at_own_threshold": own,
        "seconds_per_image": seconds,
    }


def seconds_per_image(call: Callable[[Tensor], object], images: Tensor) -> float:
    """Wall time for each image, of a second call.

    Args:
        call: what is timed, on the whole batch.
        images: (N, 3, S, S).
    """
    call(images)
    start = time.perf_counter()
    call(images)
    return (time.perf_counter() - start) / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faces", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--onnx", type=Path)
    parser.add_argument("--images", type=int, default=2000)
    options = parser.parse_args()

    everyone = FaceSet.load(options.faces)
    listed = read_pairs(options.pairs, options.pairs.parent).pairs
    faces, index, pairs = choose(everyone, listed, options.images)
    verifiers: list[Verifier] = [DlibVerifier()]
    if options.onnx:
        verifiers.append(OnnxVerifier(options.onnx, threshold=0.3))
    result: dict = {"verifiers": [judge(verifier, faces, index, pairs) for verifier in verifiers]}

    celeb = everyone.select(np.char.startswith(everyone.source, "celebamask_hq/"))
    samples = {"lfw": to_tensor(faces.pixels[:200])}
    if len(celeb):
        samples["celebamask_hq"] = to_tensor(celeb.pixels[:200])
    result["face_detected"] = {
        name: face_detected(images).float().mean().item() for name, images in samples.items()
    }
    images = samples["lfw"][:32]
    calls: dict[str, Callable[[Tensor], object]] = {
        "psnr": lambda x: psnr(x, x.flip(0)),
        "ssim": lambda x: ssim(x, x.flip(0)),
    }
    try:
        distance = LPIPS.from_catalogue("alex")
        calls["lpips"] = lambda x: distance(x, x.flip(0))
    except WeightsMissing as missing:
        result["lpips"] = str(missing)
    calls["face_detected"] = face_detected
    result["seconds_per_image"] = {name: seconds_per_image(call, images) for name, call in calls.items()}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
