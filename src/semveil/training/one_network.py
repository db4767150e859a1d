# SPDX-License-Identifier: Apache-2.0
"""A training of one network by one loss, which can be broken off and taken up again."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from semveil.core.checkpoints import save_checkpoint

Network = TypeVar("Network", bound=nn.Module)


class OneNetworkTrainer(Generic[Network]):
    """State of a run.

    Args:
        network: trained in place.
        optimiser, schedule: of its weights; the schedule goes on after each step.
        loss: of a new batch.
        settings: a dataclass with `steps` and `batch`, kept with the state.
        rng: what the loss draws from.

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
    ) -> None:
        self.network, self.settings, self.rng, self.step = network, settings, rng, 0
        self._optimiser, self._schedule, self._loss = optimiser, schedule, loss

    def run(self, *, report: Callable[[int, float], None]) -> None:
        """Train to the end; `report` is called with the steps done and the loss of the last."""
        parameters = list(self.network.parameters())
        while self.step < self.settings.steps:
            loss = self._loss()
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.grad = gradient
            self._optimiser.step()
            self._schedule.step()
            self.step += 1
            report(self.step, loss.item())

    def state(self) -> dict[str, Any]:
        """Everything to go on from."""
        parts: dict[str, Any] = {"network": self.network, "optimiser": self._optimiser, "schedule": self._schedule}
        states = {name: part.state_dict() for name, part in parts.items()}
        return {"step": self.step, "settings": asdict(self.settings), **states, "rng": self.rng.get_state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave with the same settings.

        Raises:
            ValueError: its run had another number of steps, which the learning rate depends on.
        """
        if state["settings"]["steps"] != self.settings.steps:
            raise ValueError(f"it is of a run of {state['settings']['steps']} steps, this one has {self.settings.steps}")
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self.rng.set_state(state["rng"])

    def save(self, path: Path) -> None:
        save_checkpoint(path, self.state())
