# SPDX-License-Identifier: Apache-2.0
"""Certificates of messages, from the header and, on Alice's side, the method."""

import hashlib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from semveil.channels import Message
from semveil.mechanisms import CoordinateSensitivity
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import (
    Bounds,
    Certificate,
    CertificateError,
    ReleaseKind,
    guarantee_from_dict,
)
from semveil.privacy.guarantee import Basis

if TYPE_CHECKING:
    from semveil.methods.dp_semcom import DPSemCom


def certificate_of(
    message: Message, method: "DPSemCom | None" = None, *, perceptual: str | None = None
) -> Certificate:
    """Certificate of a message's symbols.

    `release_id` is a hash of the transmitted symbols and gains, so that Alice, Bob and Eve get the same
    number without communicating.

    Args:
        message: the transmitted message.
        method: Alice's method; adds mechanism, scale, grid, sensitivity and the source of the bounds.
        perceptual: perceptual term of the inversion behind the latents, if known.

    Raises:
        CertificateError: the message states no valid guarantee.
    """
    try:
        guarantee = guarantee_from_dict(dict(message.guarantee))
        return Certificate(
            release=ReleaseKind.SYMBOLS,
            method=message.method,
            protection=message.protection,
            guarantee=guarantee,
            images=message.images,
            model=message.model,
            model_hash=message.model_hash,
            perceptual=perceptual,
            calibration=message.calibration,
            nominal_epsilon=message.nominal_epsilon,
            private_codes=message.private_codes,
            caveats=_caveats(message),
            release_id=_release_id(message),
            **_mechanism(message, method, simulated=guarantee.basis == Basis.SIMULATION),
        )
    except (ValueError, TypeError) as error:
        raise CertificateError(f"the message cannot be certified: {error}") from error


def _mechanism(message: Message, method: "DPSemCom | None", *, simulated: bool) -> dict[str, Any]:
    """Fields of the noise law or keyed protection, and the clip bounds."""
    if method is None:
        bounds = _bounds(message.clip_lower, message.clip_upper, "stated in the message")
        return {"mechanism": message.protection if message.keyed else None, "bounds": bounds}
    box = method.model.box
    known = {"bounds": _bounds(box.lower, box.upper, box.source), "part_budgets": method.budget or {}}
    protector: Any = method.protector
    mechanism = getattr(protector, "mechanism", None)  # of genuine noise
    if message.keyed is not None:
        keyed = protector.protection
        scale, step = keyed.parameters().get("scale"), getattr(keyed, "step", None)  # a rotation has neither
        return known | {"mechanism": keyed.name, "scale": scale, "grid_step": step}
    if mechanism is None:
        return known
    sensitivity = protector.sensitivity
    return known | {
        "mechanism": mechanism.name,
        "scale": getattr(
            mechanism, "scale", getattr(mechanism, "sigma", None)
        ),  # noise by part has several scales
        "grid_step": None if simulated or protector.release is None else protector.release.step,
        "sensitivity": sensitivity.l1() if isinstance(sensitivity, CoordinateSensitivity) else sensitivity,
    }


def _caveats(message: Message) -> tuple[Caveat, ...]:
    in_clear = len(message.private_codes) < message.latent_shape[0] and message.protection != "none"
    deniable = message.keyed is not None and not message.keyed.authenticated
    return (*([Caveat.CODES_IN_CLEAR] if in_clear else []), *([Caveat.DENIABLE] if deniable else []))


def _bounds(lower: float | Tensor, upper: float | Tensor, source: str) -> Bounds:
    low, high = torch.as_tensor(lower, dtype=torch.float64), torch.as_tensor(upper, dtype=torch.float64)
    return Bounds(
        float(low.min()), float(high.max()), source, per_coordinate=max(low.numel(), high.numel()) > 1
    )


def _release_id(message: Message) -> str:
    reals = (
        torch.view_as_real(message.symbols.detach().cpu().resolve_conj()).contiguous().numpy().astype("<f4")
    )
    gains = message.gains.detach().cpu().numpy().astype("<f4")
    return hashlib.sha256(b"semveil release\n" + reals.tobytes() + gains.tobytes()).hexdigest()[:32]
