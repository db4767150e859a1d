# SPDX-License-Identifier: Apache-2.0
"""Measure a face model on people it was not trained on: the figures of its model card.

Run: python -m semveil.experiments.models.face_model MODEL FACES.npz [--verifier edgeface] [--out figures.json]
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.core.files import write_whole
from semveil.core.parts import PRIVATE_CODES
from semveil.core.pixels import to_tensor
from semveil.core.registry import suggest
from semveil.core.rng import streams
from semveil.core.weights import WeightsMissing
from semveil.data.face_set import FaceSet
from semveil.data.splits import DEVELOPMENT, TEST
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.face_model import FaceModel, load_model
from semveil.metrics import face_detected, fppsr, lpips, psnr, ssim
from semveil.nn.lpips import Net
from semveil.recognition.by_name import VERIFIERS, load_verifier

RANDOM_FACES = 200


def measure_model(
    model: FaceModel,
    faces: FaceSet,
    *,
    verifiers: tuple[str, ...] = ("dlib",),
    split: str = TEST,
    photos: int = 200,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Figures of a model, JSON-ready.

    Args:
        faces: prepared photos; `photos` of the split are measured, those of the training split serve the memorisation check.
        split: `test`, or `development`, whose people choices looked at.
        verifiers: recognisers, each at its threshold for a false acceptance rate of 0.1 % at the model's resolution.
        samples: random faces for the memorisation check; 200 of them for the detector.
    """
    rng = streams(seed)["figures"]
    held = np.flatnonzero(faces.split == split)
    held = np.sort(held[torch.randperm(len(held), generator=rng)[:photos].numpy()])
    source = to_tensor(faces.select(held).pixels)
    codes, seconds = _inverted(model, source)
    inverted = _synthesize(model, codes)

    spread = codes.std(0)
    private = list(PRIVATE_CODES)
    swapped, noised, noised_all = codes.clone(), codes.clone(), codes.clone()
    swapped[:, private] = codes.roll(1, 0)[:, private]
    noised[:, private] += torch.randn(noised[:, private].shape, generator=rng) * spread[private]
    noised_all += torch.randn(codes.shape, generator=rng) * spread
    sampled = _synthesize(model, model.random_faces(samples, rng=rng))
    drawn = _synthesize(model, model.public_latents(RANDOM_FACES, rng=rng))
    wrong_key = _synthesize(model, _as_without_key(model, codes[torch.randint(len(codes), (RANDOM_FACES,), generator=rng)]))

    figures: dict[str, Any] = {
        "photos": len(source),
        "split": split,
        "held_out": f"{len(set(faces.person[held]))} people, none of them in training",
        "threads": torch.get_num_threads(),
        "encoder_only": _quality(source, _synthesize(model, model.start_codes(source)), verifiers),
        "inversion": {**model.describe_inversion(), "seconds": seconds, **_quality(source, inverted, verifiers)},
        "verifiers": [load_verifier(name, resolution=model.size)[1] for name in verifiers],
    }
    shown = {
        "source": source,
        "inversion": inverted,
        "mapping_samples": sampled[:RANDOM_FACES],
        "prior_samples": drawn,
        "without_key": wrong_key,
        "private_codes_swapped": _synthesize(model, swapped),
        "private_codes_noised_by_their_spread": _synthesize(model, noised),
        "all_codes_noised_by_their_spread": _synthesize(model, noised_all),
    }
    strangers = {"prior_samples": drawn, "without_key": wrong_key}
    figures["face_detected"] = {name: float(face_detected(images).float().mean()) for name, images in shown.items()}
    figures["similarity_among"] = {
        name: {kind: _similarity_among(images, name) for kind, images in strangers.items()} for name in verifiers
    }
    figures["memorisation"] = _memorisation(to_tensor(faces.select(~faces.held_out).pixels), sampled, source)
    return figures


def _synthesize(model: FaceModel, codes: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([model.generator.synthesize(part) for part in codes.split(64)]).clamp(-1, 1)


def _as_without_key(model: FaceModel, codes: Tensor) -> Tensor:
    """What a listener without the key reads of codes under `rotation`."""
    protector = DPSemCom(model, protection="rotation").protector
    return model.box.clip(protector.interpret(protector.protect(codes).block))


def _similarity_among(images: Tensor, verifier: str) -> float:
    """Mean similarity of two of the faces, on the verifier's scale: how far they are all one type."""
    recogniser, _ = load_verifier(verifier, resolution=images.shape[-1])
    vectors = recogniser.embed(images)
    first, second = torch.triu_indices(len(images), len(images), offset=1)
    return float(recogniser.similarities(vectors, vectors)[first, second].mean())


def _inverted(model: FaceModel, source: Tensor) -> tuple[Tensor, float]:
    """Clipped codes, and seconds per photo, encoder and optimisation together."""
    began = time.perf_counter()
    found = model.invert(source)
    return model.box.clip(found.codes), (time.perf_counter() - began) / len(source)


def _quality(source: Tensor, images: Tensor, verifiers: tuple[str, ...]) -> dict[str, Any]:
    quality: dict[str, Any] = {"psnr": float(psnr(images, source).mean()), "ssim": float(ssim(images, source).mean())}
    nets: tuple[tuple[str, Net], ...] = (("lpips", "alex"), ("lpips_squeeze", "squeeze"))
    for metric, net in nets:
        try:
            quality[metric] = float(lpips(images, source, net=net).mean())
        except WeightsMissing as error:
            quality |= {metric: None, f"{metric}_reason": str(error)}
    for name in verifiers:
        verifier, _ = load_verifier(name, resolution=source.shape[-1])
        quality[f"accepted_{name}"] = 1 - float(fppsr(source, images, verifier).mean())
    return quality


def _memorisation(training: Tensor, sampled: Tensor, held_out: Tensor) -> dict[str, float]:
    """Root-mean-square distance to the nearest training photo: samples that copy would lie far nearer than new photos do."""
    nearest = {
        name: torch.cdist(images.flatten(1), training.flatten(1)).min(1).values / images[0].numel() ** 0.5
        for name, images in (("samples", sampled), ("held_out_photos", held_out))
    }
    return {
        "samples": len(sampled),
        **{
            f"{name}_{label}": float(v.quantile(q))
            for name, v in nearest.items()
            for label, q in (("least", 0.0), ("median", 0.5))
        },
    }


def main() -> None:
    """Command line: print the figures, or write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("faces", type=Path)
    parser.add_argument("--verifier", action="append", help=f"one of {', '.join(VERIFIERS)}; may be repeated; dlib by default")
    parser.add_argument("--split", choices=[DEVELOPMENT, TEST], default=TEST)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    verifiers = tuple(arguments.verifier or ["dlib"])
    for name in verifiers:
        if name not in list(VERIFIERS):
            parser.error(f"no verifier named {name!r}{suggest(name, VERIFIERS)}")
    figures = measure_model(
        load_model(arguments.model),
        FaceSet.load(arguments.faces),
        verifiers=verifiers,
        split=arguments.split,
        photos=arguments.photos,
    )
    text = json.dumps(figures, indent=1) + "\n"
    if arguments.out:
        write_whole(arguments.out, text)
    print(text, end="")


if __name__ == "__main__":
    main()
