# SPDX-License-Identifier: Apache-2.0
"""What keyed protection costs Bob and what those without the key see, on held-out photos.

    python benchmarks/keyed.py --data FACES.npz [--photos 64] [--private 0,1,4-8] [--only rotation|modulo]
    [--json OUT.json]

FACES.npz is a prepared `FaceSet`, or any other data that `semveil reproduce` takes; latents are inverted once
and kept in SEMVEIL_HOME. For each protection and SNR: Bob's LPIPS less that of sending the same latents in
the open over the same channel noise, with its standard error and the worst photo; LPIPS of what Eve and a
wrong key read; how often dlib finds a face in it, next to the photos' own rate. Eve is at Bob's SNR; a wrong
key also reads wrong side information, as it does in a deniable message. LPIPS needs its weights. Last, the
time for one image on one core, also at D = 512. Takes about two minutes of one core for 64 photos whose
latents are at hand.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semveil.channels import denormalise_power, normalise_power, pack, unpack, wiretap
from semveil.experiments.kit.photo_sets import held_out_photos
from semveil.faces.parts import parse_codes
from semveil.keys.keystream import KeyStream
from semveil.methods.dp_semcom import PRIVATE_CODES
from semveil.metrics import face_detected, lpips
from semveil.models.face import FaceModel, load_model
from semveil.models.inversion_cache import cached_inversion
from semveil.models.prior import LatentPrior
from semveil.protection.code_rotation import CodeRotation
from semveil.protection.keyed import KeyedProtection, Protected
from semveil.protection.modulo import Modulo, guard_for
from semveil.protection.rotation import Rotation
from semveil.protection.rotation_space import RotationSpace

SNRS_DB = (20.0, 10.0)
WHITENINGS = (0.0, 0.25, 0.5, 0.75, 1.0)
GUARDS = (0.0, 0.1, 0.2, 0.4, 0.6)


def streams(count: int, *, message: int) -> list[KeyStream]:
    """Streams under keys that are public: for measurements only.

    Args:
        count: one for each image.
        message: number that sets the keys of one transmission apart.
    """
    return [
        KeyStream(message.to_bytes(16, "little") + image.to_bytes(16, "little")) for image in range(count)
    ]


class Trial:
    """Held-out photos with their latents, sent in the open once for each SNR to compare with."""

    def __init__(self, model: FaceModel, images: Tensor, codes: Tensor, private: list[int]) -> None:
        self.model, self.images, self.codes, self.private = model, images, codes, private
        self.direct = {snr: self.distance(self.synthesize(self.channel(codes, snr)[0])) for snr in SNRS_DB}

    def synthesize(self, codes: Tensor) -> Tensor:
        with torch.inference_mode():
            return torch.cat([self.model.generator.synthesize(part).clamp(-1, 1) for part in codes.split(32)])

    @torch.inference_mode()
    def distance(self, images: Tensor) -> Tensor:
        return lpips(images, self.images)

    def channel(self, codes: Tensor, snr_db: float) -> tuple[Tensor, Tensor]:
        """What Bob and Eve hear, de-normalised; the same noise for every protection."""
        symbols, gains = normalise_power(pack(codes.flatten(1)))
        rngs = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
        heard = wiretap(symbols, snr_db, rng_bob=rngs[0], rng_eve=rngs[1])
        bob, eve = (
            unpack(denormalise_power(h, gains)).view_as(codes).clone() for h in (heard.bob, heard.eve)
        )
        return bob, eve

    def measure(self, protection: KeyedProtection, snr_db: float, *, read: bool) -> dict[str, float]:
        """One line of the table; `read` adds what those without the key see."""
        count, block = len(self.codes), self.private
        done = protection.protect(self.codes[:, block], streams(count, message=0))
        sent = self.codes.clone()
        sent[:, block] = done.sent
        bob, eve = self.channel(sent, snr_db)
        heard = eve[:, block]
        bob[:, block] = protection.deprotect(bob[:, block], done.side, streams(count, message=0))
        distance = self.distance(self.synthesize(bob))
        extra = distance - self.direct[snr_db]
        line = {
            "direct": float(self.direct[snr_db].mean()),
            "bob": float(distance.mean()),
            "extra": float(extra.mean()),
            "error": float(extra.std() / count**0.5),
            "worst": float(extra.max()),
        }
        if read:
            other_side = streams(1, message=1)[0].integers(len(done.side)).tobytes()[: len(done.side)]
            for who, private in (
                ("eve", protection.interpret(heard)),
                ("wrong key", protection.deprotect(heard, other_side, streams(count, message=2))),
            ):
                eve[:, block] = private
                images = self.synthesize(eve)
                line |= {
                    who: float(self.distance(images).mean()),
                    f"{who} faces": float(face_detected(images).float().mean()),
                }
        return line


def rotations(model: FaceModel, prior: LatentPrior, private: list[int]) -> dict[str, Rotation | CodeRotation]:
    def space(whitening: float) -> RotationSpace:
        return RotationSpace.from_prior(
            prior.mean, prior.factors, prior.residual, private, whitening=whitening
        )

    single = {
        f"rotation of each code, whitening {a:g}": CodeRotation(space(a), model.box) for a in WHITENINGS
    }
    whole = {f"one rotation, whitening {a:g}": Rotation(space(a), model.box) for a in (0.0, 0.5, 1.0)}
    box = RotationSpace.from_box(model.box, (len(private), model.latent_shape[1]))
    return {**single, **whole, "rotation of each code about the box's centre": CodeRotation(box, model.box)}


def moduli(model: FaceModel, shape: tuple[int, int]) -> dict[str, Modulo]:
    guards = sorted({*GUARDS, *(round(guard_for(snr), 3) for snr in SNRS_DB)})
    uniform = {f"modulo, guard {guard:g}": Modulo(model.box, shape, guard=guard) for guard in guards}
    return uniform | {f"modulo, epsilon {e:g}": Modulo(model.box, shape, epsilon=e) for e in (10.0, 1000.0)}


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return round(time.process_time() - start, 4)


def timings() -> list[dict[str, Any]]:
    """Making the space, protecting and deprotecting one image, under a made-up prior of rank 256."""
    lines = []
    rng = torch.Generator().manual_seed(0)
    model = load_model()
    for codes, style_dim in ((7, 64), (28, 64), (7, 512), (28, 512)):
        prior = (
            torch.randn(28, style_dim, generator=rng),
            torch.randn(256, 28, style_dim, generator=rng),
            torch.ones(28, style_dim),
        )
        made: list[RotationSpace] = []
        making = seconds(
            lambda p=prior, c=codes, m=made: m.append(RotationSpace.from_prior(*p, list(range(c))))
        )
        block = torch.zeros(1, codes, style_dim)
        kinds: dict[str, KeyedProtection] = {
            "rotation of each code": CodeRotation(made[0], model.box),
            "one rotation": Rotation(made[0], model.box),
            "modulo": Modulo(model.box, (codes, style_dim)),
        }
        for name, protection in kinds.items():
            done: list[Protected] = []
            lines.append({
                "protection": name, "coordinates": codes * style_dim, "space_s": making,
                "protect_s": seconds(
                    lambda p=protection, d=done, b=block: d.append(p.protect(b, streams(1, message=3)))
                ),
                "deprotect_s": seconds(
                    lambda p=protection, d=done: p.deprotect(d[0].sent, d[0].side, streams(1, message=3))
                ),
                "delta": protection.guarantee("the block").delta,
            })  # fmt: skip
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--private", type=parse_codes, default=PRIVATE_CODES)
    parser.add_argument("--only", choices=["rotation", "modulo"])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    model = load_model()
    assert model.prior is not None
    photos = held_out_photos(args.data, model, args.photos)
    codes, _ = cached_inversion(model, photos.images)
    private = list(args.private)
    trial = Trial(model, photos.images, model.box.clip(codes), private)
    source = float(face_detected(photos.images).float().mean())
    print(
        f"{len(photos.images)} {photos.description}; private codes {private}; faces found in {source:.3f} of "
        "the photos"
    )
    protections: dict[str, Any] = {}
    if args.only != "modulo":
        protections |= rotations(model, model.prior, private)
    if args.only != "rotation":
        protections |= moduli(model, (len(private), model.latent_shape[1]))
    lines = []
    for name, protection in protections.items():
        for snr in SNRS_DB:
            line = {"protection": name, "snr_db": snr, **trial.measure(protection, snr, read=True)}
            lines.append(line)
            numbers = "  ".join(
                f"{key} {value:+.4f}" for key, value in line.items() if key not in ("protection", "snr_db")
            )
            print(f"{name:40s} {snr:3g} dB  {numbers}", flush=True)
    times = timings()
    for line in times:
        print(line)
    if args.json:
        args.json.write_text(
            json.dumps({"faces": source, "photos": len(codes), "lines": lines, "times": times}, indent=1)
            + "\n"
        )


if __name__ == "__main__":
    main()
