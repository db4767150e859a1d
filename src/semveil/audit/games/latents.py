# SPDX-License-Identifier: Apache-2.0
"""Games for dp-image and latent-dp end to end, from photos to images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.audit import Floats, Game, at_twice_the_budget, bits_game, contrasts, less_noise, repeat_game
from semveil.audit.faults import on_grid
from semveil.audit.game import Fault, Law
from semveil.audit.laws import choice_law, clipped_laplace_law, noise_law
from semveil.audit.search import searched_game
from semveil.audit.target import Target, register_targets
from semveil.mechanisms.bounds.weights import WEIGHTINGS
from semveil.methods.dp_image import DPImage
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel, load_latent_model

SHARE, BITS_SHARE, REPEAT_SHARE, MODEL_SHARE = 0.05, 0.02, 0.02, 0.0006
PIXELS = 10.0  # latents of the example model are its pixels times this
GALLERY = 8
SEARCH_ROUNDS = 30

Method = DPImage | LatentDP
Maker = Callable[[LatentModel, float | None], Method]


def _latent_dp(weights: str, model: LatentModel, epsilon: float | None) -> Method:
    return LatentDP(model, epsilon=epsilon, weights=weights)


def _shared_out(epsilon: float | None) -> str:
    """A fifth of the budget for one group of the example model's codes, the rest for the other."""
    assert epsilon is not None
    return f"red={epsilon / 5!r},green-blue={4 * epsilon / 5!r}"


VARIANTS: Mapping[str, Maker] = {
    "dp-image/all": lambda model, epsilon: DPImage(model, epsilon=epsilon),
    "dp-image/identity": lambda model, epsilon: DPImage(model, epsilon=epsilon, styles="identity"),
    "dp-image/clip": lambda model, epsilon: DPImage(model, epsilon=epsilon, clip=10.0),
    "dp-image/observed": lambda model, epsilon: DPImage(model, epsilon=epsilon, sensitivity="observed"),
    **{f"latent-dp/{weights}": partial(_latent_dp, weights) for weights in WEIGHTINGS},
    "latent-dp/exponential": lambda model, epsilon: LatentDP(
        model, epsilon=epsilon, mechanism="exponential", gallery=GALLERY
    ),
    "latent-dp/budget": lambda model, epsilon: LatentDP(model, budget=_shared_out(epsilon)),
    "latent-dp/none": lambda model, epsilon: LatentDP(model, mechanism="none"),
}
SEARCHED = ("dp-image/all", "latent-dp/uniform", "latent-dp/exponential")  # with a searched pair
ON_THE_MODEL = ("dp-image/all", "latent-dp/uniform")  # with real latents too


@register_targets(position=4)
def latent_targets(model: str) -> dict[str, Target]:
    """Return the targets for the variants of both methods, and those with a searched pair of photos.

    Args:
        model: latent model for games with as many latents as a real photo.
    """
    found = {}
    for name in VARIANTS:
        own = takes_epsilon(name)
        found[name] = Target(partial(latent_games, name, model), takes_epsilon=own, goes_without=not own)
    return found | {f"search/{name}": Target(partial(searched_games, name)) for name in SEARCHED}


def takes_epsilon(variant: str) -> bool:
    """Whether a variant is audited at a given epsilon; clipping without noise is not.

    Args:
        variant: name in `VARIANTS`.
    """
    return variant != "latent-dp/none"


