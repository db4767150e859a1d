# SPDX-License-Identifier: Apache-2.0
"""Games for the privacy cost of several draws in dp-image, one of which is selected by a public test."""

from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from semveil.audit import Fault, Floats, Game, Law, at_twice_the_budget, contrasts
from semveil.audit.faults import on_grid
from semveil.audit.target import Target, register_targets
from semveil.methods import dp_image
from semveil.methods.dp_image import DPImage
from semveil.methods.latent_model import LatentModel

TARGET = "dp-image/draws"
DRAWS = 3
PIXELS = 10.0  # latents of the example model are its pixels times this
SHARE = 0.01
ONE_MORE = "a draw too many"


@register_targets(position=8)
def draws_targets(model: str) -> dict[str, Target]:
    """Return the target for releases selected from several draws.

    Args:
        model: not used; the games use the example model.
    """
    return {TARGET: Target(draws_games)}


def draws_games(epsilon: float) -> list[Game]:
    """Return a game on a black and a white photo with up to three draws and a public brightness test.

    The first draw accepted by the test is released. The law of the output follows from the number of draws
    alone, so that a draw not accounted for is detected, too.

    Args:
        epsilon: claimed epsilon, of all draws together.
    """
    method = _method(epsilon, DRAWS)
    claim = method.guarantee()
    black, white = (torch.full((1, 3, 2, 2), level, dtype=torch.float64) for level in (-1.0, 1.0))
    photos = black, white
    assert method.box is not None
    first, second = (method.box.clip(PIXELS * photo.flatten(2)).flatten().numpy() for photo in photos)
    rng = torch.Generator().manual_seed(0)
    step = method.certificate(method.protect(black)).grid_step

    def draw(made: DPImage, stream: torch.Generator | None, world: int, count: int) -> Floats:
        threshold = _threshold(made)
        with mock.patch.object(
            dp_image, "ACCEPTANCE", {"face": lambda picture: _brightness(picture) >= threshold}
        ):
            shown = made.protect(photos[world].expand(count, -1, -1, -1), rng=stream).latents
        assert shown is not None
        return on_grid(shown.flatten(1).numpy(), step if stream else None)

    claimed_scale = method.sensitivity.value / ((claim.epsilon or 0.0) / DRAWS)
    return [
        Game(
            TARGET,
            f"black and white photo, first bright draw of {DRAWS}",
            claim,
            partial(draw, method, None),
            lambda outputs: {**contrasts(outputs, first, second), "brightness": outputs.mean(1)},
            faults=(
                at_twice_the_budget(partial(draw, _method(2 * epsilon, DRAWS), rng)),
                Fault(ONE_MORE, draw=partial(draw, _method(epsilon, DRAWS, more=1), rng)),
            ),
            law=_law((first, second), claimed_scale),
            width=len(first),
            share=SHARE,
        )
    ]


def _method(epsilon: float, draws: int, *, more: int = 0) -> DPImage:
    """Method at epsilon for `draws` draws; it makes `more` draws than the noise is calibrated for."""
    return DPImage(LatentModel.example(), epsilon=epsilon / draws, accept="face", draws=draws + more)


def _threshold(method: DPImage) -> float:
    """Brightness that about one draw in four of a black photo exceeds."""
    return _threshold_at(method.scale, 12)


def _threshold_at(scale: float, numbers: int) -> float:
    return scale * float(np.sqrt(2 / numbers)) * 0.7


def _brightness(picture: Tensor) -> float:
    return PIXELS * float(picture.mean())


def _law(clean: tuple[Floats, Floats], scale: float) -> Law:
    """Law of the first bright of several draws of Laplace noise, or the last one if none is bright.

    Both of its statistics depend on the number of draws.
    """

    def measured(outputs: Floats, world: int) -> dict[str, Floats]:
        return {
            "brightness": outputs.mean(1),
            "noise magnitude": np.abs(outputs - clean[world]).mean(1) / scale,
        }

    def reference(world: int, count: int, rng: np.random.Generator) -> Any:
        n = len(clean[world])
        drawn = clean[world] + scale * rng.laplace(size=(count, DRAWS, n))
        bright = drawn.mean(2) >= _threshold_at(scale, n)
        bright[:, -1] = True
        return measured(drawn[np.arange(count), bright.argmax(1)], world)

    return Law(
        f"the first accepted draw of {DRAWS}", lambda world, outputs: measured(outputs, world), reference
    )
