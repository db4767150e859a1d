# SPDX-License-Identifier: Apache-2.0
"""SigMF recordings of messages: formats, what the library makes of them, and files that are none."""

import gzip
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from channels.message_cases import message
from radio.waves import through
from scipy.signal import resample_poly

from semveil.channels import KeyedPart, MessageError
from semveil.channels.message import message_from_side, side_of_message
from semveil.radio.bursts import receive_recording, send_recording
from semveil.radio.recording import RecordingError, read_recording, write_recording

sigmf = pytest.importorskip("sigmf", reason="needs sigmf: pip install 'semveil[iq]'")
KEYED = KeyedPart(
    nonce=bytes(range(32)), source={"kind": "file"}, parameters={"a": 1}, sealed=bytes(40), authenticated=True
)
MESSAGE = message(
    latent_shape=(28, 32),
    clip_upper=torch.tensor(1.469),
    symbols=torch.randn(2, 448, dtype=torch.complex64, generator=torch.Generator().manual_seed(1)),
    keyed=KEYED,
)


@pytest.mark.parametrize("datatype", ["cf32", "ci16"])
@pytest.mark.parametrize("name", ["m.sigmf", "m.sigmf-meta"])
def test_a_message_comes_back_from_a_recording(tmp_path: Path, datatype: str, name: str) -> None:
    written = send_recording(tmp_path / name, MESSAGE, datatype=datatype, frequency=433.92e6)
    assert sorted(path.name for path in written) == (
        ["m.sigmf"] if name == "m.sigmf" else ["m.sigmf-data", "m.sigmf-meta"]
    )
    handle = sigmf.sigmffile.fromfile(str(tmp_path / name))
    handle.validate()
    assert handle.get_global_field("core:datatype") == f"{datatype}_le"
    assert handle.get_captures()[0]["core:frequency"] == 433.92e6 and handle.get_global_field(
        "core:description"
    )
    read = receive_recording(tmp_path / name)
    assert (
        read.keyed == MESSAGE.keyed
        and read.guarantee == MESSAGE.guarantee
        and torch.equal(read.gains, MESSAGE.gains)
    )
    assert read.snr_db > 35
    error = (read.symbols - MESSAGE.symbols).abs().square().mean() / MESSAGE.symbols.abs().square().mean()
    assert error < 1e-3


def test_over_a_bad_channel_the_file_is_read_and_says_how_bad(tmp_path: Path) -> None:
    send_recording(tmp_path / "m.sigmf-meta", MESSAGE)
    sent = read_recording(tmp_path / "m.sigmf-data")
    loud = sent.samples / np.sqrt(np.mean(np.abs(sent.samples) ** 2) * 4)  # of power 1 per symbol
    heard = through(loud, 4, snr_db=15, carrier=0.01, clock=1e-4, late=2.2)
    write_recording(
        tmp_path / "h.sigmf", heard, sample_rate=1e6, symbol_rate=2.5e5, frequency=0.0, description="heard"
    )
    read = receive_recording(tmp_path / "h.sigmf")
    assert read.keyed == MESSAGE.keyed and 12 < read.snr_db < 17


