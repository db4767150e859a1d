# SPDX-License-Identifier: Apache-2.0
"""Training of protection pairs with [DPSC] Eq. 20, and look-up or training of pairs of any kind."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.channels.wiretap import AnyChannel
from semveil.core.registry import Registry
from semveil.core.rng import global_stream
from semveil.mechanisms import Laplace
from semveil.methods.pairs import NoPair, cache_folder, find_pair, pair_file, write_pair
from semveil.models.face import FaceModel
from semveil.protection.linear_pair import LinearPair
from semveil.protection.pair import PairSettings, TrainedPair
from semveil.training.encrypted_pair import train_encrypted_pair
from semveil.training.learned_pair import train_learned_pair
from semveil.training.pair_link import PairLink, Report, check_training, descend, run_epochs, silent, steps_of

# The paper names cosine annealing with warm restarts but no period; we use four cycles in its 100 epochs.
CYCLE_EPOCHS = 25
EPOCHS = 100
PUBLIC_LATENTS = 11_000  # as many as the bundled model has training photos


def find_or_train_pair(
    model: FaceModel,
    settings: PairSettings,
    *,
    rng: torch.Generator,
    progress: Report = silent,
) -> TrainedPair:
    """Pair with exactly these settings: bundled, cached on this machine, or trained now and cached.

    A new pair is trained on 11,000 synthetic latents of the model's prior, without photos. Bob needs the same
    file as Alice.

    Args:
        model: face model of the pair.
        settings: epsilon, calibration, codes and further settings.
        rng: source of latents, initial weights and batches if a pair is trained.
        progress: called after every epoch if a pair is trained.

    Raises:
        BadCheckpoint: a file for these settings is damaged or has another noise scale.
    """
    try:
        return find_pair(model, settings)
    except NoPair:
        latents = model.public_latents(PUBLIC_LATENTS, rng=rng)
        pair = TRAINERS[settings.protection](latents, settings, rng=rng, progress=progress)
        path = pair_file(cache_folder(model), settings)
        write_pair(path, pair)
        return find_pair(model, settings)  # as stored in half precision, like the pair that Bob will load


@torch.inference_mode(False)
@torch.enable_grad()  # also where the caller needs no gradients
def train_pair(
    latents: Tensor,
    settings: PairSettings,
    *,
    rng: torch.Generator,
    epochs: int = EPOCHS,
    batch: int = 512,
    learning_rate: float = 3e-4,
    noise_weight: float = 1e-3,
    channel: AnyChannel | None = None,
    progress: Report = silent,
) -> LinearPair:
    """Train a linear pair with [DPSC] Eq. 20.

    Minimises MSE(Z, S_1) + noise_weight * MSE(Z_private + n, f_protection(Z_private)), n ~ Laplace(0, scale).
    Z is transmitted as in operation: protected block merged with the common codes, power normalised, sent
    over the channel of the settings, denormalised, deprotected.

    Args:
        latents: (N, K, D) clipped latents; the pair is trained on their device.
        settings: private codes, noise scale and sampling, channel and SNR; if the SNR is a range, each latent
            has its own draw.
        rng: source of initialisation, order, noise and channel noise.
        epochs: passes over all latents; this and the next three arguments default to the paper's values.
        batch: largest number of latents per step.
        learning_rate: learning rate of Adam at the start of each cycle.
        noise_weight: weight of the second term.
        channel: channel between the two networks instead of that of the settings: any `channel(symbols,
            snr_db, rng) -> received, state`.
        progress: called with the epochs done, the number of epochs and the mean loss of the epoch.

    Raises:
        ValueError: latents of the wrong shape or fewer than two, or an unknown kind of noise.
    """
    check_training(latents, settings)
    if settings.noise not in ("frozen", "fresh"):
        raise ValueError(f"noise must be 'frozen' or 'fresh', got {settings.noise!r}")
    with global_stream(rng):
        pair = LinearPair(settings).to(latents.device, latents.dtype)
    optimiser = torch.optim.Adam(pair.parameters(), learning_rate)
    mechanism = Laplace(settings.scale)
    private = latents[:, list(settings.codes)]
    frozen = mechanism(private, rng=rng) if settings.noise == "frozen" else None
    link, steps = PairLink(pair, channel, rng), steps_of(len(latents), batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, CYCLE_EPOCHS * steps)

    def step(rows: Tensor) -> Tensor:
        target = frozen[rows] if frozen is not None else mechanism(private[rows], rng=rng)
        passed = link(latents[rows])
        loss = F.mse_loss(passed.restored, latents[rows]) + noise_weight * F.mse_loss(
            passed.protected, target
        )
        return descend(loss, optimiser, schedule)

    run_epochs(step, len(latents), epochs=epochs, batch=batch, rng=rng, progress=progress)
    return pair.eval().requires_grad_(False)


TRAINERS: Registry[Callable[..., TrainedPair]] = Registry("training of a pair")
"""By protection; called with latents and settings, and keyword arguments rng, epochs, channel, progress."""

TRAINERS.add("nn", train_pair)
TRAINERS.add("nn-encrypted", train_encrypted_pair)
TRAINERS.add("learned", train_learned_pair)
