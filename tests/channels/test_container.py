# SPDX-License-Identifier: Apache-2.0
"""Whatever is in a file, reading it gives the message that was written, or a clear error."""

import hashlib
import json
import math
import os
import struct
from pathlib import Path

import pytest
import torch
from channels.message_cases import json_values, message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semveil.channels import FORMAT_VERSION, MessageError, container, read_message, write_message
from semveil.channels.message import STORED_VERSION


def test_any_truncation_is_refused(path):
    write_message(path, message())
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(MessageError, match=r"cut off|is empty"):
            read_message(path)


def test_any_altered_byte_is_refused(path):
    write_message(path, message(images=1))
    data = path.read_bytes()
    for index in range(len(data)):
        for flip in (1, 0x80, 0xFF):
            path.write_bytes(data[:index] + bytes([data[index] ^ flip]) + data[index + 1 :])
            with pytest.raises(MessageError):
                read_message(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes_are_refused(path, data, with_magic):
    path.write_bytes(container.MAGIC * with_magic + data)
    with pytest.raises(MessageError):
        read_message(path)


def forged(path: Path, header: object, payload: bytes, version: int = FORMAT_VERSION) -> None:
    """A file with a valid checksum around whatever an attacker puts there."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = container.PREFIX.pack(container.MAGIC, version, len(text), len(payload)) + text + payload
    path.write_bytes(body + hashlib.sha256(body).digest())


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], bytes]:
    path = tmp_path_factory.mktemp("genuine") / "m.svl"
    write_message(path, message())
    return container.read(path, FORMAT_VERSION)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(data=st.data())
def test_a_forged_header_never_raises_anything_but_the_message_error(path, genuine, data):
    header, payload = json.loads(json.dumps(genuine[0])), genuine[1]
    junk = (
        json_values
        | st.integers(-(2**70), 2**70)
        | st.just(10**400)
        | st.lists(st.integers(-2, 1 << 40), max_size=3)
    )
    for name in data.draw(st.lists(st.sampled_from([*header, "extra"]), min_size=1, max_size=3)):
        match data.draw(st.sampled_from(["replace", "delete", "nested"])):
            case "replace":
                header[name] = data.draw(junk)
            case "delete":
                header.pop(name, None)
            case "nested" if isinstance(header.get("tensors"), dict):
                header["tensors"][data.draw(st.sampled_from([*header["tensors"], "extra"]))] = data.draw(junk)
    forged(path, header, payload)
    try:
        copy = read_message(path)
    except MessageError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000
    else:
        write_message(path, copy)


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"null", b"{", b"[" * 500_000, b'{"a":NaN}', b"\xff\xfe", b"9" * 5000, b'{"snr_db":1e999}'],
    ids=["empty", "list", "null", "open", "deep", "nan", "not utf-8", "huge integer", "overflow"],
)
def test_a_header_that_is_no_json_object_is_refused(path, text):
    forged(path, text, b"")
    with pytest.raises(MessageError, match="header"):
        read_message(path)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_symbols_that_are_not_finite_are_refused_at_both_ends(path, genuine, value):
    header, payload = genuine
    forged(path, header, payload[:-4] + struct.pack("<f", value))
    with pytest.raises(MessageError, match="symbols must be finite"):
        read_message(path)
    with pytest.raises(MessageError, match="symbols must be finite"):
        message(symbols=torch.full((2, 12), value, dtype=torch.complex64))


def test_lengths_are_not_believed(path, genuine):
    header, payload = genuine
    for shapes in (
        {"symbols": [2, 1 << 40]},
        {"symbols": [2, 11]},
        {"gains": [1 << 30, 1 << 30]},
        {"gains": [-2, 1]},
    ):
        forged(path, header | {"tensors": header["tensors"] | shapes}, payload)
        with pytest.raises(MessageError):
            read_message(path)
    for header_length, payload_length, text in (
        (0xFFFFFFFF, 0, "at most 1,048,576 are allowed"),
        (10, 1 << 63, "cut off"),
    ):
        path.write_bytes(
            container.PREFIX.pack(container.MAGIC, FORMAT_VERSION, header_length, payload_length) + b"x" * 100
        )
        with pytest.raises(MessageError, match=text):
            read_message(path)


def test_other_versions_are_named(path, genuine):
    forged(path, *genuine, version=STORED_VERSION + 1)
    with pytest.raises(
        MessageError, match=r"format version 4, this semveil reads version 3; upgrade semveil"
    ):
        read_message(path)
    forged(path, *genuine, version=0)
    with pytest.raises(MessageError, match=r"format version 0, this semveil reads version 2$"):
        read_message(path)


def test_what_is_no_message_file_is_named(path, tmp_path):
    with pytest.raises(MessageError, match=r"cannot read the message .*m\.svl': No such file"):
        read_message(path)
    with pytest.raises(MessageError, match="is not a file"):
        read_message(tmp_path)
    with pytest.raises(MessageError, match="null byte"):
        read_message("a\0b")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MessageError, match="is not a file"):
        read_message(tmp_path / "pipe")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    with pytest.raises(MessageError, match="is not a semveil message"):
        read_message(path)
    write_message(path, message())
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(MessageError, match="longer than it states"):
        read_message(path)
