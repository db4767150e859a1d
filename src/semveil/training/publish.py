# SPDX-License-Identifier: Apache-2.0
"""Publication of a trained generator and encoder as a model folder.

It contains public bounds, latent prior, pairs and the model card.
"""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from semveil.core.device import CPU, device_of, moved
from semveil.core.network_files import write_network
from semveil.core.rng import streams
from semveil.data.face_set import FaceSet
from semveil.data.splits import DEVELOPMENT
from semveil.encoders.inversion import InversionSettings, invert
from semveil.encoders.parts import PartEncoder
from semveil.encoders.perceptual import DEFAULT, FEATURES, PERCEPTUAL
from semveil.faces.pixels import to_tensor
from semveil.generators.face_generator import FaceGenerator
from semveil.mechanisms import ClipBox
from semveil.methods.dp_semcom import PAPER_EPSILONS, pair_settings
from semveil.methods.latent_model import identity_codes
from semveil.methods.pairs import pair_file, write_pair
from semveil.models.card import FaceEncoder
from semveil.models.face import load_model
from semveil.models.folder import box_as_dict, save_model
from semveil.models.prior import LatentPrior
from semveil.models.quantile_bounds import FILE as QUANTILES_FILE
from semveil.protection.rotation_space import DEFAULT_WHITENING
from semveil.training.protector import PUBLIC_LATENTS, train_pair
from semveil.training.quantiles import training_quantiles

PRIOR_RANK = 256
WHITENING = 1.0  # for models trained on sampled faces, so that decoding with a wrong key gives such a face
NETWORK: Literal["alex"] = "alex"  # LPIPS network, if that perceptual term is selected
# Starts from the encoder's codes; `perceptual` is the weight of the perceptual term, if there is one.
DEFAULT_INVERSION = InversionSettings(steps=100, learning_rate=0.1, mse=1.0, perceptual=0.1, prior=0.02)
# With the encoder's own features as perceptual term; chosen on photos of the development split.
FEATURES_INVERSION = InversionSettings(steps=40, learning_rate=0.3, mse=1.0, perceptual=0.3, prior=0.02)


def publish(
    folder: Path,
    generator: FaceGenerator,
    encoder: FaceEncoder,
    faces: FaceSet,
    *,
    inversion: InversionSettings | None = None,
    perceptual: str | None = None,
    discriminator: nn.Module | None = None,
    photos: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write a model folder with public bounds and a latent prior from inverted training photos.

    The clip box holds the 0.5 % and 99.5 % quantiles; bounds of every coordinate are stored as well.

    Args:
        folder: folder of the model, which gives the model its name.
        generator: trained generator; the inversion runs on its device. Stored from the CPU.
        encoder: trained encoder, which provides the start of the inversion; its batch norm statistics are
            measured on the training photos.
        faces: prepared photos; only those not held out are used.
        inversion: default inversion settings of the model; chosen for the kind of encoder where None.
        perceptual: name of the inversion's perceptual term; likewise.
        discriminator: stored in the folder, so that training can be continued; omitted where None.
        photos: number of training photos to invert.
        seed: random seed for the choice of these photos.
        progress: called with the inversion steps done, counted per photo, and their total.
    """
    spatial = isinstance(encoder, PartEncoder)
    inversion = inversion or (FEATURES_INVERSION if spatial else DEFAULT_INVERSION)
    perceptual = perceptual or (FEATURES if spatial else DEFAULT)
    rng = streams(seed)["publish"]
    rows = np.flatnonzero(~faces.held_out)
    rows = rows[torch.randperm(len(rows), generator=rng)[:photos].numpy()]
    images = to_tensor(faces.select(np.sort(rows)).pixels).to(device_of(generator))
    encoder = settle_batch_norm(encoder, images)
    with torch.inference_mode():
        start = torch.cat([encoder(part) for part in images.split(64)]).clone()
    term = PERCEPTUAL[perceptual](NETWORK, encoder)
    term = moved(term, images.device) if isinstance(term, nn.Module) else term
    codes = invert(
        images, generator, start=start, settings=inversion, perceptual=term, progress=progress
    ).codes
    codes, generator, encoder = codes.cpu(), moved(generator, CPU), moved(encoder, CPU)  # for storage
    box, held_out = ClipBox.from_quantiles(codes), int(faces.held_out.sum())
    development = int((faces.split == DEVELOPMENT).sum())
    card = {
        "clip_box": box_as_dict(box),
        "inversion": vars(inversion),
        "perceptual": perceptual,
        "perceptual_network": NETWORK,
        "trained_on": (
            f"{len(faces) - held_out} aligned photos of LFW and CelebAMask-HQ; other people: {development} "
            f"photos on which choices looked, {held_out - development} of the test split"
        ),
        "terms": "research only: the photos' terms forbid more, and the people in them did not consent",
    }
    folder.mkdir(parents=True, exist_ok=True)
    if discriminator is not None:
        write_network(folder / "discriminator.safetensors", moved(discriminator, CPU))
    training_quantiles(codes, identity_codes(generator)).save(folder / QUANTILES_FILE)
    whitening = WHITENING if spatial else DEFAULT_WHITENING
    save_model(folder, generator, encoder, LatentPrior.fit(codes, rank=PRIOR_RANK, whitening=whitening), card)


def publish_pairs(
    folder: Path,
    *,
    epsilons: tuple[float, ...] = PAPER_EPSILONS,
    calibration: str = "as_published",
    seed: int = 0,
    progress: Callable[[float, int, int, float], None] = lambda epsilon, epoch, epochs, loss: None,
) -> None:
    """Train the paper's pairs on synthetic latents of the model's prior, and write them to its folder.

    Args:
        folder: folder of the model.
        epsilons: nominal epsilon of each pair.
        calibration: calibration of the noise that the pairs imitate.
        seed: random seed; every epsilon has its own stream.
        progress: called after every epoch with epsilon, the epochs done, the number of epochs and the mean
            loss.

    Raises:
        ValueError: there is no model in the folder.
        BadCheckpoint: a file of the model is damaged.
    """
    model = load_model(str(folder))
    for epsilon in epsilons:
        rng = streams(seed)[f"pair {epsilon:g}"]
        told = f"{PUBLIC_LATENTS} synthetic latents of the model's prior"
        settings = pair_settings(model, epsilon=epsilon, calibration=calibration, trained_on=told)
        latents = model.public_latents(PUBLIC_LATENTS, rng=rng)
        pair = train_pair(latents, settings, rng=rng, progress=partial(progress, epsilon))
        write_pair(pair_file(folder / "pairs", settings), pair)


def settle_batch_norm(encoder: FaceEncoder, images: Tensor) -> FaceEncoder:
    """Copy of an encoder with batch norm statistics measured on images, in evaluation mode.

    Averaged weights need other statistics than the weights that were averaged; without this, codes shrink to
    the mean.

    Args:
        encoder: encoder with averaged weights.
        images: (N, 3, S, S) in [-1, 1].
    """
    settled = copy.deepcopy(encoder)
    for module in settled.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # cumulative mean over the batches
    settled.train()
    with torch.no_grad():
        for part in images.split(128):
            settled(part)
    return settled.eval().requires_grad_(False)
