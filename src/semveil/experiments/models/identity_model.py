# SPDX-License-Identifier: Apache-2.0
"""Measure an identity model on people it was not trained on, before any mechanism: the figures of its model card.

Run: python -m semveil.experiments.models.identity_model MODEL FACES.npz [--verifier edgeface] [--out figures.json]
"""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.core.files import write_whole
from semveil.core.pixels import to_tensor
from semveil.core.registry import suggest
from semveil.core.rng import streams
from semveil.core.weights import WeightsMissing
from semveil.data.face_set import FaceSet
from semveil.encoders.attributes import coarsened
from semveil.methods.identity_model import IdentityModel, load_identity_model
from semveil.metrics import face_detected, fppsr, lpips, psnr, psr, ssim
from semveil.nn.lpips import Net
from semveil.recognition import Verifier
from semveil.recognition.by_name import VERIFIERS, Remembering, load_verifier

COARSE_SIDES = (16, 8)


def measure_identity_model(
    model: IdentityModel,
    faces: FaceSet,
    *,
    verifiers: Mapping[str, Verifier],
    photos: int = 200,
    seed: int = 0,
) -> dict[str, Any]:
    """Figures of a model, JSON-ready: photos joined with their own identity, another photo's, and a random one.

    Args:
        faces: prepared photos, of which `photos` held-out ones are measured.
        verifiers: by the name that the figures carry.
        seed: of which photos and which random identities.
    """
    rng = streams(seed)["figures"]
    held = np.flatnonzero(faces.held_out)
    held = np.sort(held[torch.randperm(len(held), generator=rng)[:photos].numpy()])
    source = to_tensor(faces.select(held).pixels)
    began = time.perf_counter()
    own, attributes = model.identify(source), model.attributes(source)
    rebuilt = model.fuse(own, attributes)
    seconds = (time.perf_counter() - began) / len(source)
    drawn = F.normalize(torch.randn(own.shape, generator=rng), dim=1)
    other = own.roll(len(own) // 2, 0)  # neighbours often show one person

    shown = {
        "own_identity": (own, rebuilt),
        "identity_of_another_photo": (other, model.fuse(other, attributes)),
        "random_identity": (drawn, model.fuse(drawn, attributes)),
    }
    for side in COARSE_SIDES:
        coarse = model.attributes(coarsened(source, side))
        shown[f"own_identity_attributes_of_{side}_px"] = (own, model.fuse(own, coarse))
        shown[f"random_identity_attributes_of_{side}_px"] = (drawn, model.fuse(drawn, coarse))
    found = face_detected(source).float().mean().item()
    return {
        "model": {"name": model.name, "digest": model.digest},
        "photos": len(source),
        "held_out": f"{len(set(faces.person[held]))} people, none of them in training",
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "face_detected_in_source": found,
        **{
            name: _quality(source, images, verifiers)
            | {
                "face_detected_relative_to_source": face_detected(images).float().mean().item() / found,
                "cosine_to_wanted_identity": (model.identify(images) * wanted).sum(1).mean().item(),
                "cosine_to_own_identity": (model.identify(images) * own).sum(1).mean().item(),
            }
            for name, (wanted, images) in shown.items()
        },
    }


def _quality(source: Tensor, images: Tensor, verifiers: Mapping[str, Verifier]) -> dict[str, Any]:
    """How like the source it looks, and by how many it is taken for the same person."""
    quality: dict[str, Any] = {"psnr": psnr(images, source).mean().item(), "ssim": ssim(images, source).mean().item()}
    nets: tuple[tuple[str, Net], ...] = (("lpips", "alex"), ("lpips_squeeze", "squeeze"))
    for metric, net in nets:
        try:
            quality[metric] = float(lpips(images, source, net=net).mean())
        except WeightsMissing as error:
            quality |= {metric: None, f"{metric}_reason": str(error)}
    for name, verifier in verifiers.items():
        quality[f"accepted_{name}"] = 1 - fppsr(source, images, verifier).mean().item()
    return quality | {"psr": psr(source, images, list(verifiers.values())).mean().item()}


def main() -> None:
    """Command line: print the figures, or write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("faces", type=Path)
    parser.add_argument("--verifier", action="append", help=f"one of {', '.join(VERIFIERS)}; may be repeated; dlib by default")
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    names = arguments.verifier or ["dlib"]
    for name in names:
        if name not in list(VERIFIERS):
            parser.error(f"no verifier named {name!r}{suggest(name, VERIFIERS)}")
    model = load_identity_model(arguments.model)
    loaded = {name: load_verifier(name, resolution=model.size) for name in names}
    verifiers = {name: Remembering(verifier) for name, (verifier, _) in loaded.items()}
    figures = measure_identity_model(model, FaceSet.load(arguments.faces), verifiers=verifiers, photos=arguments.photos)
    text = json.dumps(figures | {"verifiers": [about for _, about in loaded.values()]}, indent=1) + "\n"
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(arguments.out, text)
    print(text, end="")


if __name__ == "__main__":
    main()
