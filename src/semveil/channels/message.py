# SPDX-License-Identifier: Apache-2.0
"""The message file from Alice to Bob, which Eve can also read."""

import json
import math
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.channels.container import MessageError, encode, is_json_object, read, version_of
from semveil.channels.keyed_part import KeyedPart
from semveil.channels.side_bits import side_bits
from semveil.channels.stored_symbols import (
    MOST_BITS,
    bits_of,
    from_steps,
    packed,
    packed_size,
    rounded,
    to_steps,
    unpacked,
)
from semveil.core.brief import Brief
from semveil.core.files import write_whole
from semveil.core.text import parse_json

FORMAT_VERSION = 2
STORED_VERSION = 3  # files with quantised symbols and a compressed remainder
# order within the payload: float32 little-endian, complex values as re, im
TENSORS = ("clip_lower", "clip_upper", "gains", "symbols")
NOT_IN_HEADER = ("format_version", "symbol_step")
MOST_SIDE = 1 << 22  # bytes of a decompressed header
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Message(Brief):
    """Transmitted symbols and their side information; validated on construction.

    It has no field for a source path, photo metadata, latents, noise, a seed or a key, and names that look
    like paths are rejected. Eve can read everything in it.

    Attributes:
        method: name of the method, e.g. `dp-semcom`.
        model: name of the model.
        model_hash: SHA-256 of the model's weights, 64 hex digits.
        image_size: side of the images in pixels.
        latent_shape: (K, D), codes per image and width of a code; K*D even.
        private_codes: 0-based indices of the protected codes, ascending.
        clip_lower, clip_upper: public clip bounds, float32, one number or broadcastable to (K, D).
        gains: (B, 1) float32, one per image (`normalise_power(...)[1][:, None]`); or (B, 2), private block
            and common block (`normalise_power_blocks` with `code_blocks(private_codes, latent_shape)`).
        protection: name of the protection, e.g. `nn`, `laplace`, `rotation`, `none`.
        calibration: e.g. `as_published`, `corrected`; None for a protection without calibration.
        nominal_epsilon: > 0, in nats; None for a protection without epsilon.
        pair_hash: SHA-256 of the weights of the trained pair that Bob needs, 64 hex digits; None without a
            pair.
        guarantee: guarantee against a receiver of the symbols, as plain JSON values.
        keyed: nonce and sealed side information of a keyed protection; None without a key.
        snr_db: SNR in dB of the channel that the symbols have passed; None for clean symbols, as sent by
            Alice: the reader then simulates its own channel.
        symbols: (B, N) complex64, N = K*D/2, codes packed by `pack`.
        symbol_step: quantisation step where the symbols are integer multiples of it on both axes, which makes
            the file smaller (see `stored_symbols`); None for unquantised symbols.
        format_version: version of the file format.

    Raises:
        MessageError: a field is of the wrong type, shape or range.
    """

    method: str
    model: str
    model_hash: str
    image_size: int
    latent_shape: tuple[int, int]
    private_codes: tuple[int, ...]
    clip_lower: Tensor = field(repr=False)
    clip_upper: Tensor = field(repr=False)
    gains: Tensor = field(repr=False)
    protection: str
    calibration: str | None
    nominal_epsilon: float | None
    pair_hash: str | None
    guarantee: Mapping[str, Any]
    keyed: KeyedPart | None
    snr_db: float | None
    symbols: Tensor = field(repr=False)
    symbol_step: float | None = None
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        _check(
            self.format_version == FORMAT_VERSION,
            f"format_version must be {FORMAT_VERSION}",
            self.format_version,
        )
        for name in ("method", "model", "protection", "calibration"):
            text = getattr(self, name)
            named = (isinstance(text, str) and _NAME.fullmatch(text)) or (
                name == "calibration" and text is None
            )
            _check(named, f"{name} must be a name of letters, digits and . _ -", text)
        for name in ("model_hash", "pair_hash"):
            text = getattr(self, name)
            hashed = (isinstance(text, str) and _HASH.fullmatch(text)) or (
                name == "pair_hash" and text is None
            )
            _check(hashed, f"{name} must be 64 lower-case hex digits", text)
        _check(
            _integers([self.image_size], 1, 1 << 16),
            "image_size must be an integer in 1..65536",
            self.image_size,
        )
        shape = self.latent_shape
        shaped = (
            isinstance(shape, tuple)
            and len(shape) == 2
            and _integers(shape, 1, 1 << 20)
            and math.prod(shape) % 2 == 0
        )
        _check(shaped, "latent_shape must be two positive integers (K, D) of even product", shape)
        ordered = isinstance(self.private_codes, tuple) and _integers(self.private_codes, 0, shape[0] - 1)
        ordered = ordered and list(self.private_codes) == sorted(set(self.private_codes))
        _check(ordered, f"private_codes must be ascending indices in 0..{shape[0] - 1}", self.private_codes)
        for name in ("nominal_epsilon", "snr_db"):
            value = getattr(self, name)
            number = isinstance(value, float | int) and type(value) is not bool and abs(value) <= 1e300
            wanted = "a finite number" if name == "snr_db" else "a finite number > 0"
            _check(
                value is None or (number and (name == "snr_db" or value > 0)),
                f"{name} must be {wanted} or None",
                value,
            )
            # so that 20 and 20.0 give the same bytes
            object.__setattr__(self, name, None if value is None else float(value))
        _check(
            self.keyed is None or isinstance(self.keyed, KeyedPart),
            "keyed must be a KeyedPart or None",
            type(self.keyed),
        )
        _check(
            is_json_object(self.guarantee),
            "guarantee must be a dict of plain JSON values",
            type(self.guarantee).__name__,
        )
        self._check_tensors()

    def _check_tensors(self) -> None:
        for name in TENSORS:
            tensor, dtype = getattr(self, name), torch.complex64 if name == "symbols" else torch.float32
            typed = isinstance(tensor, Tensor) and tensor.dtype == dtype
            _check(
                typed, f"{name} must be a tensor of {dtype}", getattr(tensor, "dtype", type(tensor).__name__)
            )
            _check(bool(tensor.isfinite().all()), f"{name} must be finite", "NaN or infinity")
        codes, width = self.latent_shape
        count = codes * width // 2
        symbols, gains, lower, upper = self.symbols, self.gains, self.clip_lower, self.clip_upper
        fits = symbols.ndim == 2 and len(symbols) > 0 and symbols.shape[1] == count
        _check(fits, f"symbols must have the shape (B, {count}), B > 0", tuple(symbols.shape))
        fits = (
            gains.ndim == 2
            and len(gains) == len(symbols)
            and gains.shape[1] in (1, 2)
            and bool((gains > 0).all())
        )
        _check(
            fits,
            f"gains must be positive and of shape ({len(symbols)}, 1) or ({len(symbols)}, 2)",
            tuple(gains.shape),
        )
        blocks = gains.shape[1] == 1 or (0 < len(self.private_codes) < codes and width % 2 == 0)
        _check(
            blocks,
            "two gains per image need private and common codes of even width, private_codes",
            self.private_codes,
        )
        for name, bound in (("clip_lower", lower), ("clip_upper", upper)):
            _check(
                _broadcasts(bound, self.latent_shape),
                f"{name} must broadcast to {self.latent_shape}",
                tuple(bound.shape),
            )
        if self.symbol_step is not None:
            step = self.symbol_step
            _check(
                isinstance(step, float) and 0 < step < 1e9,
                "symbol_step must be a finite number > 0 or None",
                step,
            )
            try:
                on_grid = bool((rounded(symbols, step) - symbols).abs().max() <= 1e-3 * step)
            except ValueError as error:
                raise MessageError(str(error)) from None
            _check(on_grid, "symbols must be whole multiples of symbol_step", step)
        _check(
            bool((lower <= upper).all()),
            "clip_lower must not exceed clip_upper",
            "a lower bound above its upper bound",
        )

    @property
    def images(self) -> int:
        """Number of images in the message."""
        return len(self.symbols)

    @property
    def side_information_bits(self) -> int:
        """Side information in bits of an image, were it sent alone: gains, norms, tag and nonce."""
        return side_bits(self.gains, self.keyed)


