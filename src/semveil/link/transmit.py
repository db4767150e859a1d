# SPDX-License-Identifier: Apache-2.0
"""Simulation of Alice, Bob and Eve in one process: transmit, measure, and write all parties' images."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semveil.channels import Bandwidth, bandwidth, channel_of
from semveil.channels.wiretap import AnyChannel, AnySnr, in_words, snrs
from semveil.core.brief import Brief
from semveil.core.model_folders import ModelName
from semveil.core.output_path import keep_inputs, output_path
from semveil.core.progress import Note, Progress, quiet, unheard
from semveil.core.provenance import commit, versions
from semveil.core.results import write_result
from semveil.core.rng import streams
from semveil.core.rounding import text_above
from semveil.core.whole_folder import SUMMARY, whole_folder
from semveil.data.certified import write_certificate
from semveil.data.load_faces import Photos, load_faces
from semveil.data.save import save_png
from semveil.faces.pixels import to_pixels
from semveil.link.measure import measure
from semveil.link.outputs import AnyPath
from semveil.link.sender import sender
from semveil.link.sweep import snr_points, transmit_at
from semveil.methods.certificates import certificate_of
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.messages import to_message
from semveil.methods.pairs import pair_digest
from semveil.methods.transmission import WiretapResult
from semveil.models.face import DEFAULT_MODEL, FaceModel, face_model
from semveil.models.folder import box_as_dict
from semveil.privacy.certificate import Certificate
from semveil.privacy.strength import in_a_word
from semveil.recognition.by_name import Remembering, choose_verifier

DEFAULT_PROTECTION = "rotation"  # the only one with a guarantee that lets Bob recover the photo
PICTURES = ("source", "inverted", "direct", "bob", "eve")


@dataclass(frozen=True, eq=False, repr=False)
class Transmitted(Brief):
    """A simulated transmission of one or more photos.

    Attributes:
        result: images of all parties, codes and transmission; of one photo at several SNRs, an image for
            each SNR.
        summary: content of `result.json`: config, seeds, versions, the channel uses of an image over Bob's
            channel, and a record of each photo, or of each SNR, with its metrics.
        certificate: certificate of Eve's images.
        method: Alice's method.
        bandwidth: channel uses of an image over Bob's channel.
    """

    result: WiretapResult
    summary: dict[str, Any]
    certificate: Certificate
    method: DPSemCom
    bandwidth: Bandwidth

    @property
    def bob(self) -> Tensor:
        """Bob's images (B, 3, S, S), nominal range [-1, 1], not clamped."""
        return self.result.bob

    @property
    def eve(self) -> Tensor:
        """Eve's images (B, 3, S, S), nominal range [-1, 1], not clamped."""
        return self.result.eve


def transmit(
    photos: Photos,
    out: AnyPath | None = None,
    *,
    model: FaceModel | ModelName = DEFAULT_MODEL,
    face: int | str | None = None,
    names: Sequence[str] | None = None,
    snr_db: AnySnr = 20.0,
    eve_snr_db: AnySnr | None = None,
    channel: AnyChannel | str | None = None,
    eve_channel: AnyChannel | str | None = None,
    verifier: str = "dlib",
    threshold: float | None = None,
    seed: int | None = None,
    train: bool = True,
    device: str | torch.device | None = None,
    progress: Progress = quiet,
    note: Note = unheard,
    **options: Any,
) -> Transmitted:
    """Simulate a transmission of photos to Bob over a wiretap channel while Eve listens.

    Args:
        photos: paths, arrays or aligned images, see `load_faces`.
        out: folder for all parties' images and `result.json`; several photos, or SNRs, get a folder each.
        model: face model, loaded or by name.
        face: selects a face in a photo with several.
        names: names of the photos, see `load_faces`.
        snr_db: Bob's SNR per complex symbol in dB: one number, or one for each face. A single face can have
            several: it is inverted and sent once, and received at each.
        eve_snr_db: Eve's SNR, likewise; Bob's where None.
        channel: Bob's channel, by name (see `parse_link`) or any callable `channel(symbols, snr_db, rng)`;
            AWGN where None.
        eve_channel: Eve's channel, likewise; AWGN where None.
        verifier: face verifier that decides whether two faces show the same person, by name or ONNX file.
        threshold: its threshold; the measured one where None.
        seed: random seed of the channels; a new one where None. With genuine noise, a fixed seed makes this a
            simulation, not a release.
        train: train a missing pair now (takes minutes; the pair is kept).
        device: compute device, see `core.device.choose_device`; the model's device where None.
        progress: receives the stages of the work.
        note: receives notes for the user.
        options: options of the protection, see `DPSemCom`; keyed rotation by default. Keyed protection draws
            a new key, which Bob has and Eve does not.

    Raises:
        ValueError: incompatible options, or an unknown verifier.
        SemveilError: a photo or an output is invalid.

    Example:
        >>> from semveil.models.face import load_model
        >>> face = load_model().generator.synthesize(torch.zeros(1, 28, 64)).clamp(-1, 1)
        >>> sent = transmit(face, snr_db=[0, 20], verifier="bundled", seed=1)
        >>> [(record["snr_db"], len(sent.bob)) for record in sent.summary["images"]]
        [(0.0, 2), (20.0, 2)]
    """
    out = output_path(out)
    if all(options.get(name) is None for name in ("protection", "mechanism", "budget")):
        options["protection"] = DEFAULT_PROTECTION
    loaded = face_model(model).to(device)
    judge, judge_card = choose_verifier(verifier, resolution=loaded.size, threshold=threshold)
    faces = load_faces(photos, size=loaded.size, face=face, names=names, progress=progress, note=note)
    points = snr_points(snr_db, eve_snr_db, len(faces))
    for given in (snr_db, eve_snr_db):
        if given is not None and not points:
            snrs(given, len(faces))  # checks the number of values before the inversion
    places = [point.name for point in points] or (faces.ids if len(faces) > 1 else ["."])
    if out is not None:
        _check_places(places)
        for place in places:
            for picture in PICTURES:
                keep_inputs(out / place / f"{picture}.png", photos)
    method = sender(loaded, train=train, progress=progress, note=note, **options)
    # The seed of genuine noise reveals the noise: by default from the operating system, and never written.
    genuine = method.kind.genuine_noise
    run_seed = secrets.randbits(32) if seed is None and not genuine else seed
    latents = method.invert(
        faces.images, progress=lambda done, total: progress("Inverting", done, total)
    ).codes
    progress("Sending and measuring", 0, 1)
    bob_channel = channel_of(channel)
    over: dict[str, Any] = {
        "run": streams(run_seed),
        "bob_channel": bob_channel,
        "eve_channel": channel_of(eve_channel),
    }
    result = (
        transmit_at(points, method, faces.images, latents, **over)
        if points
        else method.transmit(faces.images, snr_db=snr_db, eve_snr_db=eve_snr_db, codes=latents, **over)
    )
    records = measure(result, method, Remembering(judge), ids=faces.ids * max(1, len(points)))
    for record, point in zip(records, points, strict=False):  # without points, records have no SNR
        record.update(snr_db=point.bob, eve_snr_db=point.eve)
    sent = result.transmission
    counted = bandwidth(sent.symbols.shape[1], loaded.size, link=bob_channel, side_bits=sent.side_bits())
    summary: dict[str, Any] = {
        "config": {
            **describe(method),
            "inversion": loaded.describe_inversion(method.perceptual),
            "snr_db": _numbers(snr_db),
            "eve_snr_db": _numbers(snr_db if eve_snr_db is None else eve_snr_db),
            "channel": in_words(channel),
            "eve_channel": in_words(eve_channel),
            "verifier": judge_card,
        },
        "seeds": {"run": None, "reason": "it would give the noise away"} if genuine else {"run": run_seed},
        "versions": {**versions(), "commit": commit()},
        "bandwidth": counted.as_dict(),
        "images": records,
    }
    term = summary["config"]["inversion"]["perceptual_term"]
    certificate = certificate_of(to_message(method, result.transmission), method, perceptual=term)
    certificate = replace(certificate.for_picture(), commit=commit())
    transmitted = Transmitted(result, summary, certificate, method, counted)
    if out is not None:
        _write(out, transmitted, places, note)
    return transmitted


