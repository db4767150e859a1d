# SPDX-License-Identifier: Apache-2.0
"""Adaptive eavesdroppers as a single call: from a message file to images and a summary."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semveil.attacks import ATTACKS
from semveil.channels import Message, channel_of
from semveil.channels.wiretap import AnyChannel
from semveil.core.model_folders import ModelName
from semveil.core.output_path import keep_inputs, output_path
from semveil.core.progress import Note, Progress, quiet, unheard
from semveil.core.results import write_result
from semveil.core.rng import streams
from semveil.core.whole_folder import SUMMARY, whole_folder
from semveil.data.latents import LatentSet
from semveil.data.load_faces import OnePhoto, load_faces
from semveil.data.save import save_png
from semveil.faces.pixels import to_pixels
from semveil.link.attack_message import AttackedMessage, Found, attack_message
from semveil.link.outputs import AnyPath
from semveil.link.receive import open_message
from semveil.link.verdict import judge, opened_without_key
from semveil.models.face import FaceModel
from semveil.protection.pair import TrainedPair
from semveil.recognition.by_name import choose_verifier

KNOWN, KNOWN_UNDER_KEYS = 4000, 300  # with a key, every message has its own keys: more pairs do not help
PUBLIC = 2000  # public faces sampled from the prior


def attack(
    message: Message | AnyPath,
    out: AnyPath | None = None,
    *,
    attacks: str | Sequence[str] | None = None,
    latents: Tensor | AnyPath | None = None,
    known: int | None = None,
    snr_db: float | None = None,
    channel: AnyChannel | str | None = None,
    seed: int | None = None,
    model: FaceModel | ModelName | None = None,
    pair: TrainedPair | None = None,
    photo: OnePhoto | None = None,
    face: int | str | None = None,
    verifier: str | None = "dlib",
    threshold: float | None = None,
    device: str | torch.device | None = None,
    progress: Progress = quiet,
    note: Note = unheard,
) -> AttackedMessage:
    """Run every applicable attack on a message.

    Eve has the public model, latents of public faces and transmissions whose photos she knows; for a keyed
    message these are simulated under a different key that she does not have, as in practice.

    Args:
        message: a message, or a file written by `send`.
        out: folder for the reconstructed images and `result.json`.
        attacks: one or more names from `ATTACKS`, including registered ones; all that apply where None.
        latents: (N, K, D) of public faces, or a file written by `semveil invert`; samples of the model's
            prior where None.
        known: number of transmissions whose photos Eve knows; 4000 where None, 300 under a key.
        snr_db: SNR of Eve's channel in dB; where None, that of the recorded message, or 20.
        channel: Eve's channel and receiver, by name (see `parse_link`) or any callable
            `channel(symbols, snr_db, rng)`; AWGN where None. Known transmissions pass it too.
        seed: random seed of Eve's channel and samples.
        model: face model, loaded or by name; the message's model where None.
        pair: trained pair that protected the message; looked up where None.
        photo: photo that the message shows, for the verdict; without it Eve's images are compared with Bob's,
            if he needs no key.
        face: face of the photo, as in `semveil.load_faces`.
        verifier: decides whether two faces show the same person, see `recognition.by_name`; None for no
            verdict.
        threshold: its threshold; the measured one where None.
        device: compute device, see `core.device.choose_device`; the model's device where None.
        progress: called with the current attack, the number of finished attacks and their total.
        note: receives notes about the photo.

    Raises:
        MessageError: the message cannot be read, does not fit the model or the pair, or was recorded over a
            channel, while a channel is given.
        ValueError: an attack does not exist or does not apply, or there is no such channel or verifier.
        SemveilError: the photo cannot be read, or does not show one face of the model's size.

    Example:
        >>> import torch
        >>> from semveil.link.send import send
        >>> sent = send(torch.zeros(1, 3, 128, 128), protection="none")
        >>> [found] = attack(sent.message, attacks=["direct"], known=100, seed=1).results
        >>> found.images.shape
        torch.Size([1, 3, 128, 128])
    """
    out = output_path(out)
    if isinstance(attacks, str):
        attacks = [attacks]
    if attacks is not None and not attacks:
        raise ValueError("name at least one attack; leave attacks out for all that apply")
    for name in attacks or ():
        ATTACKS[name]  # reject unknown names before the work
    channel_of(channel)  # likewise
    if out is not None:
        for name in ATTACKS:
            keep_inputs(out / f"{name}.png", message, photo)
    read, loaded = open_message(message, model)
    loaded = loaded.to(device)
    judging = truth = None
    if verifier is not None:
        judging, _ = choose_verifier(verifier, resolution=loaded.size, threshold=threshold)
        if photo is None:
            truth = opened_without_key(read, loaded, pair)
        else:
            truth = load_faces([photo], size=loaded.size, face=face, note=note).images
    count = known or (KNOWN if read.keyed is None else KNOWN_UNDER_KEYS)
    rng = streams(seed)["eve"]
    public = public_codes(latents, loaded, rng=rng)
    found = attack_message(
        read,
        loaded,
        latents=public,
        known=count,
        names=attacks,
        snr_db=snr_db,
        channel=channel,
        pair=pair,
        rng=rng,
        progress=progress,
    )
    if judging is not None and truth is not None:
        average = loaded.generator.synthesize(loaded.placed(public.mean(0, keepdim=True)))
        verdict = judge(found.results, truth, average, judging)
        reference = "Bob's picture" if photo is None else "the photo"
        found = replace(found, verdict=verdict, reference=reference)
    if out is not None:
        write_attacked(out, found, summary_of(found), note=note)
    return found


def public_codes(latents: Tensor | AnyPath | None, model: FaceModel, *, rng: torch.Generator) -> Tensor:
    """Latents of public faces that Eve knows, (N, K, D).

    Args:
        latents: (N, K, D), returned unchanged; a file written by `semveil invert`; or None for 2000 samples
            of the model's prior.
        model: face model to which the latents belong.
        rng: source of the prior samples.

    Raises:
        BadCheckpoint: the file belongs to another model or is damaged.
    """
    if latents is None:
        return model.public_latents(PUBLIC, rng=rng)
    return (
        latents
        if isinstance(latents, Tensor)
        else LatentSet.load(Path(latents), model_digest=model.digest).codes
    )


def summary_of(found: AttackedMessage) -> dict[str, Any]:
    """JSON-ready content of `result.json` for an attacked message.

    Args:
        found: results of the attacks.
    """
    message = found.message
    return {
        "method": message.method,
        "model": message.model,
        "protection": message.protection,
        "guarantee": dict(message.guarantee),
        "snr_db": found.snr_db,
        "channel": found.channel,
        "known_transmissions": found.known,
        "attacks": [{"attack": one.name, "knowledge": one.knowledge} for one in found.results],
        "verdict": found.verdict and {**found.verdict.as_dict(), "reference": found.reference},
    }


def picture_names(found: Found) -> list[str]:
    """Names of the files of an attack's images: `<attack>.png`, or `<attack>-<number>.png` for several faces.

    Args:
        found: results of one attack.
    """
    count = len(found.images)
    return [f"{found.name}.png"] if count == 1 else [f"{found.name}-{i}.png" for i in range(1, count + 1)]


def write_attacked(
    out: Path, found: AttackedMessage, summary: dict[str, Any], *, note: Note = unheard
) -> None:
    """Write the reconstructed images as PNG files, and `result.json`.

    Args:
        out: folder to create; it appears complete or not at all.
        found: results, one image per attack and face, see `picture_names`.
        summary: content of `result.json`, see `summary_of`.
        note: receives a line if pictures of an earlier run stay in the folder.
    """
    with whole_folder(out, pictures=tuple(ATTACKS), note=note) as folder:
        for one in found.results:
            for name, pixels in zip(picture_names(one), to_pixels(one.images), strict=True):
                save_png(folder / name, pixels)
        write_result(folder / SUMMARY, summary, private=True)
