# SPDX-License-Identifier: Apache-2.0
"""Games for keyed protections and whole methods."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from semveil.audit import (
    Floats,
    Game,
    circle_game,
    comparison_statistics,
    contrasts,
    hidden_game,
    less_noise,
    noise_for_twice,
    repeat_game,
    table_ratio,
)
from semveil.audit.game import Draw, Law
from semveil.audit.laws import circle_law, is_stated, noise_law, stated_scale
from semveil.audit.target import Target, register_targets
from semveil.faces.parts import BASE_CODES, PRIVATE_CODES, codes_of_parts
from semveil.keys import KeyStream
from semveil.mechanisms import ClipBox
from semveil.methods.dp_semcom import DPSemCom, pair_settings
from semveil.methods.pairs import NoPair
from semveil.methods.protections import PROTECTIONS
from semveil.methods.protectors import Keyed, Noisy
from semveil.methods.transmission import Transmission
from semveil.models.face import FaceModel, load_model
from semveil.privacy.guarantee import Guarantee
from semveil.protection.code_rotation import CodeRotation
from semveil.protection.keyed import KeyedProtection
from semveil.protection.modulo import POINTS, Modulo
from semveil.protection.rotation import Rotation
from semveil.protection.rotation_space import RotationSpace

BLOCK = (2, 4)  # a fault is detected sooner in small blocks
BOX = ClipBox(-1.0, 1.0, source="an example")
FEW_CODES = (0,)  # private code of most audited methods: a fault is detected sooner in fewer numbers
KEYED_SHARE, METHOD_SHARE, REPEAT_SHARE, CERTAIN_SHARE, REAL_SHARE, REAL_KEYED_SHARE = (
    0.1,
    0.02,
    0.005,
    0.0002,
    0.0003,
    0.004,
)
OUTSIDE = 10.0  # distance from the corners of the box, in widths of the box


@register_targets(position=3)
def protection_targets(model: str) -> dict[str, Target]:
    """Return the targets for the keyed protections, and for dp-semcom with every registered protection.

    Args:
        model: name or folder of the face model.
    """
    found = {
        "rotation": Target.without_epsilon(rotation_games),
        "modulo": Target(modulo_games, goes_without=True),
    }
    for name, kind in PROTECTIONS.items():
        found[f"{DPSemCom.name}/{name}"] = Target(
            partial(_games_on_model, name, model),
            takes_epsilon=kind.takes_epsilon and kind.trained is None,
            goes_without=not kind.genuine_noise,
        )
    return found


def _games_on_model(protection: str, model: str, epsilon: float | None) -> list[Game]:
    return method_games(protection, epsilon, load_model(model))


def rotation_games(epsilon: float | None = None) -> list[Game]:
    """Return the game for keyed rotation of a small block.

    Args:
        epsilon: ignored; the protection has none.
    """
    rotation = CodeRotation(RotationSpace.from_box(BOX, BLOCK), BOX)
    inputs = _corner_and_half_way(BLOCK)
    return [
        hidden_game(
            "rotation",
            "a corner and half of the opposite corner",
            _drawn(rotation, inputs),
            inputs,
            rotation.guarantee("the block"),
            norms=_norms(rotation, inputs, BLOCK),
            share=KEYED_SHARE,
        )
    ]


def modulo_games(epsilon: float | None) -> list[Game]:
    """Return games for keyed noise modulo the clip box, for a single number and a small block.

    With noise, they use the exact likelihood ratio.

    Args:
        epsilon: budget of the additional noise; None or 0 for encryption alone.
    """
    one, block = (Modulo(BOX, shape, epsilon=epsilon or 0.0) for shape in ((1, 1), BLOCK))
    two = None if not epsilon else [Modulo(BOX, shape, epsilon=2 * epsilon) for shape in ((1, 1), BLOCK)]
    scalar = circle_game(
        "modulo",
        lambda count: one.noise.draw(count, _fresh_stream()),
        _log_table(one),
        one.guarantee("one number"),
        doubled=None if two is None else lambda count: two[0].noise.draw(count, _fresh_stream()),
    )
    inputs = _corners(BLOCK)
    ratio = _modulo_ratio(block, *inputs)

    def measure(outputs: Floats) -> dict[str, Floats]:
        exact = {"likelihood ratio": ratio(outputs)} if epsilon else {}
        return {**comparison_statistics(outputs, *inputs), **exact}

    of_block = hidden_game(
        "modulo",
        "opposite corners",
        _drawn(block, inputs),
        inputs,
        block.guarantee("the block"),
        measure=measure,
        doubled=None if two is None else _drawn(two[1], inputs),
        law=_modulo_law(block, inputs),
        share=KEYED_SHARE,
    )
    return [scalar, of_block]


def _drawn(protection: KeyedProtection, inputs: tuple[Floats, Floats]) -> Draw:
    """Sampler of the transmitted blocks, each under its own key stream."""

    def draw(world: int, count: int) -> Floats:
        rows = torch.from_numpy(inputs[world]).expand(count, -1).reshape(count, *BLOCK)
        return protection.protect(rows, [_fresh_stream() for _ in range(count)]).sent.flatten(1).numpy()

    return draw


def method_games(protection: str, epsilon: float | None, model: FaceModel) -> list[Game]:
    """Return the games for dp-semcom as a whole, from latents to symbols and gains.

    Two neighbours differ in their private codes and agree in the common ones, as the guarantee assumes. They
    are at opposite corners of the clip box (approached from far outside, so that clipping is tested), or are
    two draws of the model's public latents. The paper's seven codes, and for noise all codes, are also
    tested; with so many numbers only the fit to the law has power. A last game uses two photos that differ in
    all codes, against the claim for the whole record.

    Args:
        protection: name in `PROTECTIONS`.
        epsilon: budget; None for protections that take none.
        model: face model whose generator and latents are used.
    """
    method = build_method(protection, epsilon, model)
    one, other = model.public_latents(2, rng=torch.Generator().manual_seed(0))
    private = list(method.private_codes)
    pairs = {
        "opposite corners": _far_apart(method, one),
        "two latents, private codes": (one, _with(one, private, other[private])),
    }
    doubled = build_method(protection, 2 * epsilon, model) if epsilon else None
    games = [_method_game(pair, method, codes, doubled=doubled) for pair, codes in pairs.items()]
    codes = pairs["two latents, private codes"]
    blocks = _clipped(method, codes)

    def once(world: int) -> tuple[Floats, bytes]:
        sent = method.send_codes(codes[world][None])
        return heard(method, sent)[0], sent.keyed.sealed if sent.keyed else b""

    games.append(repeat_game(games[-1], once, blocks, share=REPEAT_SHARE))
    games += _games_of_real_size(protection, epsilon, model, one)
    claim = method.guarantee()
    if claim.epsilon is not None and claim.not_covered:
        games.append(_common_game(games[0].target, method, (one, other), claim))
    return games


def _games_of_real_size(protection: str, epsilon: float | None, model: FaceModel, one: Tensor) -> list[Game]:
    """Games on opposite corners of as many codes as real transmissions protect; one face has the others."""
    kind = PROTECTIONS[protection]
    if not (kind.genuine_noise or kind.keyed) or model.latent_shape[0] <= max(PRIVATE_CODES):
        return []
    games = []
    sizes: dict[str, tuple[int, ...]] = {"the paper's codes": PRIVATE_CODES}
    if kind.genuine_noise:  # a rotation of all codes costs half a second
        sizes["all codes"] = tuple(range(model.latent_shape[0]))
    for words, private_codes in sizes.items():
        real = build_method(protection, epsilon, model, private_codes)
        twice = build_method(protection, 2 * epsilon, model, private_codes) if epsilon else None
        ends = _far_apart(real, one)
        pair = f"{words}, {len(private_codes) * model.latent_shape[1]} numbers"
        share = REAL_SHARE if kind.genuine_noise else REAL_KEYED_SHARE
        games.append(_method_game(pair, real, ends, doubled=twice, share=share))
    return games + (_budget_games(model, epsilon, one) if protection == "laplace" and epsilon else [])


def _budget_games(model: FaceModel, epsilon: float, one: Tensor) -> list[Game]:
    """Games on a budget by face part, for photos that differ in all its codes or in one part's codes.

    The sum of the epsilons must hold for all codes, the part's own epsilon for one part.
    """
    shares = {"skin": epsilon / 5, "eyes": 4 * epsilon / 5}
    method = DPSemCom(model, budget=shares)
    games = [_method_game("budget by part, all its codes", method, _far_apart(method, one), share=REAL_SHARE)]
    for part, own in shares.items():
        codes = list(codes_of_parts([part])[BASE_CODES:])
        low, high = _far_apart(method, one)
        pair = low, _with(low, codes, high[codes])
        game = _method_game(f"budget by part, {part} alone", method, pair, share=REAL_SHARE)
        games.append(replace(game, claim=replace(game.claim, epsilon=own * (1 + 1e-9))))  # rounded scales
    return games


def _far_apart(method: DPSemCom, one: Tensor) -> tuple[Tensor, Tensor]:
    """Codes of a photo with the private ones far outside opposite corners of the box."""
    lower, upper = float(method.model.box.lower), float(method.model.box.upper)
    width, private = upper - lower, list(method.private_codes)
    return _with(one, private, lower - OUTSIDE * width), _with(one, private, upper + OUTSIDE * width)


def _clipped(method: DPSemCom, codes: tuple[Tensor, Tensor]) -> tuple[Floats, Floats]:
    """Clipped private blocks (n,) before protection."""
    private = list(method.private_codes)
    first, second = (method.model.box.clip(c[None])[0, private].flatten().double().numpy() for c in codes)
    return first, second


def build_method(
    protection: str, epsilon: float | None, model: FaceModel, private_codes: tuple[int, ...] = FEW_CODES
) -> DPSemCom:
    """Construct dp-semcom with a protection, as the games test it.

    A trained protection for which no trained pair is available gets an untrained pair, which is just as
    deterministic.

    Args:
        protection: name in `PROTECTIONS`.
        epsilon: budget; None for protections that take none.
        model: face model.
        private_codes: 0-based indices; ignored for trained protections.
    """
    network = PROTECTIONS[protection].trained
    if network is None:
        return DPSemCom(model, private_codes=private_codes, epsilon=epsilon, protection=protection)
    try:
        return DPSemCom(model, protection=protection)
    except NoPair:  # an untrained pair is as deterministic as a trained one
        return DPSemCom(model, pair=network(pair_settings(model, protection=protection, start="identity")))


def heard(method: DPSemCom, sent: Transmission) -> Floats:
    """Noise-free reception as one row per image: private codes, common codes and gain.

    Args:
        method: method that sent the transmission, with m private codes out of K.
        sent: transmission of B images.

    Returns:
        (B, K * D + 1): m * D private numbers, (K - m) * D common numbers, then the gain.
    """
    codes = method.heard_codes(sent).double()
    private = list(method.private_codes)
    common = [c for c in range(codes.shape[1]) if c not in private]
    columns = [codes[:, private].flatten(1), codes[:, common].flatten(1), sent.gains.double()[:, None]]
    return torch.cat(columns, 1).detach().numpy()


def _method_game(
    pair: str,
    method: DPSemCom,
    codes: tuple[Tensor, Tensor],
    *,
    doubled: DPSemCom | None = None,
    share: float = METHOD_SHARE,
) -> Game:
    """Game on two sets of codes (K, D); `doubled` is the method at twice the budget."""
    target, claim = f"{DPSemCom.name}/{method.protection}", method.guarantee()
    first, second = _clipped(method, codes)
    n, protector = len(first), method.protector
    width = codes[0].numel()

    def drawn(method: DPSemCom) -> Draw:
        return lambda world, count: heard(
            method, method.send_codes(codes[world].expand(count, -1, -1).clone())
        )

    if isinstance(protector, Keyed):
        modulo = protector.protection if isinstance(protector.protection, Modulo) else None
        ratio = None if modulo is None or not claim.epsilon else _modulo_ratio(modulo, first, second)

        def measure(outputs: Floats) -> dict[str, Floats]:
            block = outputs[:, :n]
            exact = {} if ratio is None else {"likelihood ratio": ratio(block)}
            return {**comparison_statistics(block, first, second), **exact, "gain": outputs[:, -1]}

        shape = len(method.private_codes), method.model.latent_shape[1]
        return hidden_game(
            target,
            pair,
            drawn(method),
            (first, second),
            claim,
            measure=measure,
            norms=_norms(protector.protection, (first, second), shape),
            doubled=None if doubled is None else drawn(doubled),
            law=None if modulo is None else _modulo_law(modulo, (first, second)),
            width=width,
            share=share,
        )
    gaussian = method.protection == "gaussian"
    noisy = isinstance(protector, Noisy)
    factor = noise_for_twice(claim, gaussian=gaussian) if claim.epsilon else None
    return Game(
        target,
        pair,
        claim,
        drawn(method),
        lambda outputs: {**contrasts(outputs[:, :n], first, second), "gain": outputs[:, -1]},
        faults=() if factor is None else (less_noise((first, second), factor),),
        law=_noise_law(method, (first, second)) if noisy and is_stated(method.protection) else None,
        width=width,
        gaussian=gaussian,
        share=share,
    )


def _noise_law(method: DPSemCom, clean: tuple[Floats, Floats]) -> Law:
    """Law of the received private block, from the claim and the public bounds alone."""
    claim, box, n = method.guarantee(), method.model.box, len(clean[0])
    assert claim.epsilon is not None
    width = float(box.upper) - float(box.lower)
    if method.budget is not None:
        scales = []
        for part, own in method.budget.items():
            numbers = len(codes_of_parts([part])[BASE_CODES:]) * method.model.latent_shape[1]
            scales += [numbers * width / own] * numbers
        return noise_law("per-coordinate-laplace", clean, np.array(scales))
    farthest = width * (n if method.protection == "laplace" else np.sqrt(n))
    return noise_law(
        method.protection, clean, stated_scale(method.protection, farthest, claim.epsilon, claim.delta)
    )


def _norms(
    protection: KeyedProtection, blocks: tuple[Floats, Floats], shape: tuple[int, int]
) -> list[float] | None:
    """Norms of the blocks that a rotation seals, relative to the usual norm; None if it seals none."""
    if not isinstance(protection, Rotation | CodeRotation):
        return None
    coordinates = protection.space.to_coordinates(torch.from_numpy(np.stack(blocks)).reshape(2, *shape))
    return (coordinates.norm(dim=1) / protection.space.usual_norm).tolist()


def _common_game(target: str, method: DPSemCom, codes: tuple[Tensor, Tensor], claim: Guarantee) -> Game:
    n = len(method.private_codes) * method.model.latent_shape[1]
    common = [c for c in range(method.model.latent_shape[0]) if c not in method.private_codes]
    first, second = (c[common].flatten().double().numpy() for c in codes)
    return Game(
        target,
        "two latents, all codes",
        Guarantee.none("the whole photo", reason=f"not covered: {', '.join(claim.not_covered)}"),
        lambda world, count: heard(method, method.send_codes(codes[world].expand(count, -1, -1).clone())),
        lambda outputs: contrasts(outputs[:, n:-1], first, second),
        width=codes[0].numel(),
        share=CERTAIN_SHARE,
    )


def _points(modulo: Modulo, values: Floats) -> Floats:
    """Values in latent units as integer points of the circle."""
    return np.rint(values / modulo.step)


def _modulo_ratio(modulo: Modulo, first: Floats, second: Floats) -> Callable[[Floats], Floats]:
    table = _log_table(modulo)
    points = [_points(modulo, x - modulo.centre).astype(np.int64) for x in (first, second)]
    return lambda block: table_ratio(_points(modulo, block).astype(np.int64), points[0], points[1], table)


def _modulo_law(modulo: Modulo, inputs: tuple[Floats, Floats]) -> Law | None:
    if not modulo.epsilon:
        return None
    n = len(inputs[0])
    centres = [_points(modulo, x - modulo.centre) for x in inputs]
    return circle_law(centres, POINTS, modulo.epsilon, lambda outputs: _points(modulo, outputs[:, :n]))


def _log_table(modulo: Modulo) -> Floats:
    return np.log(np.array([count / 2**64 for count in modulo.noise.counts]))


def _corners(shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Opposite corners of the example box, flattened."""
    n = shape[0] * shape[1]
    return np.full(n, float(BOX.lower)), np.full(n, float(BOX.upper))


def _corner_and_half_way(shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """A corner of the example box, and half of the opposite one, which is far away and has another norm."""
    low, high = _corners(shape)
    return low, high / 2


def _with(codes: Tensor, private: list[int], values: Tensor | float) -> Tensor:
    """Copy of codes (K, D) with the private ones replaced."""
    changed = codes.clone()
    changed[private] = values if isinstance(values, Tensor) else torch.full_like(changed[private], values)
    return changed


def _fresh_stream() -> KeyStream:
    return KeyStream(os.urandom(32))
