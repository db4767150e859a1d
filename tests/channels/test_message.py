# SPDX-License-Identifier: Apache-2.0
"""A message file gives back exactly what was written, or a clear error, and nothing else."""

import hashlib
import json
import math
import struct

import pytest
import torch
from channels.message_cases import json_values, keyed_parts, message, plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from semveil.channels import (
    FORMAT_VERSION,
    KeyedPart,
    Message,
    MessageError,
    container,
    pack,
    read_message,
    unpack,
    write_message,
)
from semveil.channels.side_bits import TAG_BYTES
from semveil.core.errors import OutputError

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


def reals(*shape: int, lowest: float | None = None) -> st.SearchStrategy[torch.Tensor]:
    elements = st.floats(
        lowest, width=32, allow_nan=False, allow_infinity=False, exclude_min=lowest is not None
    )
    return arrays("float32", shape, elements=elements).map(torch.from_numpy)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    codes, width = draw(st.integers(1, 4)), draw(st.integers(1, 3).map(lambda half: 2 * half))
    private = tuple(sorted(draw(st.sets(st.integers(0, codes - 1)))))
    images = draw(st.integers(1, 3))
    blocks = draw(st.integers(1, 2)) if 0 < len(private) < codes else 1
    lower, upper = draw(reals(codes, width)), draw(reals(codes, width))
    return message(
        images=images,
        method=draw(names),
        model=draw(names),
        image_size=draw(st.integers(1, 65536)),
        latent_shape=(codes, width),
        private_codes=private,
        clip_lower=torch.minimum(lower, upper),
        clip_upper=torch.maximum(lower, upper),
        gains=draw(reals(images, blocks, lowest=0)),
        calibration=draw(st.none() | names),
        nominal_epsilon=draw(st.none() | st.floats(1e-300, 1e300)),
        pair_hash=draw(st.none() | st.text("0123456789abcdef", min_size=64, max_size=64)),
        guarantee=draw(st.dictionaries(st.text(), json_values, max_size=3)),
        keyed=draw(st.none() | keyed_parts),
        snr_db=draw(st.none() | st.floats(-1e300, 1e300)),
        symbols=pack(draw(reals(images, codes * width))),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(messages())
def test_round_trip_is_bit_exact_and_bytes_are_deterministic(path, original):
    write_message(path, original)
    first = path.read_bytes()
    copy = read_message(path)
    assert plain(copy) == plain(original)
    write_message(path, copy)
    assert path.read_bytes() == first


def test_equal_content_gives_equal_bytes_however_it_was_made(path):
    write_message(path, message(guarantee={"a": 1, "b": 2}, nominal_epsilon=10, snr_db=20))
    first = path.read_bytes()
    twisted = message().symbols.conj().conj().t().contiguous().t()
    write_message(
        path, message(guarantee={"b": 2, "a": 1}, nominal_epsilon=10.0, snr_db=20.0, symbols=twisted)
    )
    assert path.read_bytes() == first


def test_layout_is_the_documented_one(path):
    """An independent reader, from the documentation of `container.py` alone."""
    original = message()
    write_message(path, original)
    data = path.read_bytes()
    assert data[:8] == b"\x93SVL\r\n\x1a\n"
    version, header_length, payload_length = struct.unpack("<IIQ", data[8:24])
    assert version == FORMAT_VERSION == 2
    assert len(data) == 24 + header_length + payload_length + 32
    assert hashlib.sha256(data[:-32]).digest() == data[-32:]
    header = json.loads(data[24 : 24 + header_length])
    assert header["tensors"] == {"clip_lower": [], "clip_upper": [4, 1], "gains": [2, 1], "symbols": [2, 12]}
    symbols = struct.unpack("<48f", data[-32 - 4 * 48 : -32])
    assert list(symbols) == unpack(original.symbols).flatten().tolist()


def test_the_file_holds_nothing_but_the_listed_fields(path):
    write_message(path, message())
    header, payload = container.read(path, FORMAT_VERSION)
    assert set(header) == {
        "method", "model", "model_hash", "image_size", "latent_shape", "private_codes", "protection",
        "calibration",
        "nominal_epsilon", "pair_hash", "guarantee", "keyed", "snr_db", "tensors",
    }  # fmt: skip
    assert len(payload) == 4 * (1 + 4 + 2 + 2 * 24)


def test_a_full_size_message_is_little_more_than_its_symbols(path):
    shape = {
        "latent_shape": (28, 512),
        "private_codes": (0, 1, 4, 5, 6, 7, 8),
        "image_size": 512,
        "clip_upper": torch.tensor(1.469),
    }
    original = message(images=1, symbols=pack(torch.ones(1, 14336)), **shape)
    write_message(path, original)
    assert path.stat().st_size - 8 * 7168 < 1500
    assert original.images == 1 and original.side_information_bits == 32


def test_a_second_gain_costs_its_bits(path):
    assert message(keyed=None, gains=torch.ones(2, 2)).side_information_bits == 64


@pytest.mark.parametrize("authenticated", [True, False])
def test_side_information_is_that_of_an_image_sent_alone(authenticated):
    """Images of a message share a nonce and a tag; counted alone, each has its own."""
    tag = TAG_BYTES if authenticated else 0

    def bits(images: int) -> int:
        part = {"source": {"kind": "file"}, "parameters": {}, "authenticated": authenticated}
        keyed = KeyedPart(nonce=bytes(32), sealed=bytes(images * 112 + tag), **part)
        return message(images=images, keyed=keyed).side_information_bits

    assert bits(1) == bits(2) == bits(9) == 32 + 8 * (112 + tag + 32)


def test_the_symbols_keep_no_graph_and_a_failed_write_keeps_the_old_file(path, monkeypatch):
    original = message(symbols=message().symbols.clone().requires_grad_())
    write_message(path, original)
    assert not read_message(path).symbols.requires_grad
    monkeypatch.setattr(container, "MAX_FILE", 100)
    with pytest.raises(MessageError, match="send fewer images"):
        write_message(path, original)
    monkeypatch.undo()
    assert plain(read_message(path)) == plain(message())
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", ""),
        ("model", "folder/model.pt"),
        ("model", "model.pt\n"),
        ("protection", None),
        ("calibration", "as published"),
        ("model_hash", "A" * 64),
        ("model_hash", "0" * 63),
        ("image_size", 0),
        ("image_size", True),
        ("image_size", 64.0),
        ("latent_shape", (3, 5)),
        ("latent_shape", [4, 6]),
        ("private_codes", (2, 0)),
        ("private_codes", (0, 0)),
        ("private_codes", (4,)),
        ("private_codes", (-1,)),
        ("nominal_epsilon", 0.0),
        ("nominal_epsilon", math.inf),
        ("nominal_epsilon", "1"),
        ("pair_hash", "B" * 64),
        ("snr_db", math.nan),
        ("snr_db", True),
        ("guarantee", {"epsilon": math.inf}),
        ("guarantee", {"covers": ("a", "b")}),
        ("guarantee", {1: "a"}),
        ("guarantee", {"x": torch.zeros(1)}),
        ("guarantee", []),
        ("clip_lower", torch.tensor(2.0)),
        ("clip_lower", torch.zeros(5)),
        ("clip_lower", -1.0),
        ("clip_upper", torch.full((4, 6), math.nan)),
        ("gains", torch.ones(2)),
        ("gains", torch.ones(3, 1)),
        ("gains", torch.ones(2, 3)),
        ("gains", torch.zeros(2, 1)),
        ("gains", torch.ones(2, 1, dtype=torch.float64)),
        ("symbols", torch.ones(2, 12)),
        ("symbols", torch.ones(2, 11, dtype=torch.complex64)),
        ("symbols", torch.ones(0, 12, dtype=torch.complex64)),
        ("format_version", 1),
    ],
)
def test_a_wrong_field_is_refused_by_name(field, value):
    with pytest.raises(MessageError, match=field) as caught:
        message(**{field: value})
    assert "\n" not in str(caught.value)


