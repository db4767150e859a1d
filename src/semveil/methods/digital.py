# SPDX-License-Identifier: Apache-2.0
"""dp-semcom over a digital link: latents as sealed bytes, fully encrypted and authenticated."""

import hashlib
import math

import torch
from torch import Tensor

from semveil.channels import DigitalMessage, KeyedPart, MessageError
from semveil.channels.digital_message import PROTECTION, bound_header
from semveil.core.errors import KeyProblem
from semveil.keys import TAG_BYTES, MessageKeys, new_nonce
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.latent_codec import LatentCodec
from semveil.methods.shared_key import SharedKey
from semveil.models.face import FaceModel
from semveil.privacy.certificate import Bounds, Certificate, ReleaseKind
from semveil.privacy.coverage import Coverage
from semveil.privacy.guarantee import Basis, Guarantee

BITS_PER_NUMBER = 4.5  # default per latent coordinate: about the quality of the inversion itself
COMMITMENT = bytes(16)  # sealed first: commits to the key, which the cipher alone does not
ASSUMPTIONS = (
    "nobody but Alice and Bob knows the key",
    "ChaCha20-Poly1305 under HKDF-SHA256 cannot be told from random bits, nor forged",
    "no nonce is used twice under one key",
    "timing, message length and number of photos are no secrets",
)


def default_bytes(model: FaceModel) -> int:
    """Default number of bytes per image: 4.5 bits per latent coordinate.

    Args:
        model: face model, which defines the latent shape.

    Example:
        >>> from semveil.models.face import load_model
        >>> default_bytes(load_model())
        1008
    """
    return math.ceil(math.prod(model.latent_shape) * BITS_PER_NUMBER / 8)


def seal_codes(codes: Tensor, model: FaceModel, key: SharedKey, *, size: int | None = None) -> DigitalMessage:
    """Seal latents as a message, whose length depends only on `size` and the number of images.

    Args:
        codes: (B, K, D), clipped to the model's box.
        model: public face model.
        key: key shared by Alice and Bob.
        size: bytes per image; `default_bytes` where None.

    Raises:
        ValueError: the size is too small.

    Example:
        >>> from semveil.models.face import load_model
        >>> model, key = load_model(), SharedKey.fresh()
        >>> codes = model.public_latents(2, rng=torch.Generator().manual_seed(0))
        >>> message = seal_codes(codes, model, key)
        >>> open_codes(message, model, key).shape
        torch.Size([2, 28, 64])
    """
    size, codec, nonce = default_bytes(model) if size is None else size, LatentCodec(model), new_nonce()
    plain = COMMITMENT + b"".join(codec.encode(one, size) for one in codes)
    unsealed = DigitalMessage(
        method=DPSemCom.name,
        model=model.name,
        model_hash=model.digest,
        latent_shape=model.latent_shape,
        images=len(codes),
        image_bytes=size,
        keyed=KeyedPart(nonce=nonce, source=key.source, parameters={}, sealed=b"", authenticated=True),
    )
    bound = bound_header(unsealed.header, unsealed.model_hash)
    sealed = _keys(unsealed, key).seal(plain, bound)
    keyed = KeyedPart(nonce=nonce, source=key.source, parameters={}, sealed=sealed, authenticated=True)
    return DigitalMessage(**{**vars(unsealed), "keyed": keyed})


def open_codes(message: DigitalMessage, model: FaceModel, key: SharedKey) -> Tensor:
    """Open a message: Bob's latents (B, K, D), equal to Alice's up to quantisation.

    Args:
        message: the sealed message.
        model: the same face model as Alice's.
        key: the same key as Alice's.

    Raises:
        MessageError: made with another method or model, or of a length that contradicts the header.
        KeyProblem: the key is not Alice's, or the message was altered.
    """
    if (
        message.method != DPSemCom.name
        or message.model_hash != model.digest
        or message.latent_shape != model.latent_shape
    ):
        raise MessageError(
            f"the message was made with method {message.method} and model {message.model} of hash "
            f"{message.model_hash[:12]}, here is {model.name} of {model.digest[:12]}; both sides need the "
            "same weights (give Alice's with --model)"
        )
    expected = len(COMMITMENT) + message.images * message.image_bytes + TAG_BYTES
    if len(message.keyed.sealed) != expected:
        raise MessageError(
            f"the message holds {len(message.keyed.sealed):,} sealed bytes, its header says {expected:,}"
        )
    plain = _keys(message, key).open(message.keyed.sealed, bound_header(message.header, message.model_hash))
    if not plain.startswith(COMMITMENT):
        raise KeyProblem("the message was made to open under several keys; it is forged")
    codec, size, plain = LatentCodec(model), message.image_bytes, plain.removeprefix(COMMITMENT)
    return torch.stack([codec.decode(plain[i * size : (i + 1) * size]) for i in range(message.images)])


def digital_certificate(
    message: DigitalMessage, model: FaceModel | None = None, *, perceptual: str | None = None
) -> Certificate:
    """Certificate of a sealed message, against anybody without the key.

    Args:
        message: the transmitted message.
        model: face model; adds the clip bounds.
        perceptual: perceptual term of the inversion, if known.
    """
    coverage = Coverage.of_codes(message.model_hash, message.private_codes, message.latent_shape[0])
    claim = Guarantee(0.0, coverage.words, Basis.COMPUTATIONAL, assumptions=ASSUMPTIONS).about(coverage)
    sealed = message.keyed.nonce + message.keyed.sealed
    return Certificate(
        release=ReleaseKind.MESSAGE,
        method=message.method,
        protection=PROTECTION,
        mechanism="ChaCha20-Poly1305",
        guarantee=claim,
        images=message.images,
        model=message.model,
        model_hash=message.model_hash,
        perceptual=perceptual,
        bounds=None if model is None else _bounds(model),
        private_codes=message.private_codes,
        release_id=hashlib.sha256(b"semveil release\n" + sealed).hexdigest()[:32],
    )


def _bounds(model: FaceModel) -> Bounds:
    low, high = (torch.as_tensor(bound, dtype=torch.float64) for bound in (model.box.lower, model.box.upper))
    return Bounds(float(low.min()), float(high.max()), model.box.source, per_coordinate=low.numel() > 1)


def _keys(message: DigitalMessage, key: SharedKey) -> MessageKeys:
    context = {**message.header, "model_hash": message.model_hash, "protection": PROTECTION}
    return MessageKeys(key.secret, message.keyed.nonce, context)
