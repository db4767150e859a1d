# SPDX-License-Identifier: Apache-2.0
"""Games for identity-dp end to end, from photos to images."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.audit import Floats, Game, at_twice_the_budget, coarse, contrasts, repeat_game
from semveil.audit.faults import on_grid
from semveil.audit.game import Fault, Law
from semveil.audit.laws import cosine_law
from semveil.audit.target import Target, register_targets
from semveil.keys.secret import Secret, write_secret
from semveil.mechanisms import SPHERE_MECHANISMS
from semveil.mechanisms.exact.sphere import STEP
from semveil.methods.identity_dp import DEFAULT_MECHANISM, IdentityDP
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel
from semveil.models.identity import IdentityModel, load_identity_model
from semveil.privacy.guarantee import Guarantee

SHARE, WHOLE_SHARE, REPEAT_SHARE, CERTAIN_SHARE = 0.02, 0.01, 0.01, 0.0002
REAL_SHARE = 0.008  # exact vectors of a real model's size cost milliseconds
REAL_EPSILON = 5.0  # smallest epsilon that this number of draws can test
GALLERY = 8
SIDE = 4  # side in pixels of the model without networks, whose vectors have four numbers
OBSERVED = 1.0  # L1 distance given to the published calibration, of at most 2 sqrt(d)

Maker = Callable[[IdentityModel, float | None], IdentityDP]


def _of_mechanism(mechanism: str, model: IdentityModel, epsilon: float | None) -> IdentityDP:
    return IdentityDP(model, epsilon=epsilon, mechanism=mechanism)


def _published(model: IdentityModel, epsilon: float | None) -> IdentityDP:
    return IdentityDP(model, epsilon=epsilon, calibration="as_published", observed_sensitivity=OBSERVED)


def _private_attributes(model: IdentityModel, epsilon: float | None) -> IdentityDP:
    """Method with half of the budget for the attributes, selected from a gallery without networks."""
    half = (epsilon or 0.0) / 2
    method = IdentityDP(model, epsilon=half)
    method.look = LatentDP(LatentModel.example(), epsilon=half, mechanism="exponential", gallery=GALLERY)
    return method


def _pseudonym(model: IdentityModel, epsilon: float | None) -> IdentityDP:
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        write_secret(key, Secret.generate())
        return IdentityDP(model, pseudonym=str(key))


PSEUDONYM, PRIVATE_ATTRIBUTES = "identity-dp/pseudonym", "identity-dp/private-attributes"
DEFAULT = f"identity-dp/{DEFAULT_MECHANISM}"
VARIANTS: Mapping[str, Maker] = {
    **{f"identity-dp/{name}": partial(_of_mechanism, name) for name in SPHERE_MECHANISMS},
    "identity-dp/as-published": _published,
    "identity-dp/repel": lambda model, epsilon: IdentityDP(model, epsilon=epsilon, repel=True),
    PRIVATE_ATTRIBUTES: _private_attributes,
    PSEUDONYM: _pseudonym,
}


@register_targets(position=6)
def identity_targets(model: str) -> dict[str, Target]:
    """Return the targets for the variants of identity-dp.

    Args:
        model: not used; the games use the example and the bundled identity model.
    """
    found = {}
    for name in VARIANTS:
        own = takes_epsilon(name)
        found[name] = Target(partial(identity_games, name), takes_epsilon=own, goes_without=not own)
    return found


def takes_epsilon(variant: str) -> bool:
    """Whether a variant is audited at a given epsilon.

    Args:
        variant: name in `VARIANTS`.
    """
    return variant != PSEUDONYM


def identity_games(variant: str, epsilon: float | None) -> list[Game]:
    """Return the games for a variant of the method.

    They use a model without networks whose images show identity and attributes side by side. A black and a
    white photo have opposite vectors. Where the attributes are in clear, the two photos have the same
    attributes in the games on the claim; a last game uses their own attributes, against the claim for the
    whole photo. The default law is also sampled in the bundled model's dimension, for budgets large enough
    for so few draws.

    Args:
        variant: name in `VARIANTS`.
        epsilon: claimed epsilon; None for a variant without one.
    """
    model = replace(IdentityModel.example(), fuse=lambda identity, maps: _beside(identity, maps[0]))
    if variant == PRIVATE_ATTRIBUTES:
        return _games(variant, model, epsilon, "black and white photo", WHOLE_SHARE)
    alike = replace(model, attributes=lambda images: (torch.zeros_like(images),))
    games = _games(variant, alike, epsilon, "black and white photo, the same attributes", SHARE)
    claim = games[0].claim
    if claim.epsilon is None:
        return games
    whole = Guarantee.none("the whole photo", reason=f"not covered: {', '.join(claim.not_covered)}")
    game, _ = _games(variant, model, epsilon, "black and white photo, including attributes", CERTAIN_SHARE)
    real = (
        [_game_of_real_size(variant, epsilon)]
        if variant == DEFAULT and (epsilon or 0) >= REAL_EPSILON
        else []
    )
    return [*games, *real, replace(game, claim=whole, law=None)]


def _beside(identity: Tensor, look: Tensor) -> Tensor:
    """Images (B, 3, 4, 8): the vector's four numbers as rows on the left, the attributes on the right."""
    return torch.cat([identity[:, None, :, None].expand(-1, 3, -1, SIDE), look], 3)