def latent_games(variant: str, model: str, epsilon: float | None) -> list[Game]:
    """Return the games for a variant of the methods.

    Most use a model without networks whose few latents are the pixels, times 10, so that a fault is visible:
    a black and a white photo are far outside its clip bounds, at opposite corners. Where part of the photo is
    not covered, the two agree there.

    Args:
        variant: name in `VARIANTS`.
        model: latent model for games with as many latents as a real photo.
        epsilon: claimed epsilon; None for a variant without one.
    """
    method = VARIANTS[variant](LatentModel.example(), epsilon)
    black, white = (
        torch.full((1, 3, 2, 2), -1.0, dtype=torch.float64),
        torch.full((1, 3, 2, 2), 1.0, dtype=torch.float64),
    )
    if method.guarantee().not_covered:
        white = torch.cat([white[:, :1], black[:, 1:]], 1)
    photos = black, white
    first, second = (_before_noise(method, PIXELS * photo.flatten(2)).flatten().numpy() for photo in photos)

    def draw(world: int, count: int) -> Floats:
        return _shown(method, photos[world], count)

    def release(records: Tensor) -> Tensor:
        latents = method.protect_latents(records.unflatten(1, (3, 4))).latents
        assert latents is not None
        return latents.flatten(1)

    def in_floats(records: Tensor) -> Tensor:
        simulated = method.protect_latents(
            records.unflatten(1, (3, 4)), rng=torch.Generator().manual_seed(0)
        ).latents
        assert simulated is not None
        return simulated.flatten(1)

    def once(world: int) -> tuple[Floats, bytes]:
        return draw(world, 1)[0], b""

    claim = method.guarantee()
    additive = isinstance(method, DPImage) and method.styles == "all"
    game = Game(
        variant,
        "black and white photo",
        claim,
        draw,
        _measure(method, first, second),
        faults=_faults(variant, LatentModel.example(), method, (first, second), photos),
        law=_law(method, (first, second)),
        width=len(first),
        share=SHARE,
    )
    games = [game, repeat_game(game, once, (first, second), share=REPEAT_SHARE)]
    if variant == "latent-dp/budget":
        games += _games_by_part(game, method, photos)
    if additive:
        zero = np.zeros(len(first))
        inputs = zero, zero + 1 / 3
        near = replace(
            game,
            faults=(_less_noise(method, inputs),),
            law=_law(method, inputs),
            measure=_measure(method, *inputs),
        )
        games.append(
            bits_game(near, release, inputs, dtype=torch.float64, in_floats=in_floats, share=BITS_SHARE)
        )
    return [*games, *([_game_on_the_model(variant, model, epsilon)] if variant in ON_THE_MODEL else [])]


def searched_games(variant: str, epsilon: float) -> list[Game]:
    """Return a game on searched photos of the example model, instead of the black and the white one.

    Args:
        variant: name in `SEARCHED`.
        epsilon: claimed epsilon.
    """
    n, method = 12, VARIANTS[variant](LatentModel.example(), epsilon)
    claim = method.guarantee()
    game = Game(
        f"search/{variant}",
        "",
        claim,
        lambda world, count: np.empty((0, n)),
        lambda y: {},
        width=n,
        share=SHARE,
    )

    def make(pair: tuple[Floats, Floats]) -> Game:
        photos = [torch.from_numpy(x).view(1, 3, 2, 2) for x in pair]
        clean = [_before_noise(method, PIXELS * photo.flatten(2)).flatten().numpy() for photo in photos]
        if np.array_equal(clean[0], clean[1]):  # equal after clipping, so indistinguishable
            return replace(
                game, draw=lambda world, count: np.zeros((count, n)), measure=lambda y: {"value": y[:, 0]}
            )
        both = photos[0], photos[1]
        return replace(
            game,
            draw=lambda world, count: _shown(method, both[world], count),
            measure=_measure(method, clean[0], clean[1]),
            faults=_faults(variant, LatentModel.example(), method, (clean[0], clean[1]), both),
            law=_law(method, (clean[0], clean[1])),
        )

    ends = np.full(n, -1.0), np.full(n, 1.0)
    return [searched_game(make, *ends, rounds=SEARCH_ROUNDS, draws=500, rng=np.random.default_rng())]


def _shown(method: Method, photo: Tensor, count: int) -> Floats:
    return (PIXELS * method.protect(photo.expand(count, -1, -1, -1)).images).flatten(1).numpy()


