"""Games for identity-dp as a whole: photos in, pictures out."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semveil.attacks.audit import Floats, Game, contrasts, repeat_game
from semveil.attacks.audit.statistics import coarse
from semveil.core.privacy import Guarantee
from semveil.keys.secret import Secret, write_secret
from semveil.mechanisms import SPHERE_MECHANISMS
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.identity_model import IdentityModel
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel

SHARE, WHOLE_SHARE, REPEAT_SHARE, CERTAIN_SHARE = 0.01, 0.002, 0.001, 0.0002
GALLERY = 8
SIDE = 4  # pixels of the model without networks, whose vectors have four numbers
OBSERVED = 1.0  # L1 distance that the published calibration is told, of at most 2 sqrt(d)

Maker = Callable[[IdentityModel, float | None], IdentityDP]


def _of_mechanism(mechanism: str, model: IdentityModel, epsilon: float | None) -> IdentityDP:
    return IdentityDP(model, epsilon=epsilon, mechanism=mechanism)


def _published(model: IdentityModel, epsilon: float | None) -> IdentityDP:
    return IdentityDP(model, epsilon=epsilon, calibration="as_published", observed_sensitivity=OBSERVED)


def _private_attributes(model: IdentityModel, epsilon: float | None) -> IdentityDP:
    """Half of the budget for the attributes, which come from a gallery of a model without networks."""
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
VARIANTS: Mapping[str, Maker] = {
    **{f"identity-dp/{name}": partial(_of_mechanism, name) for name in SPHERE_MECHANISMS},
    "identity-dp/as-published": _published,
    "identity-dp/repel": lambda model, epsilon: IdentityDP(model, epsilon=epsilon, repel=True),
    PRIVATE_ATTRIBUTES: _private_attributes,
    PSEUDONYM: _pseudonym,
}


def takes_epsilon(variant: str) -> bool:
    """Whether a budget can be asked of it."""
    return variant != PSEUDONYM


def identity_games(variant: str, epsilon: float | None) -> list[Game]:
    """Games for a variant of the method, on a model without networks whose pictures show identity and attributes side by side.

    A black and a white photo have opposite vectors. Where the attributes are in clear, the two agree in them for the games on
    the claim; a last game takes the photos with their own attributes, against the claim for the whole photo.

    Args:
        variant: in `VARIANTS`.
        epsilon: to claim; None for what has none.
    """
    model = replace(IdentityModel.example(), fuse=lambda identity, maps: _beside(identity, maps[0]))
    if variant == PRIVATE_ATTRIBUTES:
        return _games(variant, VARIANTS[variant](model, epsilon), "black and white photo", WHOLE_SHARE)
    alike = replace(model, attributes=lambda images: (torch.zeros_like(images),))
    method = VARIANTS[variant](alike, epsilon)
    games = _games(variant, method, "black and white photo, the same attributes", SHARE)
    claim = method.guarantee()
    if claim.epsilon is None:
        return games
    whole = Guarantee.none("the whole photo", reason=f"not covered: {', '.join(claim.not_covered)}")
    game, _ = _games(variant, VARIANTS[variant](model, epsilon), "black and white photo, all of it", CERTAIN_SHARE)
    return [*games, replace(game, claim=whole)]


def _beside(identity: Tensor, look: Tensor) -> Tensor:
    """Pictures (B, 3, 4, 8): the vector's four numbers as rows on the left, the attributes on the right."""
    return torch.cat([identity[:, None, :, None].expand(-1, 3, -1, SIDE), look], 3)


def _games(target: str, method: IdentityDP, pair: str, share: float) -> list[Game]:
    photos = [torch.full((1, 3, SIDE, SIDE), level, dtype=torch.float64) for level in (-1.0, 1.0)]
    first, second = (method.identify(photo)[0].numpy() for photo in photos)
    density: Any = getattr(method.law, "log_density", None)

    def draw(world: int, count: int) -> Floats:
        """(count, 5): the new identity, and how bright the attributes are."""
        subjects = [("black", "white")[world]] * count if method.needs_subjects else None
        shown = method.protect(photos[world].expand(count, -1, -1, -1), subjects=subjects).images
        return torch.cat([shown[:, 0, :, 0], shown[..., SIDE:].mean((1, 2, 3))[:, None]], 1).numpy()

    def measure(outputs: Floats) -> dict[str, Floats]:
        found = contrasts(outputs[:, :-1], first, second)
        if density is not None:
            cosines = outputs[:, :-1] @ first
            found["likelihood"] = coarse(density(cosines) - density(-cosines))
        return {**found, "brightness": coarse(outputs[:, -1])}

    def once(world: int) -> tuple[Floats, bytes]:
        return draw(world, 1)[0, :-1], b""

    claim = method.guarantee()
    return [
        Game(target, pair, claim, draw, measure, width=len(first) + 1, share=share),
        repeat_game(target, once, second - first, claim, share=REPEAT_SHARE),
    ]
