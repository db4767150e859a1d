"""Train a protection / deprotection pair with [DPSC] Eq. 20."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.channels import denormalise_power, normalise_power, pack, unpack
from semveil.channels.wiretap import AnyChannel, over
from semveil.core.rng import global_stream
from semveil.mechanisms import Laplace
from semveil.methods.face_model import FaceModel
from semveil.methods.pairs import NoPair, cache_folder, find_pair, pair_file, write_pair
from semveil.protection.linear_pair import LinearPair, PairSettings

# The paper names cosine annealing with warm restarts but no period: four cycles in its 100 epochs.
CYCLE_EPOCHS = 25
PUBLIC_LATENTS = 11_000  # as many as the bundled model has training photos


def find_or_train_pair(
    model: FaceModel,
    settings: PairSettings,
    *,
    rng: torch.Generator,
    progress: Callable[[int, int, float], None] = lambda epoch, epochs, loss: None,
) -> LinearPair:
    """The pair with exactly these settings: bundled, cached on this machine, or trained now and cached.

    Trained on synthetic latents of the model's prior, so no photo is needed. Bob needs the very same file.
    """
    try:
        return find_pair(model, settings)
    except NoPair:
        latents = model.public_latents(PUBLIC_LATENTS, rng=rng)
        pair = train_pair(latents, settings, rng=rng, progress=progress)
        path = pair_file(cache_folder(model), settings)
        write_pair(path, pair)
        return find_pair(model, settings)  # as stored, in half precision: what Bob will load


def train_pair(
    latents: Tensor,
    settings: PairSettings,
    *,
    rng: torch.Generator,
    epochs: int = 100,
    batch: int = 512,
    learning_rate: float = 3e-4,
    noise_weight: float = 1e-3,
    channel: AnyChannel | None = None,
    snr_db: tuple[float, float] | None = None,
    progress: Callable[[int, int, float], None] = lambda epoch, epochs, loss: None,
) -> LinearPair:
    """Minimise MSE(Z, S_1) + noise_weight * MSE(Z_private + n, f_protection(Z_private)), n ~ Laplace(0, scale).

    Z is sent as it is in use: protected block merged with the common codes, power normalised, over an AWGN channel,
    de-normalised, deprotected.

    Args:
        latents: (N, K, D) clipped latents; the pair is trained where they are.
        settings: private codes, noise scale, how noise is drawn, SNR.
        rng: initialisation, order, noise and channel.
        epochs, batch, learning_rate, noise_weight: the paper's values by default.
        channel: between the two networks, AWGN where None; any `channel(symbols, snr_db, rng) -> received, state`.
        snr_db: lowest and highest SNR of training, drawn evenly for each latent; that of the settings where None.
        progress: epoch done, epochs, mean loss of the epoch.

    Raises:
        ValueError: latents of the wrong shape, or fewer than two.
    """
    if latents.ndim != 3 or latents.shape[2] != settings.style_dim or len(latents) < 2:
        raise ValueError(f"latents must be (N >= 2, K, {settings.style_dim}), got {tuple(latents.shape)}")
    if snr_db is not None and not snr_db[0] <= snr_db[1]:
        raise ValueError(f"snr_db must be the lowest and the highest SNR, got {snr_db}")
    if settings.noise not in ("frozen", "fresh"):
        raise ValueError(f"noise must be 'frozen' or 'fresh', got {settings.noise!r}")
    with global_stream(rng):
        pair = LinearPair(settings).to(latents.device, latents.dtype)
    optimiser = torch.optim.Adam(pair.parameters(), learning_rate)
    mechanism = Laplace(settings.scale)
    private = latents[:, list(settings.codes)]
    frozen = mechanism(private, rng=rng) if settings.noise == "frozen" else None
    steps = math.ceil(len(latents) / batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, CYCLE_EPOCHS * steps)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(latents), generator=rng).split(batch):
            target = frozen[rows] if frozen is not None else mechanism(private[rows], rng=rng)
            snrs: float | Tensor = settings.snr_db
            if snr_db is not None:
                snrs = snr_db[0] + (snr_db[1] - snr_db[0]) * torch.rand(len(rows), generator=rng).to(latents.device)
            loss = _loss(pair, latents[rows], target, noise_weight, channel, snrs, rng)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(rows)
        progress(epoch + 1, epochs, total / len(latents))
    return pair.eval().requires_grad_(False)


def _loss(
    pair: LinearPair,
    latents: Tensor,
    target: Tensor,
    noise_weight: float,
    channel: AnyChannel | None,
    snr_db: float | Tensor,
    rng: torch.Generator,
) -> Tensor:
    codes = list(pair.settings.codes)
    protected = pair.protect(latents[:, codes])
    sent = latents.clone()
    sent[:, codes] = protected
    symbols, gain = normalise_power(pack(sent.flatten(1)))
    received = unpack(denormalise_power(over(channel, symbols, snr_db, rng=rng), gain)).view_as(latents)
    restored = received.clone()
    restored[:, codes] = pair.deprotect(received[:, codes])
    return F.mse_loss(restored, latents) + noise_weight * F.mse_loss(protected, target)