def _games_by_part(game: Game, method: Method, photos: tuple[Tensor, Tensor]) -> list[Game]:
    """Games on photos that differ in one group of codes only, for which the group's own epsilon must hold."""
    assert isinstance(method, LatentDP) and method.budget is not None
    games = []
    for group, epsilon in method.budget.items():
        own = list(method.model.groups[group])
        other = photos[0].clone()
        other[:, own] = photos[1][:, own]
        pair = photos[0], other
        first, second = (_before_noise(method, PIXELS * photo.flatten(2)).flatten().numpy() for photo in pair)

        def draw(world: int, count: int, pair: tuple[Tensor, Tensor] = pair) -> Floats:
            return _shown(method, pair[world], count)

        games.append(
            replace(
                game,
                pair=f"black and white photo, {group} codes only",
                claim=replace(game.claim, epsilon=epsilon * (1 + 1e-9)),  # allows for rounded scales
                draw=draw,
                measure=_measure(method, first, second),
                faults=(_doubled(method, LatentDP(method.model, budget=_twice(method.budget)), pair),),
                law=_law(method, (first, second)),
            )
        )
    return games


def _twice(budget: Mapping[str, float]) -> str:
    return ",".join(f"{group}={2 * epsilon!r}" for group, epsilon in budget.items())


def _game_on_the_model(variant: str, name: str, epsilon: float | None) -> Game:
    """Game on opposite corners of the box of a real model's latents, without synthesis of the images."""
    loaded = replace(
        load_latent_model(name), synthesize=lambda latents: latents.new_zeros(len(latents), 3, 1, 1)
    )
    method = VARIANTS[variant](loaded, epsilon)
    latents = [torch.full((1, *loaded.latent_shape), value, dtype=torch.float64) for value in (-100.0, 100.0)]
    clean = tuple(_before_noise(method, row).flatten().numpy() for row in latents)

    def draw(world: int, count: int) -> Floats:
        shown = method.protect_latents(latents[world].expand(count, -1, -1)).latents
        assert shown is not None
        return shown.flatten(1).numpy()

    return Game(
        variant,
        f"opposite corners of {loaded.name}",
        method.guarantee(),
        draw,
        _measure(method, *clean),
        faults=_faults(variant, loaded, method, (clean[0], clean[1]), None, latents=latents),
        law=_law(method, (clean[0], clean[1])),
        width=len(clean[0]),
        share=MODEL_SHARE,
    )


def _faults(
    variant: str,
    model: LatentModel,
    method: Method,
    clean: tuple[Floats, Floats],
    photos: tuple[Tensor, Tensor] | None,
    *,
    latents: Sequence[Tensor] | None = None,
) -> tuple[Fault, ...]:
    claim = method.guarantee()
    if claim.epsilon is None:
        return ()
    if isinstance(method, DPImage):
        return (_less_noise(method, clean),)
    twice = VARIANTS[variant](model, 2 * (method.nominal_epsilon or 0.0))
    return (_doubled(method, twice, photos, latents=latents),)


def _less_noise(method: Method, clean: tuple[Floats, Floats]) -> Fault:
    assert isinstance(method, DPImage)
    noisy = _noisy(method)

    whole = less_noise(clean, 2.0, step=_stated_grid(method))
    assert whole.change is not None
    change = whole.change

    def changed(world: int, outputs: Floats) -> Floats:
        return np.where(noisy, change(world, outputs), outputs)

    return replace(whole, change=changed)


