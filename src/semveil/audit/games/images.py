# SPDX-License-Identifier: Apache-2.0
"""Games for methods that convert photos to protected images."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from semveil.audit import Floats, Game, Law, contrasts, less_noise, noise_for_twice, repeat_game
from semveil.audit.laws import noise_law, singular_value_law, stated_scale
from semveil.audit.target import Target, audited_elsewhere, register_targets
from semveil.methods.baselines import DPSVD, DPPix, PixelNoise, to_levels
from semveil.methods.noise_image import NoiseImage
from semveil.methods.registry import image_methods
from semveil.privacy.guarantee import Guarantee

# side of a crop, unless a network or cells need more: faults are detected sooner in fewer pixels
SIDE = 4
# levels of two uniform crops; they differ in their singular values and not in their singular vectors
DARK, BRIGHT = 10, 245
SHARE, REPEAT_SHARE = 0.004, 0.001
# The default epsilons of these are too large for any test; with this much noise a fault is detected.
TESTABLE: Mapping[str, Mapping[str, Any]] = {
    "pixel-noise": {"sigma": 7000.0},
    "dp-pix": {"epsilon": 1 / 16},
    "dp-svd": {"scale": 2500.0},
    "noise-image": {"epsilon": 1.0},
}


@register_targets(position=11)
def image_targets(model: str) -> dict[str, Target]:
    """Return a target for every registered image method without games in another file.

    Args:
        model: name or folder of the face model that the other files' targets use.
    """
    others = audited_elsewhere("images", model)
    return {
        name: Target.without_epsilon(partial(image_games, name))
        for name in image_methods()
        if name not in others
    }


def image_games(name: str) -> list[Game]:
    """Return the games for a method at its defaults.

    If the default epsilon is too large to test, there are also games with more noise.

    Args:
        name: in `image_methods()`.
    """
    kind: Any = image_methods()[name]
    more = TESTABLE.get(name)
    return [*_games(kind(), "defaults"), *(_games(kind(**more), _words(more)) if more else [])]


def _games(method: Any, options: str) -> list[Game]:
    side = getattr(method, "block", SIDE) if method.model_digest is None else method.size
    crops = [
        torch.full((1, 3, side, side), level / 127.5 - 1, dtype=torch.float64) for level in (DARK, BRIGHT)
    ]
    claim = method.protect(crops[0]).guarantee
    first, second = (_before_noise(method, crop).flatten().double().numpy() for crop in crops)
    gaussian = isinstance(method, PixelNoise | NoiseImage)

    def draw(world: int, count: int) -> Floats:
        return (
            method.protect(crops[world].expand(count, -1, -1, -1).clone()).images.flatten(1).double().numpy()
        )

    def once(world: int) -> tuple[Floats, bytes]:
        return draw(world, 1)[0], b""

    clean = (first, second)
    factor = None if claim.epsilon is None else noise_for_twice(claim, gaussian=gaussian)
    game = Game(
        method.name,
        f"dark and bright crop, {options}",
        claim,
        draw,
        lambda outputs: contrasts(outputs, first, second),
        faults=() if factor is None else (less_noise(clean, factor),),
        law=None if claim.epsilon is None else _law(method, claim, clean, crops),
        width=len(first),
        gaussian=gaussian,
        share=SHARE,
    )
    again = f"same crop again or a different one, {options}"
    return [game, repeat_game(game, once, clean, pair=again, share=REPEAT_SHARE)]


def _law(method: Any, claim: Guarantee, clean: tuple[Floats, Floats], crops: list[Tensor]) -> Law | None:
    """Law of the image, from the claim and the certificate's sensitivity alone."""
    certificate = method.certificate(method.protect(crops[0]))
    assert claim.epsilon is not None
    if certificate.sensitivity is None:
        return None
    scale = stated_scale(certificate.mechanism, certificate.sensitivity.value, claim.epsilon, claim.delta)
    if isinstance(method, DPSVD):
        return singular_value_law([to_levels(crop)[0].numpy() for crop in crops], method.rank, scale)
    level = 1 / 127.5  # images are in [-1, 1], noise in levels
    if isinstance(method, DPPix):  # the pixels of a cell are equal: one per colour
        cells = [x[:: method.block**2] for x in clean]
        law = noise_law("laplace", cells, scale / method.block**2 * level)
        return replace(law, measure=lambda world, outputs: law.measure(world, outputs[:, :: method.block**2]))
    return noise_law(certificate.mechanism, clean, scale * (level if isinstance(method, PixelNoise) else 1.0))


def _before_noise(method: Any, crop: Tensor) -> Tensor:
    """Values to which a method adds its noise."""
    if not isinstance(method, NoiseImage):
        return crop
    converted = method.convert(crop)
    return (
        converted
        if method.noise is None
        else method.noise.box.clip(float(method.noise.box.upper) * converted.clamp(-1, 1))
    )


def _words(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in options.items())
