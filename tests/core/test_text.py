# SPDX-License-Identifier: Apache-2.0
"""Text and JSON from other programs: read as it was meant, or one kind of error."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semveil.core.text import decode_text, parse_json, read_json_object, read_text

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\ufeff"))


@given(TEXT, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_encodings_and_line_ends_make_no_difference(text: str, end: str, encoding: str) -> None:
    assert decode_text(text.replace("\n", end).encode(encoding)) == text


@pytest.mark.parametrize("data", [b"\xff", b"\xfe\xff\xd8", "ü".encode("latin-1"), b"\xed\xa0\x80"])
def test_what_is_no_text_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_text(data)


def test_files_are_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_text(tmp_path / "a", largest=5) == "12345"
    with pytest.raises(ValueError, match="more than 4 bytes"):
        read_text(tmp_path / "a", largest=4)
    with pytest.raises(OSError, match="not a regular file"):
        read_text("/dev/zero")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000, "9" * 10_000, b"\xff", "nan"])
def test_what_is_no_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


@pytest.mark.parametrize("text", ["[]", "7", "null", '"x"'])
def test_other_json_than_an_object_is_a_value_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match="expected an object"):
        read_json_object(tmp_path / "a.json")


@pytest.mark.parametrize("text", ['"\\ud800"', '{"tag": "\\udfff"}', '{"\\ud800": 1}', '[["a\\ud83d"]]'])
def test_half_a_character_is_a_value_error_before_it_is_a_crash_elsewhere(text: str) -> None:
    with pytest.raises(ValueError, match="half a character"):
        parse_json(text)
    assert parse_json('"\\ud83d\\ude00"') == "😀"
