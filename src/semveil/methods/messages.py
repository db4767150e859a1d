# SPDX-License-Identifier: Apache-2.0
"""Conversion between transmissions and message files, for Alice, Bob and Eve."""

from dataclasses import replace
from typing import Any

import torch

from semveil.channels import Message, MessageError
from semveil.channels.stored_symbols import rounded, step_for
from semveil.channels.wiretap import AnyChannel, AnySnr, over, snrs
from semveil.methods.dp_semcom import DPSemCom, pair_settings
from semveil.methods.pairs import NoPair, find_pair, list_pairs, pair_digest, read_pair
from semveil.methods.protections import PROTECTIONS
from semveil.methods.shared_key import SharedKey
from semveil.methods.transmission import Transmission
from semveil.models.face import FaceModel
from semveil.privacy.certificate import guarantee_from_dict
from semveil.privacy.guarantee import Guarantee
from semveil.protection.pair import TrainedPair

DEFAULT_SNR_DB = 20.0


def to_message(method: DPSemCom, transmission: Transmission, *, for_snr_db: float | None = None) -> Message:
    """Alice's message: clean symbols and the side information to decode them, all readable by Eve.

    Args:
        method: Alice's method.
        transmission: Alice's transmission.
        for_snr_db: SNR in dB for which the symbols are rounded to useful precision, so that the file is
            smaller; they remain floats where None. Only the rounded symbols are transmitted, nothing else of
            the photo.
    """
    step = None if for_snr_db is None else step_for(for_snr_db)
    model, calibrated = method.model, "calibration" in method.kind.options and method.budget is None
    return Message(
        method=method.name,
        model=model.name,
        model_hash=model.digest,
        image_size=model.size,
        latent_shape=model.latent_shape,
        private_codes=method.private_codes,
        clip_lower=torch.as_tensor(model.box.lower, dtype=torch.float32),
        clip_upper=torch.as_tensor(model.box.upper, dtype=torch.float32),
        gains=transmission.gains.float().unsqueeze(1),
        protection=method.protection,
        calibration=method.calibration.name if calibrated else None,
        nominal_epsilon=method.nominal_epsilon,
        pair_hash=pair_digest(method.pair) if method.pair else None,
        guarantee=transmission.guarantee.as_dict(),
        keyed=transmission.keyed,
        snr_db=None,
        symbols=transmission.symbols if step is None else rounded(transmission.symbols, step),
        symbol_step=step,
    )


def method_for_bob(
    message: Message,
    model: FaceModel,
    *,
    pair: TrainedPair | None = None,
    key: SharedKey | None = None,
    authenticate: bool = True,
) -> DPSemCom:
    """Bob's method for a message: the same model, and the same pair or key as Alice's.

    Args:
        message: the message, as read.
        model: the message's face model.
        pair: Alice's pair; looked up by its hash among the model's pairs where None.
        key: Bob's copy of the key of a keyed message.
        authenticate: False accepts a deniable message, whose side information anybody may have altered.

    Raises:
        MessageError: the message was made with another method, model or pair.
        KeyProblem: the message is keyed and no key is given.
    """
    _check_model(message, model)
    if message.keyed is not None:
        if key is None:
            key = SharedKey.of_message(message.keyed.source)  # raises and names the missing secret
        return _method(message, model, key=key, authenticate=authenticate)
    if message.pair_hash is None:
        return _method(message, model)
    pair = pair or _pair_by_hash(message, model)
    digest = pair_digest(pair)
    if digest != message.pair_hash:
        raise MessageError(
            f"the message was protected with pair {message.pair_hash[:12]}, this one is {digest[:12]}; use "
            "Alice's pair file"
        )
    return _method(message, model, pair=pair)


def method_for_eve(message: Message, model: FaceModel) -> DPSemCom:
    """The paper's Eve, with the public model but no pair.

    For a keyed message the method gets a new key, which her decoding does not use.

    Args:
        message: the message.
        model: its face model.

    Raises:
        MessageError: the message was made with another method or model.
    """
    _check_model(message, model)
    if message.keyed is not None:
        return _method(message, model, key=SharedKey.fresh())
    return DPSemCom(model, private_codes=message.private_codes, protection="none")


