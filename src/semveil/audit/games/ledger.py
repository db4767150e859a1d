# SPDX-License-Identifier: Apache-2.0
"""Games for the ledger: its total epsilon must not be below the measured lower bound over all releases."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semveil.audit import Fault, Floats, Game, contrasts
from semveil.audit.games.methods import build_method, heard
from semveil.audit.target import Target, register_targets
from semveil.mechanisms import Gaussian
from semveil.methods.baselines import LEVELS, PixelNoise
from semveil.methods.certificates import certificate_of
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.messages import to_message
from semveil.models.face import FaceModel, load_model
from semveil.models.identity import IdentityModel
from semveil.privacy.certificate import Certificate
from semveil.privacy.guarantee import Guarantee
from semveil.privacy.ledger import Ledger

TARGET = "ledger"
RELEASES = 2
SHARE, NORMAL_SHARE, CLEAR_SHARE = 0.04, 0.01, 0.0002
SIDE = 4


@register_targets(position=9)
def ledger_targets(model: str) -> dict[str, Target]:
    """Return the target for the ledger's total of several releases.

    Args:
        model: name or folder of the face model.
    """
    return {TARGET: Target(lambda epsilon: ledger_games(epsilon, load_model(model)))}


def ledger_games(epsilon: float, model: FaceModel) -> list[Game]:
    """Return games on two releases about one person.

    There is one game each for PrivUnit and for normal noise, and one on two messages that each show the codes
    which the other covers.

    Args:
        epsilon: approximate epsilon of all releases together.
        model: face model for the two messages.
    """
    return [_identity_game(epsilon), _normal_game(epsilon), _clear_game(epsilon, model)]


def stated(certificates: Sequence[Certificate]) -> Guarantee:
    """Smallest finite total that a new ledger states after these releases about one person.

    The minimum is over the parts; if no part has a finite total, the total for the whole record. The total of
    a part applies to photos that agree in everything shown in clear, as those of the games do.

    Args:
        certificates: of the releases, in order.
    """
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.jsonl")
        ledger.prepare()
        for certificate in certificates:
            ledger.record("Ada", certificate)
        together = ledger.account("Ada")
    assert together is not None
    finite = [(part.epsilon, i) for i, part in enumerate(together.sets) if part.epsilon is not None]
    return together.sets[min(finite)[1]] if finite else together.whole


def _identity_game(epsilon: float) -> Game:
    """Identities by PrivUnit, whose loss events reach epsilon; a black and a white photo, same attributes."""
    model = replace(IdentityModel.example(), attributes=lambda images: (torch.zeros_like(images),))
    method = IdentityDP(model, epsilon=epsilon / RELEASES, mechanism="privunit")
    photos = [torch.full((1, 3, SIDE, SIDE), level, dtype=torch.float64) for level in (-1.0, 1.0)]
    first = method.identify(photos[0])[0].numpy()
    density = getattr(method.law, "log_density")  # noqa: B009
    rng = torch.Generator().manual_seed(0)

    def draw(releases: int, stream: torch.Generator | None, world: int, count: int) -> Floats:
        rows = method.identify(photos[world]).expand(count * releases, -1)
        cosines = method.perturb(rows, rng=stream).numpy() @ first
        return (density(cosines) - density(-cosines)).reshape(count, releases)

    certificates = [method.certificate(method.protect(photos[0])) for _ in range(RELEASES)]
    pair = f"{RELEASES} releases of identity-dp"
    return _game(pair, certificates, draw, lambda shown: {"likelihood": shown.sum(1)}, rng, made=2 * RELEASES)


def _normal_game(epsilon: float) -> Game:
    """Pixel noise on a black and a white crop, projected onto the line between them."""
    sensitivity = LEVELS.l2_sensitivity(3 * SIDE**2)
    method = PixelNoise(sigma=Gaussian.calibrate(sensitivity, epsilon / RELEASES).sigma, size=SIDE)
    crops = [torch.full((1, 3, SIDE, SIDE), level, dtype=torch.float64) for level in (-1.0, 1.0)]
    first, second = (crop.flatten().numpy() for crop in crops)
    rng = torch.Generator().manual_seed(0)

    def draw(releases: int, stream: torch.Generator | None, world: int, count: int) -> Floats:
        shown = method.protect(crops[world].expand(count * releases, -1, -1, -1), rng=stream).images.flatten(
            1
        )
        return contrasts(shown.numpy(), first, second)["projection"].reshape(count, releases)

    certificates = [method.certificate(method.protect(crops[0])) for _ in range(RELEASES)]
    pair = f"{RELEASES} releases of pixel-noise"  # four times as many double Delta / sigma
    game = _game(
        pair, certificates, draw, lambda shown: {"projection": shown.mean(1)}, rng, made=4 * RELEASES
    )
    return replace(game, gaussian=True, share=NORMAL_SHARE)


def _game(
    pair: str,
    certificates: Sequence[Certificate],
    draw: Callable[[int, torch.Generator | None, int, int], Floats],
    together: Callable[[Floats], dict[str, Floats]],
    rng: torch.Generator,
    *,
    made: int,
) -> Game:
    """All releases together against the total stated by the ledger.

    The planted fault is `made` releases, the number that doubles epsilon.
    """

    def unbooked(world: int, count: int) -> Floats:
        return draw(made, rng, world, count)

    name = f"epsilon doubled: {made} releases, of which {len(certificates)} are booked"
    return Game(
        TARGET,
        pair,
        stated(certificates),
        lambda world, count: draw(len(certificates), None, world, count),
        together,
        faults=(Fault(name, draw=unbooked),),
        width=200,
        share=SHARE,
    )


def _clear_game(epsilon: float, model: FaceModel) -> Game:
    """Two messages of one photo, each of which sends in clear the codes that the other protects."""
    halves = (
        tuple(range(model.latent_shape[0] // 2)),
        tuple(range(model.latent_shape[0] // 2, model.latent_shape[0])),
    )
    methods = [build_method("laplace", epsilon / 2, model, codes) for codes in halves]
    faces = model.public_latents(2, rng=torch.Generator().manual_seed(0))
    first, second = (_clear(model, face, halves) for face in faces)

    def draw(world: int, count: int) -> Floats:
        blocks = []
        for method in methods:
            n = len(method.private_codes) * model.latent_shape[1]
            shown = heard(method, method.send_codes(faces[world].expand(count, -1, -1).clone()))
            blocks.append(shown[:, n:-1])
        return np.concatenate(blocks, 1)

    certificates = [
        certificate_of(to_message(method, method.send_codes(faces[:1])), method) for method in methods
    ]
    return Game(
        TARGET,
        "two messages, each with the other's codes in clear",
        stated(certificates),
        draw,
        lambda outputs: contrasts(outputs, first, second),
        width=2 * faces[0].numel(),
        share=CLEAR_SHARE,
    )


def _clear(model: FaceModel, face: Tensor, halves: tuple[tuple[int, ...], ...]) -> Floats:
    """Codes that the two messages send in clear, in their order."""
    clipped = model.box.clip(face[None])[0].double()
    return torch.cat([clipped[list(halves[1])].flatten(), clipped[list(halves[0])].flatten()]).numpy()
