# SPDX-License-Identifier: Apache-2.0
"""Common part of the joint trainings of generator and encoder: schedule, averages and checkpoints."""

import copy
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from semveil.core.checkpoints import load_strictly, save_checkpoint
from semveil.core.device import CPU, half_precision
from semveil.core.rng import global_stream
from semveil.data.face_set import FaceSet
from semveil.training.draws import Draws
from semveil.training.processes import ALONE, Processes


@dataclass(frozen=True)
class JointTraining:
    """Common settings of joint trainings.

    Attributes:
        steps: optimiser steps; the learning rates fall to a twentieth over the last `decay_share` of them.
        batch: photos per step; half as many fakes.
        generator_rate, encoder_rate, discriminator_rate: learning rates of Adam.
        mse, perceptual: weights of the reconstruction terms (squared error, LPIPS).
        adversarial: weight of the generator's adversarial loss.
        code_noise: largest standard deviation of Gaussian noise on the codes of reconstructed photos,
            relative to that of the codes.
        average: half-life in photos of the averaged weights that are kept.
        largest_gradient: norm to which gradients of generator and encoder are clipped; otherwise a single
            outlier batch could undo hours of training.
    """

    steps: int = 6000
    batch: int = 32
    generator_rate: float = 3e-3
    encoder_rate: float = 1.2e-3
    discriminator_rate: float = 2e-3
    decay_share: float = 0.25
    mse: float = 6.0
    perceptual: float = 1.0
    adversarial: float = 0.08
    code_noise: float = 0.1
    average: float = 5000.0
    largest_gradient: float = 2.0