def heard(
    message: Message,
    *,
    snr_db: AnySnr | None = None,
    rng: torch.Generator | None = None,
    channel: AnyChannel | None = None,
) -> Transmission:
    """Transmission as received: clean symbols pass a simulated channel, received ones are unchanged.

    Args:
        message: the message, as read.
        snr_db: SNR of the simulated channel in dB, one number or one for each image; 20 dB where None.
        rng: source of the channel noise.
        channel: the simulated channel; AWGN where None.

    Raises:
        MessageError: as for `carried`.
    """
    held = carried(message, snr_db=snr_db, channel=channel)
    if message.snr_db is not None:
        return held
    power = DEFAULT_SNR_DB if snr_db is None else snrs(snr_db, message.images)
    return replace(held, symbols=over(channel, held.symbols, power, rng=rng))


def carried(
    message: Message, *, snr_db: AnySnr | None = None, channel: AnyChannel | None = None
) -> Transmission:
    """Transmission with the symbols that a message holds: clean, or as they were received.

    Args:
        message: the message, as read.
        snr_db: SNR of the channel that the symbols are to pass, which clean ones alone may.
        channel: that channel.

    Raises:
        MessageError: an SNR or a channel is given for symbols that have already passed one, or the message
            has two gains per image or no valid guarantee.
    """
    if message.gains.shape[1] != 1:
        raise MessageError("the message has two gains per image; dp-semcom sends one")
    if message.snr_db is not None and (snr_db is not None or channel is not None):
        raise MessageError(
            f"the symbols have passed a channel of {message.snr_db:g} dB already; leave --snr-db and "
            "--channel out"
        )
    return Transmission(message.symbols, message.gains[:, 0], guarantee_of(message), message.keyed)


def guarantee_of(message: Message) -> Guarantee:
    """Guarantee stated in a message.

    Args:
        message: the message.

    Raises:
        MessageError: the message states no valid guarantee.
    """
    try:
        return guarantee_from_dict(dict(message.guarantee))
    except (ValueError, TypeError, KeyError) as error:
        raise MessageError(f"the message states no valid guarantee: {error}") from error


def _check_model(message: Message, model: FaceModel) -> None:
    if message.method != DPSemCom.name:
        raise MessageError(f"the message was made with method {message.method!r}, expected {DPSemCom.name!r}")
    if message.model_hash != model.digest:
        raise MessageError(
            f"the message was made with model {message.model} of hash {message.model_hash[:12]}, here "
            f"{model.name} has {model.digest[:12]}; both sides need the same weights (give Alice's with "
            "--model)"
        )
    if message.latent_shape != model.latent_shape:
        raise MessageError(
            f"the message holds latents {message.latent_shape}, the model's are {model.latent_shape}"
        )


def _method(message: Message, model: FaceModel, **options: Any) -> DPSemCom:
    try:
        if message.keyed is None:
            options |= {"calibration": message.calibration}
        else:
            options |= PROTECTIONS[message.protection].said_in_message(message.keyed.parameters)
        return DPSemCom(
            model,
            private_codes=message.private_codes,
            epsilon=message.nominal_epsilon,
            protection=message.protection,
            **options,
        )
    except (ValueError, TypeError, KeyError, NoPair) as error:
        raise MessageError(f"the message cannot be read: {error}") from error


def _pair_by_hash(message: Message, model: FaceModel) -> TrainedPair:
    noised = {} if PROTECTIONS[message.protection].never_fewer else {"private_codes": message.private_codes}
    expected = pair_settings(
        model,
        epsilon=message.nominal_epsilon or 1.0,
        calibration=message.calibration or "as_published",
        protection=message.protection,
        **noised,
    )
    try:
        pair = find_pair(model, expected)
        if pair_digest(pair) == message.pair_hash:
            return pair
    except NoPair:
        pass
    for path in list_pairs(model):  # pairs with other settings
        pair = read_pair(path)
        if pair_digest(pair) == message.pair_hash:
            return pair
    raise MessageError(
        f"the pair {str(message.pair_hash)[:12]} that protected this message (epsilon {expected.epsilon:g} "
        f"{expected.calibration}) is not on this machine; give Alice's pair file with --pair"
    )
