# SPDX-License-Identifier: Apache-2.0
"""Parts sealed under keys of their own: what opens what, and that every change is found."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semveil.core.errors import KeyProblem, OutputError
from semveil.keys.sealed_parts import (
    LARGEST_HEADER,
    MAGIC,
    PartKey,
    SealedParts,
    read_any_key,
    seal_parts,
    write_part_key,
)
from semveil.keys.secret import Secret, write_secret

SECRET = Secret(bytes(range(32)))
HEADER = {"release_id": "ab" * 16}
PARTS = [b"first", b"", b"the third"]
SEALED = seal_parts(SECRET, HEADER, PARTS)


def parse(data: bytes) -> SealedParts:
    return SealedParts.parse(data, lambda header: [len(part) for part in PARTS])


def test_each_part_opens_with_its_own_key_and_no_other() -> None:
    sealed = parse(SEALED)
    keys = [sealed.key(SECRET, i) for i in range(3)]
    assert [sealed.open(i, key) for i, key in enumerate(keys)] == PARTS
    assert len(set(keys)) == 3
    for i in range(3):
        for j in range(3):
            if i != j:
                with pytest.raises(KeyProblem, match=r"another than the one"):
                    sealed.open(i, keys[j])
    with pytest.raises(KeyProblem, match=r"another than the one"):
        sealed.open(0, sealed.key(Secret.generate(), 0))
    again = parse(seal_parts(SECRET, HEADER, PARTS))  # the same photo once more
    assert again.key(SECRET, 0) != keys[0] and again.parts != sealed.parts


@settings(max_examples=60)
@given(st.data())
def test_a_changed_byte_anywhere_is_found(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(SEALED) - 1))
    changed = bytearray(SEALED)
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(KeyProblem):
        sealed = parse(bytes(changed))
        for i in range(3):
            sealed.open(i, sealed.key(SECRET, i))


@pytest.mark.parametrize("cut", [1, 17, len(SEALED) - len(MAGIC), len(SEALED)])
def test_what_is_cut_or_longer_is_refused_before_any_key_is_tried(cut: int) -> None:
    with pytest.raises(KeyProblem, match=r"cut short|no sealed part"):
        parse(SEALED[:-cut])
    with pytest.raises(KeyProblem, match="damaged or cut short"):
        parse(SEALED + b"\0")


@given(st.lists(st.binary(max_size=40), max_size=4), st.data())
def test_the_length_follows_from_the_parts_lengths_alone(parts: list[bytes], data: st.DataObject) -> None:
    others = [data.draw(st.binary(min_size=len(part), max_size=len(part))) for part in parts]
    assert len(seal_parts(SECRET, HEADER, parts)) == len(seal_parts(Secret.generate(), HEADER, others))


def test_keys_of_parts_are_files_that_only_their_owner_reads(tmp_path) -> None:
    key = PartKey("ab" * 16, 3, bytes(32))
    write_part_key(tmp_path / "face.key", key)
    assert read_any_key(tmp_path / "face.key") == key
    assert (tmp_path / "face.key").stat().st_mode & 0o777 == 0o600
    assert "00" not in repr(key)
    with pytest.raises(OutputError, match="never overwritten"):
        write_part_key(tmp_path / "face.key", key)
    write_secret(tmp_path / "all.key", SECRET)
    assert read_any_key(tmp_path / "all.key") == SECRET
    (tmp_path / "face.key").write_text((tmp_path / "face.key").read_text()[:-9])
    with pytest.raises(KeyProblem, match="cut off or damaged"):
        read_any_key(tmp_path / "face.key")


@pytest.mark.parametrize("length", [LARGEST_HEADER + 1, 1 << 31])
def test_a_header_of_any_length_is_not_read(length: int) -> None:
    data = MAGIC + length.to_bytes(4, "big") + b"{}"
    with pytest.raises(KeyProblem, match="damaged or cut short"):
        parse(data)
    with pytest.raises(KeyProblem, match="no sealed part"):
        SealedParts.read_header(io.BytesIO(data))


def test_the_header_is_read_without_the_parts() -> None:
    assert SealedParts.read_header(io.BytesIO(SEALED))["release_id"] == HEADER["release_id"]
