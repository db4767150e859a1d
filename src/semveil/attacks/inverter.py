# SPDX-License-Identifier: Apache-2.0
"""Inversion of image conversions, trained on known pairs of converted image and source."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semveil.attacks.networks import VALIDATION_SHARE
from semveil.attacks.ridge import Ridge
from semveil.core.device import half_precision

LARGEST_LINEAR = 64 * 64  # pixels; for larger images the linear stage would not fit into memory
CHECK_EVERY = 100  # steps


@dataclass(frozen=True)
class InverterSettings:
    """Training settings of the inverter.

    Attributes:
        width: convolution channels, at half the image resolution.
        blocks: number of residual blocks of two convolutions.
        steps: number of Adam steps; the state with the lowest validation error is kept.
        batch: images per step.
        learning_rate: initial learning rate, with cosine decay to 0.
        linear_pairs: number of pairs for fitting the linear stage; 0 omits the stage.
    """

    width: int = 48
    blocks: int = 4
    steps: int = 800
    batch: int = 64
    learning_rate: float = 2e-3
    linear_pairs: int = 3000


@dataclass(frozen=True, eq=False)
class Inverter:
    """A trained inverter.

    Attributes:
        linear: linear map between the pixels of one colour channel; None if omitted.
        network: network that predicts the residual of the linear stage.
        mean: (3, H, W) mean of the known sources.
        error: mean squared error on the validation part relative to that of the mean source; 1 if nothing was
            learnt.
    """

    linear: Ridge | None
    network: nn.Module
    mean: Tensor
    error: float

    def __call__(self, converted: Tensor, *, batch: int = 256) -> Tensor:
        """Estimate the sources of converted images, (B, 3, H, W) in [-1, 1].

        Args:
            converted: (B, 3, H, W) in [-1, 1].
            batch: images per forward pass.
        """
        with torch.no_grad():
            parts = [_estimate(self, part) for part in converted.split(batch)]
        return torch.cat(parts).clamp(-1, 1)


def train_inverter(
    converted: Tensor,
    sources: Tensor,
    settings: InverterSettings | None = None,
    *,
    rng: torch.Generator | None = None,
) -> Inverter:
    """Learn to invert a conversion by least squares, as anyone who has the client's module can.

    First a linear stage, one map for all three colour channels, undoes pixel permutations; then a
    convolutional network predicts its residual from converted image and linear estimate. Both compete with
    the mean source on a validation part, so the inverter of an uninformative conversion returns the mean.

    Args:
        converted: (N, 3, H, W) in [-1, 1], with even H and W.
        sources: the corresponding sources, of the same shape.
        settings: `InverterSettings()` where None.
        rng: source of the validation split, the weights and the batches.

    Raises:
        ValueError: different or unsupported shapes, or fewer than 16 pairs.

    Example:
        >>> rng = torch.Generator().manual_seed(0)
        >>> sources = torch.rand(64, 3, 8, 8, generator=rng) * 2 - 1
        >>> quick = InverterSettings(width=4, blocks=0, steps=0)
        >>> train_inverter(-sources, sources, quick, rng=rng).error < 0.1
        True
    """
    settings = settings or InverterSettings()
    if (
        converted.shape != sources.shape
        or sources.ndim != 4
        or sources.shape[1] != 3
        or any(s % 2 for s in sources.shape[2:])
    ):
        raise ValueError(
            f"pairs must be two stacks (N, 3, H, W) of even sides, got {tuple(converted.shape)} and "
            f"{tuple(sources.shape)}"
        )
    if len(sources) < 16:
        raise ValueError(f"an inverter takes at least 16 pairs, got {len(sources)}")
    order = torch.randperm(len(sources), generator=rng)
    held = max(4, round(VALIDATION_SHARE * len(sources)))
    kept_out, rows = order[:held], order[held:]
    mean = sources[rows].mean(0)
    nothing = float((sources[kept_out] - mean).square().mean())
    fitted = rows[: settings.linear_pairs]
    linear = _linear(converted[fitted], sources[fitted] - mean)
    network = _Network(settings.width, settings.blocks, rng).to(converted.device)
    best = Inverter(linear, network, mean, 1.0)
    least = _error(best, converted[kept_out], sources[kept_out])
    if least >= nothing:  # the mean is better than the linear stage
        best = Inverter(None, network, mean, 1.0)
        least = nothing
    state = _copy(network)
    optimiser = torch.optim.Adam(network.parameters(), settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, settings.steps))
    for step in range(1, settings.steps + 1):
        chosen = rows[torch.randint(len(rows), (settings.batch,), generator=rng)]
        loss = F.mse_loss(_estimate(best, converted[chosen]), sources[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % CHECK_EVERY == 0 or step == settings.steps:
            error = _error(best, converted[kept_out], sources[kept_out])
            if error < least:
                least, state = error, _copy(network)
    network.load_state_dict(state)
    return Inverter(best.linear, network.eval().requires_grad_(False), mean, least / max(nothing, 1e-12))


class _Network(nn.Module):
    """Residual convolutions at half resolution; the zero last layer makes the initial output zero."""

    def __init__(self, width: int, blocks: int, rng: torch.Generator | None) -> None:
        super().__init__()
        self.first = nn.utils.skip_init(nn.Conv2d, 24, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.utils.skip_init(nn.Conv2d, width, width, 3, padding=1),
                nn.ReLU(),
                nn.utils.skip_init(nn.Conv2d, width, width, 3, padding=1),
            )
            for _ in range(blocks)
        )
        self.last = nn.utils.skip_init(nn.Conv2d, width, 12, 3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 6, H, W) -> (B, 3, H, W)."""
        x = F.relu(self.first(F.pixel_unshuffle(x, 2)))
        for block in self.blocks:
            x = x + block(x) / len(self.blocks)
        return F.pixel_shuffle(self.last(F.relu(x)), 2)


def _linear(converted: Tensor, centred: Tensor) -> Ridge | None:
    """Fit one linear map for all colour channels; each channel of an image is a row of the regression."""
    if not len(converted) or converted[0, 0].numel() > LARGEST_LINEAR:
        return None
    return Ridge.fit(converted.flatten(2).flatten(0, 1), centred.flatten(2).flatten(0, 1))


def _estimate(inverter: Inverter, converted: Tensor) -> Tensor:
    """Sum of mean, linear stage and network correction; not clamped."""
    linear = torch.zeros_like(converted)
    if inverter.linear is not None:
        linear = inverter.linear(converted.flatten(2)).view(converted.shape)
    with half_precision(converted.device):  # faster; rounding error at most half an 8-bit level
        change = inverter.network(torch.cat([converted, linear], 1))
    return inverter.mean + linear + change.float()


def _error(inverter: Inverter, converted: Tensor, sources: Tensor) -> float:
    with torch.no_grad():
        errors = [
            (_estimate(inverter, part) - truth).square().mean((1, 2, 3))
            for part, truth in zip(converted.split(256), sources.split(256), strict=True)
        ]
    return float(torch.cat(errors).mean())


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}