def write_message(path: str | os.PathLike[str], message: Message) -> None:
    """Write a message file atomically, see `message_bytes`.

    Args:
        path: the file; replaced if it exists.
        message: the message.

    Raises:
        MessageError: the message exceeds the size limits of a file.
        OutputError: the path cannot be written.
    """
    write_whole(path, message_bytes(message))


def message_bytes(message: Message) -> bytes:
    """Serialise a message; equal messages give equal bytes.

    The layout is described in `container.py`.

    Args:
        message: the message.

    Raises:
        MessageError: the message exceeds the size limits of a file.
    """
    if message.symbol_step is not None:
        return _stored_bytes(message, message.symbol_step)
    payload = b"".join(_reals(getattr(message, name)) for name in TENSORS)
    return encode(message.format_version, _header(message), payload)


def _stored_bytes(message: Message, step: float) -> bytes:
    side, steps = side_of_message(message), to_steps(message.symbols, step)
    bits = bits_of(steps)
    header = {
        "bits": bits, "shape": list(message.symbols.shape), "side": len(side),
        "snr_db": message.snr_db, "step": step,
    }  # fmt: skip
    return encode(STORED_VERSION, header, side + packed(steps, bits))


def read_message(path: str | os.PathLike[str]) -> Message:
    """Read a message file; the tensors are bit-identical to those written.

    Args:
        path: the message file.

    Raises:
        MessageError: the file is missing, unreadable, damaged, of another format or version, or inconsistent.
    """
    stored = version_of(path) >= STORED_VERSION
    header, payload = read(path, STORED_VERSION if stored else FORMAT_VERSION)
    try:
        return _from_stored(header, payload) if stored else _from_parts(header, payload)
    except MessageError as error:
        raise MessageError(f"the message {os.fsdecode(path)!r} is inconsistent: {error}") from None


