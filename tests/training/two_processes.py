# SPDX-License-Identifier: Apache-2.0
"""A training by hand of torchrun: what it does in this process among several, left in a file. Run as a module
of its own.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from training import test_fusion, test_generator

from semveil.training.fusion import FusionTrainer
from semveil.training.generator import GeneratorTrainer
from semveil.training.processes import Processes, joined


def generator(processes: Processes, steps: int) -> GeneratorTrainer:
    distance = lambda a, b: (a - b).abs().mean((1, 2, 3))  # noqa: E731
    settings = replace(test_generator.SETTINGS, batch=16, adversarial_from=0, steps=steps)
    rng = torch.Generator().manual_seed(0)
    return GeneratorTrainer(
        test_generator.faces(), settings, perceptual=distance, rng=rng, processes=processes
    )


def fusion(processes: Processes, steps: int) -> FusionTrainer:
    identity = test_fusion.trainer().identity
    settings = replace(test_fusion.SETTINGS, batch=16, steps=steps)
    rng = torch.Generator().manual_seed(0)
    return FusionTrainer(test_fusion.faces(), settings, identity=identity, rng=rng, processes=processes)


TRAININGS: dict[str, Any] = {"generator": generator, "fusion": fusion}


def networks(trainer: Any) -> dict[str, torch.nn.Module]:
    if isinstance(trainer, GeneratorTrainer):
        return trainer._networks
    return {name: getattr(trainer, name) for name in ("attributes", "fusion", "discriminators")}


def first_gradients(trainer: Any) -> dict[str, torch.Tensor]:
    """What the optimisers are given in one step."""
    seen: dict[str, torch.Tensor] = {}
    hooks = []
    for name, optimiser in trainer.optimisers.items():

        def keep(*args: Any, name: str = name, optimiser: Any = optimiser) -> None:
            grads = [
                p.grad.flatten()
                for group in optimiser.param_groups
                for p in group["params"]
                if p.grad is not None
            ]
            seen[name] = torch.cat(grads).clone()

        hooks.append(optimiser.register_step_pre_hook(keep))
    trainer._train_step()
    for hook in hooks:
        hook.remove()
    return seen


def once(name: str, processes: Processes) -> dict[str, Any]:
    """The first step's gradients, and the weights and statistics after it and two more."""
    trainer = TRAININGS[name](processes, 3)
    gradients = first_gradients(trainer)
    trainer.step += 1
    trainer.run(report=lambda *_: None, until=1e12)
    state = {f"{k}.{key}": v for k, net in networks(trainer).items() for key, v in net.state_dict().items()}
    return {"gradients": gradients, "state": state, "averages": trainer.averages.state_dict()}


@contextmanager
def doubles() -> Iterator[None]:
    """All in double precision.

    In single precision a sum of shares is not rounded as the sum of the whole is, and norms over nearly flat
    features amplify that: gradients of one and of two processes differ by 6e-4 then, which would hide errors
    of that size.
    """
    with (
        mock.patch("torch.autocast", lambda *args, **kwargs: nullcontext()),
        mock.patch.object(torch.Tensor, "float", torch.Tensor.double),
    ):
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    with doubles(), joined("cpu") as (here, place):
        assert here.count == 2 and place.type == "cpu"
        torch.save({name: once(name, here) for name in TRAININGS}, out / f"{here.rank}.pt")
