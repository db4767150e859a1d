"""A message file gives back exactly what was written, or a clear error, and nothing else."""

import dataclasses
import hashlib
import json
import math
import os
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from semveil.channels import FORMAT_VERSION, Message, MessageError, container, pack, read_message, unpack, write_message

TENSORS = ("clip_lower", "clip_upper", "gains", "symbols")


def message(images: int = 2, **changes: object) -> Message:
    rng = torch.Generator().manual_seed(0)
    values = {
        "method": "dp-semcom",
        "model": "faces-64",
        "model_hash": hashlib.sha256(b"weights").hexdigest(),
        "image_size": 64,
        "latent_shape": (4, 6),
        "private_codes": (0, 2),
        "clip_lower": torch.tensor(-1.47),
        "clip_upper": torch.full((4, 1), 1.469),
        "gains": torch.rand(images, 1, generator=rng) + 0.5,
        "protection": "nn",
        "calibration": "as_published",
        "nominal_epsilon": 10.0,
        "guarantee": {"epsilon": None, "basis": "none", "covers": ["private codes"], "assumptions": {"bounds": "public"}},
        "snr_db": None,
        "symbols": pack(torch.randn(images, 24, generator=rng)),
    }
    return Message(**(values | changes))


def plain(m: Message) -> tuple[object, ...]:
    """All fields, tensors as dtype, shape and bytes, so that equality is bit exact."""
    values = [getattr(m, field.name) for field in dataclasses.fields(m)]
    return tuple((v.dtype, tuple(v.shape), v.numpy().tobytes()) if isinstance(v, torch.Tensor) else v for v in values)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.svl"


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
numbers = st.floats(allow_nan=False, allow_infinity=False)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def reals(*shape: int, lowest: float | None = None) -> st.SearchStrategy[torch.Tensor]:
    elements = st.floats(lowest, width=32, allow_nan=False, allow_infinity=False, exclude_min=lowest is not None)
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
        guarantee=draw(st.dictionaries(st.text(), trees, max_size=3)),
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
    write_message(path, message(guarantee={"b": 2, "a": 1}, nominal_epsilon=10.0, snr_db=20.0, symbols=twisted))
    assert path.read_bytes() == first


def test_layout_is_the_documented_one(path):
    """An independent reader, from the documentation of `container.py` alone."""
    original = message()
    write_message(path, original)
    data = path.read_bytes()
    assert data[:8] == b"\x93SVL\r\n\x1a\n"
    version, header_length, payload_length = struct.unpack("<IIQ", data[8:24])
    assert version == FORMAT_VERSION == 1
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
        "method", "model", "model_hash", "image_size", "latent_shape", "private_codes", "protection", "calibration",
        "nominal_epsilon", "guarantee", "snr_db", "tensors",
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
    assert message(gains=torch.ones(2, 2)).side_information_bits == 64


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
    junk = trees | st.integers(-(2**70), 2**70) | st.just(10**400) | st.lists(st.integers(-2, 1 << 40), max_size=3)
    for name in data.draw(st.lists(st.sampled_from([*header, "extra"]), min_size=1, max_size=3)):
        match data.draw(st.sampled_from(["replace", "delete", "nested"])):
            case "replace":
                header[name] = data.draw(junk)
            case "delete":
                header.pop(name, None)
            case "nested" if isinstance(header.get("tensors"), dict):
                header["tensors"][data.draw(st.sampled_from([*TENSORS, "extra"]))] = data.draw(junk)
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
    for shapes in ({"symbols": [2, 1 << 40]}, {"symbols": [2, 11]}, {"gains": [1 << 30, 1 << 30]}, {"gains": [-2, 1]}):
        forged(path, header | {"tensors": header["tensors"] | shapes}, payload)
        with pytest.raises(MessageError):
            read_message(path)
    for header_length, payload_length, text in ((0xFFFFFFFF, 0, "at most 1,048,576 are allowed"), (10, 1 << 63, "cut off")):
        path.write_bytes(container.PREFIX.pack(container.MAGIC, FORMAT_VERSION, header_length, payload_length) + b"x" * 100)
        with pytest.raises(MessageError, match=text):
            read_message(path)


def test_other_versions_are_named(path, genuine):
    forged(path, *genuine, version=FORMAT_VERSION + 1)
    with pytest.raises(MessageError, match=r"format version 2, this semveil reads version 1; upgrade semveil"):
        read_message(path)
    forged(path, *genuine, version=0)
    with pytest.raises(MessageError, match=r"format version 0, this semveil reads version 1$"):
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
        ("format_version", 2),
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
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        write_message(tmp_path / "absent" / "m.svl", message())
