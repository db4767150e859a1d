# SPDX-License-Identifier: Apache-2.0
"""Games for dp-image and latent-dp in a public subspace, from photos to coordinates of the images."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from semveil.audit import Floats, Game, at_twice_the_budget, contrasts, repeat_game
from semveil.audit.faults import on_grid
from semveil.audit.game import Law, Measure
from semveil.audit.laws import ball_law, choice_law, clipped_laplace_law, cosine_law, stated_scale
from semveil.audit.target import Target, register_targets
from semveil.methods.dp_image import DPImage
from semveil.methods.gallery import Gallery
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel
from semveil.methods.subspace import Subspace
from semveil.methods.subspace_noise import DirectionPrivUnitG

RANK, FACES = 4, 12
SHARE, REPEAT_SHARE = 0.05, 0.003
PIXELS = 10.0  # latents of the example model are its pixels times this

Method = DPImage | LatentDP
VARIANTS: Mapping[str, Callable[[LatentModel, float], Method]] = {
    **{
        f"dp-image/subspace-{law}": lambda model, epsilon, law=law: DPImage(
            model, epsilon=epsilon, subspace=RANK, noise=law
        )  # type: ignore[misc]
        for law in ("laplace", "gaussian", "privunit-g")
    },
    **{
        f"latent-dp/subspace-{law}": lambda model, epsilon, law=law: LatentDP(  # type: ignore[misc]
            model, epsilon=epsilon, subspace=RANK, mechanism=law
        )
        for law in ("laplace", "gaussian", "privunit-g")
    },
    **{
        f"latent-dp/subspace-{law}": lambda model, epsilon, law=law: LatentDP(  # type: ignore[misc]
            model, epsilon=epsilon, subspace=RANK, mechanism=law, gallery=FACES, residual="draw"
        )
        for law in ("exponential", "nearest")
    },
}


@register_targets(position=5)
def subspace_targets(model: str) -> dict[str, Target]:
    """Return the targets for the variants of both methods in a subspace.

    Args:
        model: not used; the games use the example model.
    """
    return {name: Target(partial(subspace_games, name)) for name in VARIANTS}


def subspace_games(variant: str, epsilon: float) -> list[Game]:
    """Return games on a black and a white photo of the example model.

    The photos are in opposite directions, far outside the bounds. An image is read as its coordinates in the
    subspace, or as the index of its face in the gallery.

    Args:
        variant: name in `VARIANTS`.
        epsilon: claimed epsilon.
    """
    model = LatentModel.example()
    method = VARIANTS[variant](model, epsilon)
    photos = [torch.full((1, 3, 2, 2), value, dtype=torch.float64) for value in (-1.0, 1.0)]
    twice, rng = VARIANTS[variant](model, 2 * epsilon), torch.Generator().manual_seed(0)
    clean = [_before_noise(method, photo)[0].double().numpy() for photo in photos]

    def draw(world: int, count: int) -> Floats:
        return _read(method, _shown(method, photos[world], count, None))

    def doubled(world: int, count: int) -> Floats:
        return _read(method, _shown(twice, photos[world], count, rng))

    def once(world: int) -> tuple[Floats, bytes]:
        return draw(world, 1)[0], b""

    game = Game(
        variant,
        "black and white photo",
        method.guarantee(),
        draw,
        _measure(method, clean),
        faults=(at_twice_the_budget(doubled),),
        law=_law(method, clean),
        width=RANK,
        gaussian=method.law is not None and method.law.name == "gaussian",
        share=SHARE,
    )
    records = [_recorded(method, x) for x in clean]
    return [game, repeat_game(game, once, records, share=REPEAT_SHARE)]


def _shown(method: Method, photo: Tensor, count: int, rng: torch.Generator | None) -> Tensor:
    return PIXELS * method.protect(photo.expand(count, -1, -1, -1), rng=rng).images.flatten(2)


def _space(method: Method) -> Subspace:
    assert method.subspace is not None
    return method.subspace.space


def _before_noise(method: Method, photo: Tensor) -> Tensor:
    """Coordinates before noise, in the units of `_read`; the utilities for a method that selects a face."""
    coordinates = _space(method).coordinates(PIXELS * photo.flatten(2))
    if method.law is not None:
        return method.law.clip(coordinates)
    if isinstance(method, LatentDP) and method.choice is not None:
        return method.utilities(coordinates)
    assert method.box is not None
    return method.box.clip(coordinates)


def _read(method: Method, latents: Tensor) -> Floats:
    """Coordinates of released latents, with conversion errors removed; the index for a selected face."""
    space = _space(method)
    if isinstance(method, LatentDP) and isinstance(method.gallery, Gallery):
        faces = method.gallery.latents(torch.arange(FACES)).flatten(1).double()
        return torch.cdist(latents.flatten(1).double(), faces).argmin(1, keepdim=True).double().numpy()
    found = space.coordinates(latents)
    if isinstance(method.law, DirectionPrivUnitG):
        return (found / space.deviations / method.law.length).numpy()
    if method.law is not None:
        return (found / space.deviations).numpy()
    assert method.box is not None and method.release is not None
    lower, upper = (torch.as_tensor(bound) for bound in (method.box.lower, method.box.upper))
    inside = (found > lower + 1e-9) & (found < upper - 1e-9)
    cleared = on_grid(found.numpy(), method.release.step)
    return np.where(inside.numpy(), cleared, np.where(found.numpy() > 0, upper.numpy(), lower.numpy()))


def _recorded(method: Method, clean: Floats) -> Floats:
    """Output of a record without noise; the index of the nearest face for a selection."""
    chooses = isinstance(method, LatentDP) and method.choice is not None
    return np.array([float(clean.argmax())]) if chooses else clean


def _probabilities(method: LatentDP, clean: list[Floats]) -> list[Floats]:
    """Probability of every face, from the claim alone.

    Proportional to exp(epsilon u / 2); for `nearest`, with u 0 or 1, to exp(epsilon u).
    """
    epsilon = method.guarantee().epsilon
    assert epsilon is not None
    found = []
    for utilities in clean:
        weights = np.exp(epsilon / 2 * utilities)
        if method.mechanism_name == "nearest":
            near = getattr(method.choice, "near")  # noqa: B009
            weights = np.where(np.argsort(np.argsort(-utilities)) < near, np.exp(epsilon), 1.0)
        found.append(weights / weights.sum())
    return found


def _number(outputs: Floats) -> Floats:
    return outputs[:, 0]


def _measure(method: Method, clean: list[Floats]) -> Measure:
    if isinstance(method, LatentDP) and method.choice is not None:
        first, second = _probabilities(method, clean)
        ratio = np.log(first / second)
        return lambda outputs: {
            "likelihood ratio": ratio[_number(outputs).astype(int)],
            "choice": _number(outputs),
        }
    return partial(contrasts, first=clean[0], second=clean[1])


def _law(method: Method, clean: list[Floats]) -> Law | None:
    """Law of the released coordinates, from the claim and the public bounds alone."""
    claim, space = method.guarantee(), _space(method)
    assert claim.epsilon is not None
    if isinstance(method, LatentDP) and method.choice is not None:
        return choice_law(_probabilities(method, clean), _number)
    if isinstance(method.law, DirectionPrivUnitG):
        return cosine_law("privunit-g", space.rank, claim.epsilon, clean)
    if method.law is not None:
        bounds = method.law.certificate_fields(simulated=False)["bounds"]
        return ball_law(
            clean, stated_scale("gaussian", 2 * bounds.upper, claim.epsilon, claim.delta), bounds.upper
        )
    assert method.box is not None
    lower, upper = (torch.as_tensor(bound).numpy() for bound in (method.box.lower, method.box.upper))
    widths = upper - lower
    scales = np.full(space.rank, widths.sum() / claim.epsilon)  # dp-image: one scale for all
    if isinstance(method, LatentDP):
        scales = widths * space.rank / claim.epsilon  # the same loss for each
    return clipped_laplace_law(clean, scales, lower, upper)