def _from_stored(header: dict[str, Any], payload: bytes) -> Message:
    names = {"bits", "shape", "side", "snr_db", "step"}
    _check(
        set(header) == names,
        "the header must have the fields of its version, differs in",
        sorted(set(header) ^ names)[:8],
    )
    shape, bits, size, step = (header[name] for name in ("shape", "bits", "side", "step"))
    _check(
        isinstance(shape, list) and len(shape) == 2 and _integers(shape, 1, 1 << 30),
        "no shape of symbols",
        shape,
    )
    _check(
        _integers([bits], 1, MOST_BITS) and _integers([size], 1, MOST_SIDE),
        "no sizes of symbols and side",
        (bits, size),
    )
    _check(isinstance(step, float) and 0 < step < 1e9, "step must be a finite number > 0", step)
    expected = size + packed_size(bits, (shape[0], shape[1]))
    _check(len(payload) == expected, f"side and symbols need {expected} bytes of payload", len(payload))
    symbols = from_steps(unpacked(payload[size:], bits, (shape[0], shape[1])), step)
    return replace(message_from_side(payload[:size], symbols, snr_db=header["snr_db"]), symbol_step=step)


def side_of_message(message: Message) -> bytes:
    """Digital part of a message for a transmitter: everything except symbols and SNR.

    Args:
        message: the message.

    Returns:
        A version byte and zlib data.
    """
    header = _header(message)
    del header["snr_db"], header["tensors"]["symbols"]
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    tensors = b"".join(_reals(getattr(message, name)) for name in TENSORS if name != "symbols")
    return bytes([message.format_version]) + zlib.compress(len(text).to_bytes(4, "big") + text + tensors, 9)


