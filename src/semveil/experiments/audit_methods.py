"""Games for keyed protections and whole methods."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.attacks.audit import Floats, Game, circle_game, contrasts, hidden_game, looks, repeat_game, table_ratio
from semveil.core.privacy import Guarantee
from semveil.keys import KeyStream
from semveil.mechanisms import ClipBox
from semveil.methods.dp_semcom import NOISY, DPSemCom, Transmission
from semveil.methods.face_model import FaceModel
from semveil.methods.pairs import NoPair
from semveil.protection.code_rotation import CodeRotation
from semveil.protection.keyed import KeyedProtection
from semveil.protection.linear_pair import LinearPair
from semveil.protection.modulo import Modulo
from semveil.protection.rotation_space import RotationSpace

BLOCK = (2, 4)  # small blocks show a fault sooner
BOX = ClipBox(-1.0, 1.0, source="an example")
FEW_CODES = (0,)  # private code of the audited methods: a fault shows sooner in fewer numbers
KEYED_SHARE, METHOD_SHARE, REPEAT_SHARE, CERTAIN_SHARE = 0.02, 0.008, 0.002, 0.0002
OUTSIDE = 10.0  # widths of the box beyond its corners


def rotation_games(epsilon: float | None = None) -> list[Game]:
    """Games for keyed rotation of a small block."""
    return [_block_game("rotation", CodeRotation(RotationSpace.from_box(BOX, BLOCK), BOX))]


def modulo_games(epsilon: float | None) -> list[Game]:
    """Games for keyed noise on the circle, of one number and of a small block, with the exact likelihood ratio."""
    one, block = (Modulo(BOX, shape, epsilon=epsilon or 0.0) for shape in ((1, 1), BLOCK))
    table = _log_table(one)
    scalar = circle_game("modulo", lambda count: one.noise.draw(count, _fresh_stream()), table, one.guarantee("one number"))
    table_of_block, inputs = _log_table(block), _corners(BLOCK)
    points = [np.rint((x - block.centre) / block.step).astype(np.int64) for x in inputs]

    def ratio(outputs: Floats) -> Floats:
        return table_ratio(np.rint(outputs / block.step).astype(np.int64), points[0], points[1], table_of_block)

    return [scalar, _block_game("modulo", block, ratio=ratio)]


def _block_game(target: str, protection: KeyedProtection, *, ratio: Callable[[Floats], Floats] | None = None) -> Game:
    inputs, claim = _corners(BLOCK), protection.guarantee("the block")

    def protect(rows: Tensor) -> Tensor:
        streams = [_fresh_stream() for _ in rows]
        return protection.protect(rows.view(-1, *BLOCK), streams).sent.flatten(1)

    return hidden_game(target, "opposite corners", protect, inputs, claim, ratio=ratio, share=KEYED_SHARE)


def method_games(protection: str, epsilon: float | None, model: FaceModel) -> list[Game]:
    """Games for dp-semcom as a whole: latents in, symbols and gains out.

    The private codes of two neighbours differ and their common ones agree, as the guarantee has it: at opposite corners of the
    clip box (asked for from far outside, so that clipping is part of it), or as two draws of the model's public latents. A last
    game takes two photos that differ in all codes, against the claim for the whole record.
    """
    method = build_method(protection, epsilon, model)
    target, private = f"{DPSemCom.name}/{protection}", list(method.private_codes)
    one, other = model.public_latents(2, rng=torch.Generator().manual_seed(0))
    lower, upper = float(model.box.lower), float(model.box.upper)
    width = upper - lower
    pairs = {
        "opposite corners": (_with(one, private, lower - OUTSIDE * width), _with(one, private, upper + OUTSIDE * width)),
        "two latents, private codes": (one, _with(one, private, other[private])),
    }
    claim = method.guarantee()
    games = [_method_game(target, pair, method, codes, claim) for pair, codes in pairs.items()]
    codes = pairs["two latents, private codes"]
    shift = (codes[1] - codes[0])[private].flatten().double().numpy()

    def once(world: int) -> tuple[Floats, bytes]:
        sent = method.send_codes(codes[world][None])
        return heard(method, sent)[0, : len(shift)], sent.keyed.sealed if sent.keyed else b""

    games.append(repeat_game(target, once, shift, claim, share=REPEAT_SHARE))
    if claim.epsilon is not None and claim.not_covered:
        games.append(_common_game(target, method, (one, other), claim))
    return games


def build_method(protection: str, epsilon: float | None, model: FaceModel) -> DPSemCom:
    """The method as it is audited."""
    if protection != "nn":
        return DPSemCom(model, private_codes=FEW_CODES, epsilon=epsilon, protection=protection)
    try:
        return DPSemCom(model, protection=protection)
    except NoPair:  # the start of a pair is as deterministic as a trained one
        settings = DPSemCom(model, protection="none").pair_settings(start="identity")
        return DPSemCom(model, protection=protection, pair=LinearPair(settings))


def heard(method: DPSemCom, sent: Transmission) -> Floats:
    """Noiseless reception, (B, m * D + (K - m) * D + 1): private codes, common codes, gain."""
    codes = method.heard_codes(sent).double()
    private = list(method.private_codes)
    common = [c for c in range(codes.shape[1]) if c not in private]
    columns = [codes[:, private].flatten(1), codes[:, common].flatten(1), sent.gains.double()[:, None]]
    return torch.cat(columns, 1).detach().numpy()


def _method_game(target: str, pair: str, method: DPSemCom, codes: tuple[Tensor, Tensor], claim: Guarantee) -> Game:
    private = list(method.private_codes)
    first, second = (method.model.box.clip(c[None])[0, private].flatten().double().numpy() for c in codes)
    n = len(first)
    noisy = method.protection in NOISY
    ratio = _modulo_ratio(method, first, second)

    def measure(outputs: Floats) -> dict[str, Floats]:
        block = outputs[:, :n]
        found = contrasts(block, first, second) if noisy else looks(block, first, second)
        return {**found, **({} if ratio is None else {"likelihood ratio": ratio(block)}), "gain": outputs[:, -1]}

    return Game(
        target,
        pair,
        claim,
        lambda world, count: heard(method, method.send_codes(codes[world].expand(count, -1, -1).clone())),
        measure,
        width=codes[0].numel(),
        noise_on=(first, second) if noisy else None,
        gaussian=method.protection == "gaussian",
        share=METHOD_SHARE,
    )


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


def _modulo_ratio(method: DPSemCom, first: Floats, second: Floats) -> Callable[[Floats], Floats] | None:
    protection: Any = getattr(method.protector, "protection", None)
    if not isinstance(protection, Modulo):
        return None
    table = _log_table(protection)
    points = [np.rint((x - protection.centre) / protection.step).astype(np.int64) for x in (first, second)]
    step = protection.step
    return lambda block: table_ratio(np.rint(block / step).astype(np.int64), points[0], points[1], table)


def _log_table(modulo: Modulo) -> Floats:
    return np.log(np.array([count / 2**64 for count in modulo.noise.counts]))


def _corners(shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Opposite corners of the example box, flat."""
    n = shape[0] * shape[1]
    return np.full(n, float(BOX.lower)), np.full(n, float(BOX.upper))


def _with(codes: Tensor, private: list[int], values: Tensor | float) -> Tensor:
    """A copy of codes (K, D) with the private ones replaced."""
    changed = codes.clone()
    changed[private] = values if isinstance(values, Tensor) else torch.full_like(changed[private], values)
    return changed


def _fresh_stream() -> KeyStream:
    return KeyStream(os.urandom(32))
