# SPDX-License-Identifier: Apache-2.0
"""Adversarial training of `protection.learned_pair`, after the abstract of arXiv 2510.23274.

The losses are guessed.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from semveil.channels.wiretap import AnyChannel
from semveil.core.rng import global_stream
from semveil.mechanisms import Laplace
from semveil.protection.learned_pair import LearnedPair
from semveil.protection.pair import PairSettings
from semveil.training.hinge import hinge_loss
from semveil.training.pair_link import PairLink, Report, check_training, descend, run_epochs, silent, steps_of

EPOCHS = 100
WIDTH = 256


class BlockDiscriminator(nn.Module):
    """Discriminator between genuine Laplace noise (B, m, D) and a learnt pattern.

    Higher scores mean more genuine. Its inputs are the values over the scale and their absolute values; all
    layers have spectral norm 1.

    Example:
        >>> BlockDiscriminator(6, scale=2.0)(torch.zeros(4, 2, 3)).shape
        torch.Size([4])
    """

    def __init__(self, size: int, *, scale: float) -> None:
        super().__init__()
        self.scale = scale
        layers = [spectral_norm(nn.Linear(a, b)) for a, b in ((2 * size, WIDTH), (WIDTH, WIDTH), (WIDTH, 1))]
        self.layers = nn.Sequential(layers[0], nn.LeakyReLU(0.2), layers[1], nn.LeakyReLU(0.2), layers[2])

    def forward(self, noise: Tensor) -> Tensor:
        """Scores (B,) of noise blocks.

        Args:
            noise: (B, m, D).
        """
        x = noise.flatten(1) / self.scale
        return self.layers(torch.cat([x, x.abs()], 1)).squeeze(1)


def train_learned_pair(
    latents: Tensor,
    settings: PairSettings,
    *,
    rng: torch.Generator,
    epochs: int = EPOCHS,
    batch: int = 256,
    learning_rate: float = 1e-3,
    adversarial_weight: float = 0.01,
    channel: AnyChannel | None = None,
    progress: Report = silent,
) -> LearnedPair:
    """Train a pair whose pattern imitates genuine noise, by a discriminator.

    The pair minimises MSE(Z, S_1) - adversarial_weight D(pattern); D is trained by the hinge loss on genuine
    noise and the pattern.

    Args:
        latents: (N, K, D) clipped latents.
        settings: private codes, noise scale, SNR; genuine noise is drawn afresh at every step.
        rng: source of initialisation, order, noise and channel noise.
        epochs: passes over all latents.
        batch: largest number of latents per step.
        learning_rate: initial learning rate of Adam for both networks, with cosine decay to zero.
        adversarial_weight: weight of the discriminator's score relative to Bob's error.
        channel: as for `train_pair`.
        progress: called with the epochs done, the number of epochs and the mean loss of the epoch.

    Raises:
        ValueError: latents of the wrong shape or fewer than two, or noise that is not `fresh`.
    """
    check_training(latents, settings)
    if settings.noise != "fresh":
        raise ValueError(f"the discriminator sees fresh noise; noise must be 'fresh', got {settings.noise!r}")
    codes, mechanism = list(settings.codes), Laplace(settings.scale)
    private = latents[:, codes]
    with global_stream(rng):
        pair = LearnedPair(settings).to(latents.device, latents.dtype)
        judge = BlockDiscriminator(private[0].numel(), scale=settings.scale).to(latents.device, latents.dtype)
    link = PairLink(pair, channel, rng)
    optimisers = [
        torch.optim.Adam(pair.parameters(), learning_rate),
        torch.optim.Adam(judge.parameters(), learning_rate, betas=(0.5, 0.99)),
    ]
    total_steps = max(1, epochs * steps_of(len(latents), batch))
    schedules = [
        torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, total_steps) for optimiser in optimisers
    ]

    def step(rows: Tensor) -> Tensor:
        clean = latents[rows]
        passed = link(clean)
        pattern = passed.protected - clean[:, codes]
        genuine = mechanism(torch.zeros_like(pattern), rng=rng)
        hinge = hinge_loss(judge(genuine), judge(pattern.detach()))
        descend(hinge, optimisers[1], schedules[1])
        loss = F.mse_loss(passed.restored, clean) - adversarial_weight * judge(pattern).mean()
        return descend(loss, optimisers[0], schedules[0])

    run_epochs(step, len(latents), epochs=epochs, batch=batch, rng=rng, progress=progress)
    return pair.eval().requires_grad_(False)