def _check_places(places: Sequence[str]) -> None:
    """Check that each of several faces has a folder of its own within the output folder."""
    if len(places) < 2:
        return
    taken: set[str] = set()
    for place in places:
        if place in ("", ".", "..") or set(place) & set("/\\\0"):
            raise ValueError(f"the name {place!r} cannot be a folder's; give the photos other names")
        if place.casefold() in taken:
            raise ValueError(
                f"two faces would be written to the folder {place!r}; give the photos other names, or "
                "--names numbers"
            )
        taken.add(place.casefold())


def _numbers(snr_db: AnySnr) -> float | list[float]:
    """JSON form of an SNR: one number, or a list."""
    return (
        float(snr_db)
        if isinstance(snr_db, int | float)
        else torch.as_tensor(snr_db, dtype=torch.float64).tolist()
    )


def describe(method: DPSemCom) -> dict[str, Any]:
    """Description of a method in `result.json`.

    Args:
        method: Alice's method.
    """
    model, noise = method.model, method.calibration
    return {
        "method": method.name,
        "model": model.name,
        "model_digest": model.digest,
        "image_size": model.size,
        "latent_shape": list(model.latent_shape),
        "clip_box": box_as_dict(model.box),
        "protection": method.protection,
        "pair_digest": pair_digest(method.pair) if method.pair else None,
        "private_codes": list(method.private_codes),
        "private_parts": method.private_parts,
        "nominal_epsilon": method.nominal_epsilon,
        "budget": method.budget,
        "calibration": {
            "name": noise.name,
            "scale": noise.scale,
            "true_epsilon_of_genuine_noise": noise.true_epsilon,
            "meaning": meaning(method),
        }
        if method.pair is not None
        else None,
    }


def meaning(method: DPSemCom) -> str:
    """Explanation of a trained pair's nominal epsilon, as a sentence.

    Args:
        method: a method with a trained pair.
    """
    noise = method.calibration
    epsilon = f"{text_above(noise.true_epsilon, 4)}: {in_a_word(noise.true_epsilon)}"
    return (
        f"nominal epsilon {noise.nominal_epsilon:g} ({noise.name}): genuine Laplace noise of scale "
        f"{noise.scale:.4g} would give the private codes epsilon {epsilon}; the trained pair imitates such "
        "noise and guarantees nothing"
    )


def _write(out: Path, transmitted: Transmitted, places: Sequence[str], note: Note) -> None:
    """Write the images to their folders within `out`, and `result.json` last.

    Only Eve's images have a certificate and are readable by everyone.
    """
    pixels = {name: to_pixels(getattr(transmitted.result, name)) for name in PICTURES}
    with whole_folder(out, pictures=PICTURES, note=note) as folder:
        for i, name in enumerate(places):
            place = folder / name
            place.mkdir(exist_ok=True)
            for picture in PICTURES:
                save_png(place / f"{picture}.png", pixels[picture][i], private=picture != "eve")
            write_certificate(place / "eve.png", transmitted.certificate)
        write_result(folder / SUMMARY, transmitted.summary, private=True)