class JointTrainer(ABC):
    """State of a run: networks, their averages and optimisers; saved and resumed as one file.

    Args:
        faces: aligned photos; held-out photos are excluded.
        settings: settings of the run.
        build: builds generator, encoder and discriminator.
        perceptual: distance of two image batches -> (B,).
        rng: source of all random numbers, including initial weights; on the CPU, so that a seed gives the
            same numbers on every device.
        device: device of networks and losses.
        processes: this process among those that train together.
    """

    def __init__(
        self,
        faces: FaceSet,
        settings: JointTraining,
        build: Callable[[], tuple[nn.Module, nn.Module, nn.Module]],
        *,
        perceptual: Callable[[Tensor, Tensor], Tensor],
        rng: torch.Generator,
        device: torch.device = CPU,
        processes: Processes = ALONE,
    ) -> None:
        keep = ~faces.held_out
        self.photos = torch.from_numpy(faces.pixels[keep]).permute(0, 3, 1, 2).contiguous()
        self.inside = torch.from_numpy(faces.inside[keep])
        self.settings, self.perceptual, self.rng, self.device = settings, perceptual, rng, device
        processes.check_batch(settings.batch)
        self.processes, self.draws = processes, Draws(rng, device, processes)
        with global_stream(rng):
            networks = [network.to(self.device) for network in build()]
        self._networks: dict[str, Any] = dict(
            zip(("generator", "encoder", "discriminator"), networks, strict=True)
        )
        self.discriminator = networks[2]
        averaged = {name: self._networks[name] for name in ("generator", "encoder")}
        self.averages = copy.deepcopy(nn.ModuleDict(averaged)).eval().requires_grad_(False)
        for (
            network
        ) in networks:  # after the averages are copied, whose batch norms are never in training mode
            processes.share_statistics(network)
        self.step = 0
        self.optimisers = {
            name: torch.optim.Adam(
                self._networks[name].parameters(), rate, betas=(momentum, 0.99), fused=True
            )
            for name, rate, momentum in (
                ("generator", settings.generator_rate, 0.5),
                ("encoder", settings.encoder_rate, 0.9),
                ("discriminator", settings.discriminator_rate, 0.0),
            )
        }

    def start_from(self, networks: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Initialise with trained weights; networks that are not given stay random.

        Args:
            networks: state dicts by name: `generator`, `encoder`, `discriminator`.
        """
        for name, state in networks.items():
            load_strictly(self._networks[name], state, name=f"the {name} to start from")
            if name in self.averages:
                self.averages[name].load_state_dict(state)

    @abstractmethod
    def _train_step(self) -> dict[str, float]:
        """Take one step of all networks; return the losses by name."""

    @abstractmethod
    def sample_codes(self, count: int, *, rng: torch.Generator) -> Tensor:
        """Sample codes (count, K, D) of random faces under the current estimate of the prior.

        Args:
            count: number of faces.
            rng: source of the samples, on the CPU.
        """

    def run(self, *, report: Callable[[int, dict[str, float]], None], until: float = math.inf) -> None:
        """Train to the last step, or to a deadline.

        Args:
            report: called after every step with the number of steps done and the losses.
            until: deadline on the clock of `time.monotonic()`, in seconds; the first process decides.
        """
        while self.step < self.settings.steps and (
            until == math.inf or self.processes.agreed(time.monotonic() < until)
        ):
            self._set_rates()
            losses = self._train_step()
            self.step += 1
            report(self.step, losses)

    def _set_rates(self) -> None:
        left = (self.settings.steps - self.step) / (self.settings.steps * self.settings.decay_share)
        factor = max(0.05, min(1.0, left, (self.step + 1) / 100))
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = optimiser.defaults["lr"] * factor

    def _batch(self) -> tuple[Tensor, Tensor]:
        """This process's rows of the photos of a step, and which of them are mirrored (B, 1, 1)."""
        rows = torch.randint(len(self.photos), (self.settings.batch,), generator=self.rng)
        mirror = torch.rand(len(rows), 1, 1, generator=self.rng) < 0.5
        return self.processes.share(rows), self.processes.share(mirror)

    def _photos(self, rows: Tensor, mirror: Tensor) -> tuple[Tensor, Tensor]:
        """Photos in [-1, 1], and masks of real pixels, not filled in beyond the image border."""
        photos = flipped(self.photos[rows], mirror.unsqueeze(1)).to(self.device).float() / 127.5 - 1
        inside = (flipped(self.inside[rows], mirror) > 250).to(self.device).float().unsqueeze(1)
        return photos.contiguous(memory_format=torch.channels_last), inside

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.rng).to(self.device)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.rng).to(self.device)

    def _half(self) -> torch.autocast:
        """Autocast context for half precision where it is safe."""
        return half_precision(self.device)

    def _blurred_codes(self, codes: Tensor, spread: Tensor | float = 1.0) -> Tensor:
        """Codes (B, K, D) with noise of the given spread added before synthesis."""
        amount = self.settings.code_noise * self.draws.uniform(len(codes), 1, 1)
        return codes + spread * amount * self.draws.normal(*codes.shape)

    def _step(self, *names: str) -> None:
        for name in names:
            self.processes.average_gradients(self._networks[name].parameters())
            if name != "discriminator":  # its lazy gradient penalty is intentionally large in some steps
                nn.utils.clip_grad_norm_(self._networks[name].parameters(), self.settings.largest_gradient)
            self.optimisers[name].step()
            self.optimisers[name].zero_grad()

    def _average(self) -> None:
        decay = min(0.5 ** (self.settings.batch / self.settings.average), (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, averaged in self.averages.items():
                network = self._networks[name]
                torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 1 - decay)
                for kept, current in zip(averaged.buffers(), network.buffers(), strict=True):
                    kept.copy_(current)

    def state(self) -> dict[str, Any]:
        """Everything needed to resume the run."""
        networks = {**self._networks, "averages": self.averages}
        return {
            "step": self.step,
            "settings": asdict(self.settings),
            "networks": {name: network.state_dict() for name, network in networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "running": self._running_values(),
            "rng": self.rng.get_state(),
        }

    @abstractmethod
    def _running_values(self) -> dict[str, Tensor]:
        """Further values that a run carries from step to step."""

    @abstractmethod
    def _set_running_values(self, values: Mapping[str, Tensor]) -> None: ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from the state of a run with the same settings.

        Args:
            state: result of `state`.
        """
        self.step = state["step"]
        self._set_running_values(state["running"])
        for name, weights in state["networks"].items():
            (self.averages if name == "averages" else self._networks[name]).load_state_dict(weights)
        for name, values in state["optimisers"].items():
            self.optimisers[name].load_state_dict(values)
        self.rng.set_state(state["rng"])

    def save(self, path: Path) -> None:
        """Save the training state.

        Args:
            path: checkpoint file.
        """
        save_checkpoint(path, self.state())


def flipped(x: Tensor, mirror: Tensor) -> Tensor:
    """Mirror samples left to right where `mirror` is True.

    Args:
        x: (B, ..., W).
        mirror: bool, broadcastable to the shape of `x`.
    """
    return torch.where(mirror, x.flip(-1), x)
