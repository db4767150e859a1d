# SPDX-License-Identifier: Apache-2.0
"""Games for DP-SGD: one gradient with and without an image, and one training with many canaries."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from semveil.audit import Floats, Game, TrainingGame, contrasts, less_noise, noise_for_twice
from semveil.audit.faults import DOUBLED
from semveil.audit.laws import noise_law
from semveil.audit.target import Target, register_targets
from semveil.training.dp_sgd import DPSGD, Phase, PrivateTrainer, noise_for, training_guarantee

TARGET = "dp-sgd"
# delta must be far below the false-alarm probability per canary, or no guess is significant
DELTA, CLIP = 1e-10, 1.0
CANARIES, CLASSES = 400, 4
TRAINING = Phase("network", rate=0.5, steps=20)
STEP = Phase("network", rate=1.0, steps=1)
SHARE = 0.002
SMALLEST = 1.0  # smallest epsilon that the accountant's orders reach at this delta, with a margin
LOUD = 30.0  # pixel value of the image whose gradient is clipped


@register_targets(position=7)
def training_targets(model: str) -> dict[str, Target]:
    """Return the target for private training.

    Args:
        model: not used.
    """
    return {TARGET: Target(training_games)}


def training_games(epsilon: float) -> Sequence[Game | TrainingGame]:
    """Return games on the noise of a single step and on the training of a linear network with canaries.

    Each canary has one bright pixel.

    Args:
        epsilon: claimed epsilon, at delta 1e-10; there are no games below 1, which the accountant hardly
            reaches.
    """
    if epsilon < SMALLEST:
        return []
    return [_step_game(epsilon), _canary_game(epsilon)]


def _step_game(epsilon: float) -> Game:
    """Game on the gradient of one step, with no image in the batch or with one whose gradient is huge."""
    noise = noise_for([STEP], epsilon, DELTA)
    claim = training_guarantee([STEP], noise, DELTA, pictures=1)
    picture, rng = torch.full((1, 16), LOUD), torch.Generator().manual_seed(0)
    network = nn.Linear(16, CLASSES)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.zero_()
    functional.cross_entropy(network(picture), torch.zeros(1, dtype=torch.int64)).backward()
    gradient = _gradient(network)
    clean = np.zeros_like(gradient), CLIP * gradient / np.linalg.norm(gradient)

    def once(world: int) -> Floats:
        with torch.no_grad():
            network.weight.zero_()
            network.bias.zero_()
        private = nn.Linear(16, CLASSES)
        private.load_state_dict(network.state_dict())
        trainer = PrivateTrainer(private, STEP, DPSGD(noise, CLIP), pictures=1, rng=rng)
        shown = 1.0 if world else 0.0  # an image with zero loss is not in the training set

        def loss(rows: Tensor) -> Tensor:
            return shown * functional.cross_entropy(
                private(picture[rows]), torch.zeros(len(rows), dtype=torch.int64)
            )

        trainer.step(loss)
        taken = _gradient(private)
        trainer.finish()
        return taken

    return Game(
        TARGET,
        "gradient of one step, with or without a picture",
        claim,
        lambda world, count: np.stack([once(world) for _ in range(count)]),
        lambda outputs: contrasts(outputs, *clean),
        faults=(less_noise(clean, noise_for_twice(claim, gaussian=True)),),
        law=noise_law("gaussian", clean, noise * CLIP),
        width=len(gradient),
        gaussian=True,
        share=SHARE,
    )


def _gradient(network: nn.Linear) -> Floats:
    assert network.weight.grad is not None and network.bias.grad is not None
    return torch.cat([network.weight.grad.flatten(), network.bias.grad]).double().numpy()


def _canary_game(epsilon: float) -> TrainingGame:
    phases = [TRAINING]
    noise = noise_for(phases, epsilon, DELTA)

    def train(inside: NDArray[np.bool_], noise: float = noise) -> Floats:
        return _scores(inside, noise)

    def doubled(inside: NDArray[np.bool_], noise: float = noise_for(phases, 2 * epsilon, DELTA)) -> Floats:
        return _scores(inside, noise)

    return TrainingGame(
        TARGET,
        f"{CANARIES} canaries in one training",
        training_guarantee(phases, noise, DELTA, pictures=CANARIES),
        CANARIES,
        train,
        (DOUBLED, doubled),
    )


def _scores(inside: NDArray[np.bool_], noise: float) -> Floats:
    """Train on the included canaries and score each by its own label's weight minus the mean weight."""
    rng = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
    canaries = torch.eye(CANARIES)
    labels = torch.randint(CLASSES, (CANARIES,), generator=rng)
    network = nn.Linear(CANARIES, CLASSES, bias=False)
    with torch.no_grad():
        network.weight.zero_()
    chosen = torch.from_numpy(np.flatnonzero(inside))
    trainer = PrivateTrainer(network, TRAINING, DPSGD(noise, CLIP), pictures=max(1, len(chosen)), rng=rng)

    def loss(rows: Tensor) -> Tensor:
        return functional.cross_entropy(network(canaries[chosen[rows]]), labels[chosen[rows]])

    for _ in range(TRAINING.steps):
        trainer.step(loss)
    trainer.finish()
    weights = network.weight.detach().double()
    own = weights[labels, torch.arange(CANARIES)]
    return (own - weights.mean(0)).numpy()