def message_from_side(side: bytes, symbols: Tensor, *, snr_db: float | None) -> Message:
    """Assemble a message from its digital part and the received symbols; the inverse of `side_of_message`.

    Args:
        side: result of `side_of_message`.
        symbols: (B, N) complex, as received.
        snr_db: measured SNR per complex symbol in dB; None if unknown.

    Raises:
        MessageError: the bytes are damaged or of another version, or do not match the symbols.
    """
    _check(side[:1] == bytes([FORMAT_VERSION]), f"the header must be of version {FORMAT_VERSION}", side[:1])
    try:
        plain = zlib.decompressobj().decompress(side[1:], MOST_SIDE)
        size = int.from_bytes(plain[:4], "big")
        header = parse_json(plain[4 : 4 + size])
    except (ValueError, zlib.error) as error:
        raise MessageError(f"the header of the burst is damaged: {error}") from None
    _check(
        isinstance(header, dict) and isinstance(header.get("tensors"), dict),
        "the header must be an object",
        type(header),
    )
    header["snr_db"] = snr_db
    header["tensors"]["symbols"] = list(symbols.shape)
    return _from_parts(header, plain[4 + size :] + _reals(symbols))


def _header(message: Message) -> dict[str, Any]:
    """JSON-ready header of a message."""
    plain = [f.name for f in fields(Message) if f.name not in (*TENSORS, *NOT_IN_HEADER)]
    header: dict[str, Any] = {name: getattr(message, name) for name in plain}
    header["keyed"] = message.keyed and message.keyed.as_header()
    header["tensors"] = {name: list(getattr(message, name).shape) for name in TENSORS}
    return header


def _from_parts(header: dict[str, Any], payload: bytes) -> Message:
    names = {f.name for f in fields(Message)} - {*TENSORS, *NOT_IN_HEADER} | {"tensors"}
    _check(
        set(header) == names,
        "the header must have the fields of its version, differs in",
        sorted(set(header) ^ names)[:8],
    )
    shapes = header.pop("tensors")
    _check(
        isinstance(shapes, dict) and set(shapes) == set(TENSORS),
        f"tensors must be {', '.join(TENSORS)}",
        type(shapes),
    )
    for name, shape in shapes.items():
        _check(
            isinstance(shape, list) and len(shape) <= 2 and _integers(shape, 0, 1 << 30),
            f"no shape of {name}",
            shape,
        )
    sizes = {name: 4 * math.prod(shapes[name]) * (2 if name == "symbols" else 1) for name in TENSORS}
    _check(
        sum(sizes.values()) == len(payload),
        f"the tensors need {sum(sizes.values())} bytes of payload",
        len(payload),
    )
    offset = 0
    for name in TENSORS:
        reals = np.frombuffer(payload, "<f4", sizes[name] // 4, offset).astype(np.float32)
        offset += sizes[name]
        values = reals.view(np.complex64) if name == "symbols" else reals
        header[name] = torch.from_numpy(values.reshape(shapes[name]))
    header["keyed"] = None if header["keyed"] is None else KeyedPart.from_header(header["keyed"])
    for name in ("latent_shape", "private_codes"):
        _check(isinstance(header[name], list), f"{name} must be a list", header[name])
        header[name] = tuple(header[name])
    return Message(**header)


def _reals(tensor: Tensor) -> bytes:
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    reals = torch.view_as_real(plain) if plain.is_complex() else plain
    return reals.numpy().astype("<f4").tobytes()


def _check(valid: object, requirement: str, got: object) -> None:
    if not valid:
        raise MessageError(f"{requirement}, got {ascii(got)[:200]}")


def _integers(values: Any, lowest: int, highest: int) -> bool:
    return all(type(value) is int and lowest <= value <= highest for value in values)


def _broadcasts(bound: Tensor, shape: tuple[int, int]) -> bool:
    return bound.ndim <= 2 and all(a in (1, b) for a, b in zip(bound.shape[::-1], shape[::-1], strict=False))
