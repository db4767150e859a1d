# SPDX-License-Identifier: Apache-2.0
"""Training of `protection.encrypted_pair`, after the abstract of arXiv 2504.18581; the losses are guessed."""

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.channels.wiretap import AnyChannel
from semveil.core.rng import global_stream
from semveil.mechanisms import Laplace
from semveil.protection.encrypted_pair import EncryptedPair
from semveil.protection.pair import PairSettings
from semveil.training.pair_link import PairLink, Report, check_training, descend, run_epochs, silent, steps_of

EPOCHS = 100


def train_encrypted_pair(
    latents: Tensor,
    settings: PairSettings,
    *,
    rng: torch.Generator,
    epochs: int = EPOCHS,
    batch: int = 256,
    learning_rate: float = 2e-3,
    noise_weight: float = 1e-3,
    likeness_weight: float = 1.0,
    channel: AnyChannel | None = None,
    progress: Report = silent,
) -> EncryptedPair:
    """Train an encrypted pair for reconstruction, noise imitation and decorrelation.

    Minimises MSE(Z, S_1) + noise_weight MSE(Z_private + n, f_protection(Z_private)) + likeness_weight mean
    r^2. The first two terms are [DPSC] Eq. 20; r is the correlation over a batch between a coordinate of the
    channel input and the same coordinate of the codes, so that naive decoding by the paper's Eve does not
    resemble the photo.

    Args:
        latents: (N, K, D) clipped latents.
        settings: codes, noised codes, noise scale and sampling, SNR.
        rng: source of initialisation, order, noise and channel noise.
        epochs: passes over all latents.
        batch: largest number of latents per step.
        learning_rate: initial learning rate of Adam, with cosine decay to zero.
        noise_weight: lambda of [DPSC].
        likeness_weight: weight of the third term.
        channel: as for `train_pair`.
        progress: called with the epochs done, the number of epochs and the mean loss of the epoch.

    Raises:
        ValueError: latents of the wrong shape or fewer than two, or an unknown kind of noise.
    """
    check_training(latents, settings)
    if settings.noise not in ("frozen", "fresh"):
        raise ValueError(f"noise must be 'frozen' or 'fresh', got {settings.noise!r}")
    with global_stream(rng):
        pair = EncryptedPair(settings).to(latents.device, latents.dtype)
    link = PairLink(pair, channel, rng)
    optimiser = torch.optim.Adam(pair.parameters(), learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimiser, max(1, epochs * steps_of(len(latents), batch))
    )
    mechanism, noised, codes = Laplace(settings.scale), list(settings.noised_codes), list(settings.codes)
    frozen = mechanism(torch.zeros_like(latents[:, noised]), rng=rng) if settings.noise == "frozen" else None

    def step(rows: Tensor) -> Tensor:
        clean = latents[rows]
        wanted = (
            frozen[rows] if frozen is not None else mechanism(torch.zeros_like(clean[:, noised]), rng=rng)
        )
        passed = link(clean)
        loss = (
            F.mse_loss(passed.restored, clean)
            + noise_weight * F.mse_loss(pair.imitation(clean[:, codes]), wanted)
            + likeness_weight * likeness(passed.protected, clean[:, codes])
        )
        return descend(loss, optimiser, schedule)

    run_epochs(step, len(latents), epochs=epochs, batch=batch, rng=rng, progress=progress)
    return pair.eval().requires_grad_(False)


def likeness(sent: Tensor, clean: Tensor) -> Tensor:
    """Squared correlation over the batch between transmitted and clean blocks, averaged over coordinates.

    Args:
        sent: (B, m, D) transmitted block.
        clean: (B, m, D) private block.

    Returns:
        A scalar from 0 to 1.

    Example:
        >>> x = torch.randn(50, 2, 3, generator=torch.Generator().manual_seed(0))
        >>> likeness(3 * x + 1, x).round(decimals=3)
        tensor(1.)
    """
    a, b = (x - x.mean(0) for x in (sent, clean))
    return ((a * b).sum(0).square() / (a.square().sum(0) * b.square().sum(0)).clamp_min(1e-12)).mean()