def test_equal_messages_give_equal_files_that_name_nobody(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        send_recording(tmp_path / name / "m.sigmf", MESSAGE)
    assert (tmp_path / "a" / "m.sigmf").read_bytes() == (tmp_path / "b" / "m.sigmf").read_bytes()
    with tarfile.open(tmp_path / "a" / "m.sigmf") as tar:
        assert {(entry.uname, entry.uid, entry.mtime) for entry in tar} == {("", 0, 0)}


def damage(folder: Path, kind: str) -> Path:
    """A recording with a fault."""
    path = folder / "m.sigmf-meta"
    send_recording(path, MESSAGE)
    data = folder / "m.sigmf-data"
    meta = json.loads(path.read_text())
    samples = np.fromfile(data, "<f4")
    if kind == "cut":
        samples[: len(samples) // 2].tofile(data)
    elif kind == "clipped":
        np.clip(samples, -0.1, 0.1).tofile(data)
    elif kind == "nan":
        samples[1000] = np.nan
        samples.tofile(data)
    elif kind == "silent":
        np.zeros_like(samples).tofile(data)
    elif kind == "foreign":
        np.random.default_rng(0).standard_normal(len(samples)).astype("<f4").tofile(data)
    elif kind == "real":
        meta["global"]["core:datatype"] = "rf32_le"
    elif kind == "rate":
        meta["global"]["core:sample_rate"] = 1.1e6
    elif kind == "twice the rate":
        meta["global"]["core:sample_rate"] = 2e6
    elif kind == "half the rate":
        meta["global"]["core:sample_rate"] = 5e5
    elif kind == "resampled":
        resample_poly(samples.view("<c8"), 2, 1).astype("<c8").tofile(data)
        del meta["global"]["semveil:symbol_rate"]
        meta["global"]["core:sample_rate"] = 2e6
    elif kind == "integers":
        np.rint(samples * 32767).astype("<i2").tofile(data)
    elif kind == "word":
        meta["global"]["core:sample_rate"] = "fast"
    elif kind == "two channels":
        meta["global"]["core:num_channels"] = 2
    elif kind == "list":
        meta = [meta]
    elif kind == "no global":
        del meta["global"]
    elif kind == "slow":
        meta["global"]["semveil:symbol_rate"] = 0.001
    elif kind == "no rate":
        del meta["global"]["core:sample_rate"]
    elif kind == "empty":
        data.write_bytes(b"")
    elif kind == "no data":
        data.unlink()
    elif kind == "no json":
        path.write_text("{")
        return path
    path.write_text(json.dumps(meta))
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("cut", "cut off"), ("clipped", "is clipped: "), ("nan", "not finite"), ("silent", "is silent"),
        ("foreign", "no preamble"), ("real", "no single channel of complex .* 'rf32_le'"),
        ("two channels", "no single channel of complex .* core:num_channels 2"),
        ("rate", "takes 4.4 samples in .*, where a whole number .* sample rate of 1,100,000 Hz"),
        ("slow", r"takes 1e\+09 samples in .*, where a whole number from 2 to 64"),
        ("twice the rate", "at 8 samples .* of 2,000,000 Hz .* of 250,000 Hz .* writes 1,000,000 samples "
         "a second. Check .* core:datatype, .* at most 7,500 Hz"),
        ("half the rate", "other than 2 samples per symbol. .* of 500,000 Hz .* writes 1,000,000 samples"),
        ("resampled", r"other than 4 samples .* of 2,000,000 Hz .* no symbol rate .* sample rate / 4"),
        ("integers", "not finite; is core:datatype, 'cf32_le', their format"),
        ("word", "states 'fast' as core:sample_rate"),
        ("list", "is not SigMF's"), ("no global", "is not SigMF's"),
        ("no rate", "add core:sample_rate"), ("empty", "is empty"),
        ("no data", "m.sigmf-data' is missing"), ("no json", "is not SigMF's"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path, kind: str, words: str) -> None:
    with pytest.raises(RecordingError, match=words) as caught:
        receive_recording(damage(tmp_path, kind))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("foreign", "is no SigMF archive"), ("nothing", "is no SigMF archive"),
        ("other files", "lacks a .sigmf-meta"), ("compressed", "cut off or compressed"),
        ("no samples", "data file is empty"), ("cut", "is no SigMF archive|cannot read"),
    ],
)  # fmt: skip
def test_an_archive_that_is_none_is_one_clear_line(tmp_path: Path, kind: str, words: str) -> None:
    path = tmp_path / "m.sigmf"
    send_recording(path, MESSAGE)
    content = path.read_bytes()
    if kind in ("other files", "no samples"):
        names = ["a.txt"] if kind == "other files" else ["m/m.sigmf-meta", "m/m.sigmf-data"]
        with tarfile.open(path, "w") as tar:
            for name in names:
                tar.addfile(tarfile.TarInfo(name))
    else:
        path.write_bytes(
            {
                "foreign": b"RIFF" * 4000,
                "nothing": b"",
                "compressed": gzip.compress(content),
                "cut": content[: len(content) // 2],
            }[kind]
        )
    with pytest.raises(RecordingError, match=words) as caught:
        receive_recording(path)
    assert len(str(caught.value).splitlines()) == 1 and "ReadError" not in str(caught.value)


def test_names_and_formats_are_checked(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="must end in"):
        send_recording(tmp_path / "m.wav", MESSAGE)
    with pytest.raises(RecordingError, match="cf32, ci16"):
        send_recording(tmp_path / "m.sigmf", MESSAGE, datatype="cf64")
    with pytest.raises(RecordingError, match="cannot read"):
        receive_recording(tmp_path / "absent.sigmf-meta")


def test_the_digital_part_is_all_but_the_symbols() -> None:
    side = side_of_message(MESSAGE)
    back = message_from_side(side, MESSAGE.symbols, snr_db=3.0)
    assert back.keyed == MESSAGE.keyed and torch.equal(back.symbols, MESSAGE.symbols) and back.snr_db == 3.0
    flipped = side[:20] + bytes([side[20] ^ 1]) + side[21:]
    for wrong in (b"", b"\x09" + side[1:], side[:40], flipped):
        with pytest.raises(MessageError):
            message_from_side(wrong, MESSAGE.symbols, snr_db=3.0)