def _doubled(
    method: Method,
    twice: Method,
    photos: Sequence[Tensor] | None,
    *,
    latents: Sequence[Tensor] | None = None,
) -> Fault:
    """Fault: the method at twice the budget, simulated, on the method's own grid."""
    rng = torch.Generator().manual_seed(0)
    assert isinstance(twice, LatentDP) and isinstance(method, LatentDP)
    lower, upper = (bound.flatten().numpy() for bound in _box(twice))
    step = _stated_grid(method)

    def draw(world: int, count: int) -> Floats:
        if latents is not None:
            shown = twice.protect_latents(latents[world].expand(count, -1, -1), rng=rng).latents
        else:
            assert photos is not None
            shown = twice.protect_latents(
                (PIXELS * photos[world].flatten(2)).expand(count, -1, -1), rng=rng
            ).latents
        assert shown is not None
        outputs = shown.flatten(1).double().numpy()
        inside = (outputs > lower) & (outputs < upper)
        return np.where(inside, on_grid(outputs, step).clip(lower, upper), outputs)

    return at_twice_the_budget(draw)


def _law(method: Method, clean: tuple[Floats, Floats]) -> Law | None:
    """Law of the released latents, from the claim and the public bounds alone."""
    claim = method.guarantee()
    if claim.epsilon is None:
        return None
    if isinstance(method, DPImage):
        scale = method.sensitivity.value / (claim.epsilon / max(1, method.draws))
        scales = np.where(_noisy(method), scale, 0.0)
        return noise_law("laplace", clean, scales, step=_stated_grid(method))
    if method.choice is not None and method.gallery is not None:
        utilities = _utilities(method, clean)
        laws = [np.exp(claim.epsilon / 2 * (u - u.max())) for u in utilities]
        return choice_law([law / law.sum() for law in laws], partial(_chosen, method))
    lower, upper = (bound.flatten().double().numpy() for bound in _box(method))
    shares = method.shares.flatten().double().numpy()
    spent = np.where(shares > 0, shares / shares.sum() * claim.epsilon, 1.0)
    return clipped_laplace_law(clean, (upper - lower) / spent, lower, upper, step=_stated_grid(method))


def _stated_grid(method: Method) -> float | None:
    """Grid step stated by a certificate of the method."""
    return method.certificate(method.protect_latents(torch.zeros(1, *method.model.latent_shape))).grid_step


def _noisy(method: DPImage) -> Floats:
    """Mask of the flattened latents that receive noise."""
    rows = np.zeros(method.model.latent_shape, bool)
    rows[list(method.codes)] = True
    return rows.ravel()


def _box(method: LatentDP) -> tuple[Tensor, Tensor]:
    return torch.as_tensor(method.box.lower), torch.as_tensor(method.box.upper)


def _utilities(method: LatentDP, clean: tuple[Floats, Floats]) -> list[Floats]:
    assert method.gallery is not None
    rows = torch.from_numpy(np.stack(clean)).unflatten(1, method.model.latent_shape)
    return list(method.utilities(rows).numpy())


def _chosen(method: LatentDP, outputs: Floats) -> Floats:
    """Index of the gallery face that each output shows."""
    assert isinstance(method.gallery, Tensor)
    faces = method.gallery.flatten(1).double().numpy()
    return np.abs(outputs[:, None] - faces).sum(2).argmin(1).astype(np.float64)


def _before_noise(method: Method, latents: Tensor) -> Tensor:
    return latents if method.box is None else method.box.clip(latents)


def _measure(method: Method, first: Floats, second: Floats) -> Callable[[Floats], dict[str, Floats]]:
    apart = first != second
    if isinstance(method, LatentDP) and method.choice is not None and method.gallery is not None:
        utilities = torch.from_numpy(np.stack(_utilities(method, (first, second))))
        ratio = (np.log(method.choice.probabilities(utilities).numpy()) * [[1.0], [-1.0]]).sum(0)

        def of_choice(outputs: Floats) -> dict[str, Floats]:
            chosen = _chosen(method, outputs)
            return {"likelihood ratio": ratio[chosen.astype(np.int64)], "choice": chosen}

        return of_choice
    noise: Any = method.noise if isinstance(method, LatentDP) else None
    widths = None if noise is None else noise.scales.flatten().numpy()[apart]

    def measure(outputs: Floats) -> dict[str, Floats]:
        return contrasts(outputs[:, : len(first)][:, apart], first[apart], second[apart], widths=widths)

    return measure
