"""Games for dp-image and latent-dp as a whole: photos in, pictures out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.attacks.audit import Floats, Game, bits_game, contrasts, repeat_game
from semveil.mechanisms.weights import WEIGHTINGS
from semveil.methods.dp_image import DPImage
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel, load_latent_model

SHARE, BITS_SHARE, REPEAT_SHARE, MODEL_SHARE = 0.02, 0.02, 0.002, 0.0005
PIXELS = 10.0  # latents of the example model are so many times its pixels
GALLERY = 8

Method = DPImage | LatentDP
Maker = Callable[[LatentModel, float | None], Method]


def _latent_dp(weights: str, model: LatentModel, epsilon: float | None) -> Method:
    return LatentDP(model, epsilon=epsilon, weights=weights)


VARIANTS: Mapping[str, Maker] = {
    "dp-image/all": lambda model, epsilon: DPImage(model, epsilon=epsilon),
    "dp-image/identity": lambda model, epsilon: DPImage(model, epsilon=epsilon, styles="identity"),
    "dp-image/clip": lambda model, epsilon: DPImage(model, epsilon=epsilon, clip=10.0),
    "dp-image/observed": lambda model, epsilon: DPImage(model, epsilon=epsilon, sensitivity="observed"),
    **{f"latent-dp/{weights}": partial(_latent_dp, weights) for weights in WEIGHTINGS},
    "latent-dp/exponential": lambda model, epsilon: LatentDP(model, epsilon=epsilon, mechanism="exponential", gallery=GALLERY),
    "latent-dp/none": lambda model, epsilon: LatentDP(model, mechanism="none"),
}
ON_THE_MODEL = ("dp-image/all", "latent-dp/uniform")  # with real latents too


def takes_epsilon(variant: str) -> bool:
    """Whether a budget can be asked of it; clipping alone has none."""
    return variant != "latent-dp/none"


def latent_games(variant: str, model: str, epsilon: float | None) -> list[Game]:
    """Games for a variant of the methods.

    Most use a model without networks whose few latents are the pixels, times 10, so that a fault shows: a black and a white
    photo lie far outside its clip bounds, at opposite corners. Where part of the photo is not covered, the two agree there.

    Args:
        variant: in `VARIANTS`.
        model: a latent model; for games with as many latents as a real photo has.
        epsilon: to claim; None for what has none.
    """
    method = VARIANTS[variant](LatentModel.example(), epsilon)
    black, white = torch.full((1, 3, 2, 2), -1.0, dtype=torch.float64), torch.full((1, 3, 2, 2), 1.0, dtype=torch.float64)
    if method.guarantee().not_covered:
        white = torch.cat([white[:, :1], black[:, 1:]], 1)
    photos = black, white
    first, second = (_before_noise(method, PIXELS * photo.flatten(2)).flatten().numpy() for photo in photos)

    def draw(world: int, count: int) -> Floats:
        shown = method.protect(photos[world].expand(count, -1, -1, -1)).images
        return (PIXELS * shown).flatten(1).numpy()

    def release(records: Tensor) -> Tensor:
        latents = method.protect_latents(records.unflatten(1, (3, 4))).latents
        assert latents is not None
        return latents.flatten(1)

    def once(world: int) -> tuple[Floats, bytes]:
        return draw(world, 1)[0], b""

    claim = method.guarantee()
    additive = isinstance(method, DPImage) and method.styles == "all"
    games = [
        Game(
            variant,
            "black and white photo",
            claim,
            draw,
            _measure(method, first, second),
            width=len(first),
            noise_on=(first, second) if additive else None,
            share=SHARE,
        ),
        repeat_game(variant, once, second - first, claim, share=REPEAT_SHARE),
    ]
    if additive:
        zero = np.zeros(len(first))
        games += [bits_game(variant, release, (zero, zero + 1 / 3), claim, dtype=torch.float64, share=BITS_SHARE)]
    return [*games, *([_game_on_the_model(variant, model, epsilon)] if variant in ON_THE_MODEL else [])]


def _game_on_the_model(variant: str, name: str, epsilon: float | None) -> Game:
    """Opposite corners of the box of a real model's latents; the pictures are left out, they are made from the latents."""
    loaded = load_latent_model(name)
    method = VARIANTS[variant](replace(loaded, synthesize=lambda latents: latents.new_zeros(len(latents), 3, 1, 1)), epsilon)
    latents = [torch.full((1, *loaded.latent_shape), value, dtype=torch.float64) for value in (-100.0, 100.0)]
    first, second = (_before_noise(method, row).flatten().numpy() for row in latents)

    def draw(world: int, count: int) -> Floats:
        shown = method.protect_latents(latents[world].expand(count, -1, -1)).latents
        assert shown is not None
        return shown.flatten(1).numpy()

    measure = _measure(method, first, second)
    pair = f"opposite corners of {loaded.name}"
    return Game(variant, pair, method.guarantee(), draw, measure, width=len(first), share=MODEL_SHARE)


def _before_noise(method: Method, latents: Tensor) -> Tensor:
    return latents if method.box is None else method.box.clip(latents)


def _measure(method: Method, first: Floats, second: Floats) -> Callable[[Floats], dict[str, Floats]]:
    apart = first != second
    if isinstance(method, LatentDP) and method.choice is not None and method.gallery is not None:
        faces = method.gallery.flatten(1).double().numpy()
        shape = method.gallery.shape[1:]
        rows = torch.from_numpy(np.stack([first, second])).unflatten(1, shape)
        ratio = (np.log(method.choice.probabilities(method.utilities(rows)).numpy()) * [[1.0], [-1.0]]).sum(0)

        def of_choice(outputs: Floats) -> dict[str, Floats]:
            chosen = np.abs(outputs[:, None] - faces).sum(2).argmin(1)
            return {"likelihood ratio": ratio[chosen], "choice": chosen.astype(np.float64)}

        return of_choice
    noise: Any = method.noise if isinstance(method, LatentDP) else None
    widths = None if noise is None else noise.scales.flatten().numpy()[apart]

    def measure(outputs: Floats) -> dict[str, Floats]:
        return contrasts(outputs[:, : len(first)][:, apart], first[apart], second[apart], widths=widths)

    return measure