def _games(target: str, model: IdentityModel, epsilon: float | None, pair: str, share: float) -> list[Game]:
    method = VARIANTS[target](model, epsilon)
    photos = [torch.full((1, 3, SIDE, SIDE), level, dtype=torch.float64) for level in (-1.0, 1.0)]
    first, second = (method.identify(photo)[0].numpy() for photo in photos)
    density: Any = getattr(method.law, "log_density", None)

    def outputs_of(method: IdentityDP, world: int, count: int, rng: torch.Generator | None) -> Floats:
        """Return the new identity and the brightness of the attributes, (count, 5)."""
        subjects = [("black", "white")[world]] * count if method.needs_subjects else None
        shown = method.protect(photos[world].expand(count, -1, -1, -1), subjects=subjects, rng=rng).images
        return torch.cat([shown[:, 0, :, 0], shown[..., SIDE:].mean((1, 2, 3))[:, None]], 1).numpy()

    def draw(world: int, count: int) -> Floats:
        return outputs_of(method, world, count, None)

    def measure(outputs: Floats) -> dict[str, Floats]:
        found = contrasts(outputs[:, :-1], first, second)
        if density is not None:
            cosines = outputs[:, :-1] @ first
            found["likelihood"] = coarse(density(cosines) - density(-cosines))
        return {**found, "brightness": coarse(outputs[:, -1])}

    def once(world: int) -> tuple[Floats, bytes]:
        return draw(world, 1)[0], b""

    claim = method.guarantee()
    faults: tuple[Fault, ...] = ()
    if claim.epsilon is not None:
        twice, rng = VARIANTS[target](model, 2 * (epsilon or 0.0)), torch.Generator().manual_seed(0)

        def doubled(world: int, count: int) -> Floats:
            rows = outputs_of(twice, world, count, rng)
            return np.column_stack([on_grid(rows[:, :-1], STEP), rows[:, -1:]])

        faults = (at_twice_the_budget(doubled),)
    width = len(first) + 1
    game = Game(
        target,
        pair,
        claim,
        draw,
        measure,
        faults=faults,
        law=_law(method, first, second),
        width=width,
        share=share,
    )
    return [game, repeat_game(game, once, (first, second), share=REPEAT_SHARE)]


def _law(method: IdentityDP, first: Floats, second: Floats) -> Law | None:
    """Law of the new identity, from the claim alone; privately drawn attributes have their own part of it."""
    if method.law is None:
        return None
    towards = (-first, -second) if method.repel else (first, second)
    return cosine_law(
        method.law.name, method.dimension, method.law.guarantee(exact=True).epsilon or 0.0, towards, step=STEP
    )


def _game_of_real_size(variant: str, epsilon: float | None) -> Game:
    """Game on the law alone, in the bundled model's dimension."""
    model = replace(IdentityModel.example(), dim=load_identity_model().dim)
    method, twice = VARIANTS[variant](model, epsilon), VARIANTS[variant](model, 2 * (epsilon or 0.0))
    pole = torch.eye(model.dim, dtype=torch.float64)[:1]
    first, second = pole[0].numpy(), -pole[0].numpy()
    rng = torch.Generator().manual_seed(0)

    def rows(world: int, count: int) -> Tensor:
        return (pole if world == 0 else -pole).expand(count, -1)

    def doubled(world: int, count: int) -> Floats:
        return on_grid(twice.perturb(rows(world, count), rng=rng).numpy(), STEP)

    return Game(
        variant,
        f"opposite poles in {model.dim} dimensions",
        method.guarantee(),
        lambda world, count: method.perturb(rows(world, count)).numpy(),
        lambda outputs: contrasts(outputs, first, second),
        faults=(at_twice_the_budget(doubled),),
        law=_law(method, first, second),
        width=model.dim,
        share=REAL_SHARE,
    )
