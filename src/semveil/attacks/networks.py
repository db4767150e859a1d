# SPDX-License-Identifier: Apache-2.0
"""Small networks that Eve trains on known pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.rng import global_stream

VALIDATION_SHARE = 0.15
CHECK_EVERY = 50  # steps


@dataclass(frozen=True)
class NetworkSettings:
    """Settings of a network and its training.

    Attributes:
        hidden: widths of the hidden layers; none for the paper's single fully connected layer.
        steps: number of AdamW steps; the state with the lowest validation error is kept.
        batch: rows per step.
        learning_rate: initial learning rate of AdamW, with cosine decay to 0.
        dropout: dropout probability of hidden units.
        weight_decay: weight decay of AdamW.
    """

    hidden: tuple[int, ...] = ()
    steps: int = 2000
    batch: int = 128
    learning_rate: float = 1e-3
    dropout: float = 0.2
    weight_decay: float = 1e-2


@dataclass(frozen=True, eq=False)
class Regressor:
    """A trained network between standardised inputs and targets.

    Attributes:
        network: maps standardised inputs to targets divided by `y_std`.
        x_mean: (p,) mean of the inputs.
        x_std: (p,) standard deviations of the inputs.
        y_std: scalar standard deviation of the targets.
        error: mean squared error on the validation part, relative to that of the zero map.
    """

    network: nn.Module
    x_mean: Tensor
    x_std: Tensor
    y_std: Tensor
    error: float

    def __call__(self, x: Tensor) -> Tensor:
        """Predict targets, (N, p) -> (N, q)."""
        with torch.no_grad():
            return self.network((x - self.x_mean) / self.x_std) * self.y_std


@torch.inference_mode(False)
@torch.enable_grad()  # also where the caller needs no gradients
def train_regressor(
    x: Tensor, y: Tensor, settings: NetworkSettings, *, rng: torch.Generator | None = None
) -> Regressor:
    """Fit a network by least squares, and keep the state with the lowest validation error.

    The zero map is among the candidates, so a learnt correction never makes an estimate much worse.

    Args:
        x: (N, p) inputs.
        y: (N, q) targets.
        settings: settings of network and training.
        rng: source of the seed for split, initialisation and batches; torch's global generator where None.
    """
    if rng is None:
        rng = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
    held = max(1, round(VALIDATION_SHARE * len(x)))
    x_mean, x_std, y_std = x.mean(0), x.std(0).clamp_min(1e-6), y.std().clamp_min(1e-6)
    with global_stream(rng):  # for initialisation and dropout
        order = torch.randperm(len(x))
        inputs, targets = (x[order] - x_mean) / x_std, y[order] / y_std
        network = build(x.shape[1], y.shape[1], settings.hidden, settings.dropout).to(x.device)
        best, least = _copy(network), float(targets[:held].square().mean())
        zero = least
        optimiser = torch.optim.AdamW(
            network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
        for step in range(settings.steps):
            rows = torch.randint(held, len(x), (settings.batch,))
            loss = F.mse_loss(network(inputs[rows]), targets[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            if (step + 1) % CHECK_EVERY == 0:
                error = _error(network, inputs[:held], targets[:held])
                if error < least:
                    best, least = _copy(network), error
    network.load_state_dict(best)
    return Regressor(network.eval().requires_grad_(False), x_mean, x_std, y_std, least / max(zero, 1e-12))


def build(inputs: int, outputs: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """Build a multilayer perceptron with GELU and dropout.

    The last layer is initialised to zero, so training starts from the zero map.

    Args:
        inputs: input width.
        outputs: output width.
        hidden: widths of the hidden layers.
        dropout: probability, in [0, 1].
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.GELU(), nn.Dropout(dropout)]
        inputs = width
    last = nn.Linear(inputs, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def _error(network: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    network.eval()
    with torch.no_grad():
        error = float(F.mse_loss(network(inputs), targets))
    network.train()
    return error


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}
