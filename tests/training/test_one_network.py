# SPDX-License-Identifier: Apache-2.0
"""Trainings of one network: a run that was broken off and taken up again is the same run, bit by bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from training.test_devices import STYLEGAN2, distance
from training.test_generator import faces

from semveil.core.checkpoints import read_checkpoint
from semveil.generators.stylegan2 import StyleGAN2
from semveil.training.encoder import EncoderTraining, encoder_trainer
from semveil.training.parser import ParserTraining, parser_trainer


def parser(seed: int, steps: int = 6) -> Any:
    return parser_trainer(faces(), ParserTraining(steps, batch=4), rng=torch.Generator().manual_seed(seed))


def encoder(seed: int, steps: int = 6) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fixed = StyleGAN2(STYLEGAN2).eval().requires_grad_(False)
    settings = EncoderTraining(steps=steps, batch=4, input_size=32)
    return encoder_trainer(
        fixed, faces(), settings, rng=torch.Generator().manual_seed(seed), perceptual=distance
    )


@pytest.mark.parametrize("make", [parser, encoder])
def test_a_resumed_run_is_the_same_run(make: Callable[..., Any], tmp_path: Path) -> None:
    straight, first, second = make(0), make(0), make(99)
    losses: list[float] = []
    straight.run(report=lambda step, loss: losses.append(loss))

    def stop(step: int, loss: float) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(report=stop)
    first.save(tmp_path / "state")
    second.load_state(read_checkpoint(tmp_path / "state"))
    second.run(report=lambda step, loss: losses.append(loss))
    assert losses[3:6] == losses[6:]
    ours = second.network.state_dict()
    assert all(torch.equal(ours[name], value) for name, value in straight.network.state_dict().items())
    assert not all(torch.equal(ours[name], value) for name, value in make(99).network.state_dict().items())
    with pytest.raises(ValueError, match="a run of 6 steps, this one has 9"):
        make(0, steps=9).load_state(second.state())