def test_two_gains_need_two_blocks():
    for codes in ((), (0, 1, 2, 3)):
        with pytest.raises(MessageError, match="two gains per image"):
            message(gains=torch.ones(2, 2), private_codes=codes)


def test_writing_into_a_missing_folder_is_a_clear_error(tmp_path):
    with pytest.raises(OutputError, match="does not exist; create it first"):
        write_message(tmp_path / "absent" / "m.svl", message())


GOOD = {
    "nonce": bytes(32),
    "source": {"kind": "file"},
    "parameters": {},
    "sealed": b"",
    "authenticated": True,
}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("nonce", bytes(31), "32 bytes"),
        ("nonce", "00" * 32, "32 bytes"),
        ("source", {"kind": "post"}, "kind"),
        ("source", {"kind": "file", "path": "00"}, "other fields"),
        ("source", {"kind": "passphrase", "salt": "xyz"}, "hexadecimal"),
        ("source", {"kind": "passphrase"}, "other fields"),
        ("parameters", {"radius": math.nan}, "plain JSON"),
        ("sealed", bytes((1 << 18) + 1), "at most"),
        ("authenticated", 1, "true or false"),
    ],
)
def test_a_wrong_keyed_part_is_refused(name, value, words):
    KeyedPart(**GOOD)
    with pytest.raises(MessageError, match=words):
        KeyedPart(**{**GOOD, name: value})


@pytest.mark.parametrize("header", [{}, [], "text", {**KeyedPart(**GOOD).as_header(), "key": "00"}])
def test_a_foreign_keyed_part_is_refused(header):
    with pytest.raises(MessageError, match="must have the fields"):
        KeyedPart.from_header(header)


@pytest.mark.parametrize("kind", [[], {}, [["file"]], None, 7, "File"])
def test_a_source_of_a_kind_that_is_no_text_is_refused(kind):
    with pytest.raises(MessageError, match="must be of kind"):
        KeyedPart(nonce=bytes(32), source={"kind": kind}, parameters={}, sealed=b"", authenticated=True)
