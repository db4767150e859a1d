# SPDX-License-Identifier: Apache-2.0
"""Resumable training of one network by one loss."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from semveil.core.checkpoints import save_checkpoint
from semveil.core.device import CPU

Network = TypeVar("Network", bound=nn.Module)


class OneNetworkTrainer(Generic[Network]):
    """State of a run.

    Args:
        network: trained in place.
        optimiser, schedule: optimiser of its weights and learning-rate schedule, which advances after each
            step.
        loss: returns the loss of a new batch.
        settings: a dataclass with `steps` and `batch`, stored in the state.
        rng: source of the loss's random numbers.
        average: decay of the weight average per step; 0 for no averaging.

    Attributes:
        step: optimiser steps done.
    """

    def __init__(
        self,
        network: Network,
        optimiser: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        loss: Callable[[], Tensor],
        *,
        settings: Any,
        rng: torch.Generator,
        average: float = 0.0,
    ) -> None:
        self.network, self.settings, self.rng, self.step = network, settings, rng, 0
        self._optimiser, self._schedule, self._loss = optimiser, schedule, loss
        self._averages = (
            AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(average), use_buffers=True)
            if average
            else None
        )

    def run(self, *, report: Callable[[int, float], None]) -> None:
        """Train to the last step.

        Args:
            report: called after every step with the number of steps done and the loss.
        """
        parameters = list(self.network.parameters())
        while self.step < self.settings.steps:
            loss = self._loss()
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.grad = gradient
            self._optimiser.step()
            self._schedule.step()
            if self._averages is not None:
                self._averages.update_parameters(self.network)
            self.step += 1
            report(self.step, loss.item())

    def finished(self) -> Network:
        """The network for use, frozen and on the CPU, with averaged weights if available."""
        network: Any = self.network if self._averages is None else self._averages.module
        return copy.deepcopy(network).to(CPU).eval().requires_grad_(False)

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "network": self.network,
            "optimiser": self._optimiser,
            "schedule": self._schedule,
        }
        return parts if self._averages is None else {**parts, "averages": self._averages}

    def state(self) -> dict[str, Any]:
        """Everything needed to resume the run."""
        states = {name: part.state_dict() for name, part in self._parts().items()}
        return {"step": self.step, "settings": asdict(self.settings), **states, "rng": self.rng.get_state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of a run with the same settings.

        Args:
            state: result of `state`.

        Raises:
            ValueError: the run had another number of steps, on which the learning rate depends.
        """
        if state["settings"]["steps"] != self.settings.steps:
            raise ValueError(
                f"it is of a run of {state['settings']['steps']} steps, this one has {self.settings.steps}"
            )
        self.step = state["step"]
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.rng.set_state(state["rng"])

    def save(self, path: Path) -> None:
        """Save the training state.

        Args:
            path: checkpoint file.
        """
        save_checkpoint(path, self.state())
