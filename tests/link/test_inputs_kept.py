# SPDX-License-Identifier: Apache-2.0
"""No output is written over what it is made of."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

from semveil.core.errors import OutputError
from semveil.core.output_path import keep_inputs
from semveil.keys.secret import Secret, write_secret
from semveil.link.keys import Key
from semveil.link.outputs import publish_outputs
from semveil.link.receive import eavesdrop, receive
from semveil.link.send import send
from semveil.link.transmit import transmit
from semveil.privacy.ledger import Ledger


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {"photo": tmp_path / "a.png", "key": tmp_path / "my.key", "message": tmp_path / "m.svl"}
    Image.fromarray(data.astronaut()[:220, 120:330]).save(made["photo"])
    write_secret(made["key"], Secret.generate())
    made["message"].write_bytes(b"not read before the refusal")
    return made


CALLS: dict[str, Callable[[dict[str, Path], Path], object]] = {
    "send over the photo": lambda files, out: send(files["photo"], out),
    "send over one of several photos": lambda files, out: send([files["photo"]], out),
    "send over the key": lambda files, out: send(files["photo"], out, key=files["key"]),
    "receive over the message": lambda files, out: receive(files["message"], out, key=files["key"]),
    "receive over the key": lambda files, out: receive(files["message"], out, key=files["key"]),
    "send over the file of the key": lambda files, out: send(files["photo"], out, key=Key(file=files["key"])),
    "receive over the file of the key": lambda files, out: receive(
        files["message"], out, key=Key(file=files["key"])
    ),
    "eavesdrop over the message": lambda files, out: eavesdrop(files["message"], out),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_read_is_never_written_over(files: dict[str, Path], name: str, linked: bool) -> None:
    target = files[name.split()[-1].removesuffix("s")]
    before, out = target.read_bytes(), target
    if linked:
        out = target.with_name("other.png")
        os.link(target, out)
    with pytest.raises(OutputError, match="it is read here too, and would be lost"):
        CALLS[name](files, out)
    assert target.read_bytes() == before


@pytest.mark.parametrize("name", ["source.png", "bob.png"])
def test_a_photo_in_the_output_folder_is_not_replaced_by_a_picture_of_its_name(
    files: dict[str, Path], name: str
) -> None:
    photo = files["photo"].rename(files["photo"].with_name(name))
    before = photo.read_bytes()
    with pytest.raises(OutputError, match="would be lost"):
        transmit([photo], photo.parent)
    assert photo.read_bytes() == before and len(list(photo.parent.iterdir())) == len(files)


@pytest.mark.parametrize("several", [{"snr_db": [0.0, 5.0]}, {"names": ["snr_0", "b"]}])
def test_nor_by_one_in_the_folder_of_an_snr_or_of_a_photo(
    files: dict[str, Path], several: dict[str, list]
) -> None:
    folder = files["photo"].with_name("snr_0")
    folder.mkdir()
    photo = files["photo"].rename(folder / "bob.png")
    before = photo.read_bytes()
    with pytest.raises(OutputError, match="would be lost"):
        transmit([photo] * len(several.get("names", [photo])), folder.parent, **several)
    assert photo.read_bytes() == before


def test_other_files_and_what_is_no_path_count_for_nothing(files: dict[str, Path]) -> None:
    keep_inputs(None, files["photo"])
    keep_inputs(files["photo"], files["key"], None, data.astronaut(), files["photo"].with_name("absent"))
    keep_inputs(files["photo"].with_name("new.png"), files["photo"])


@pytest.mark.parametrize("suffix", ["", ".key"])
def test_a_message_is_not_written_over_the_ledger_that_books_it(tmp_path: Path, suffix: str) -> None:
    book = Ledger(tmp_path / "ledger.jsonl")
    book.prepare()
    target = Path(f"{book.path}{suffix}")
    before = target.read_bytes()
    with pytest.raises(OutputError, match="would be lost"):
        send(torch.zeros(1, 3, 32, 32), target, protection="none", subject="Ada", ledger=book)
    assert target.read_bytes() == before and not book.read()


def test_no_file_of_an_output_is_written_over_an_input(tmp_path: Path) -> None:
    """The second of several pictures, or a certificate, as much as the output that is named."""
    message = tmp_path / "bob-2.png"
    message.write_bytes(b"the only copy")
    outputs = [
        [(tmp_path / "bob-1.png.certificate.json", b"1"), (tmp_path / "bob-1.png", b"1")],
        [(message, b"2")],
    ]
    with pytest.raises(OutputError, match="would be lost"):
        publish_outputs(outputs, inputs=[message], once=lambda: pytest.fail("nothing may be booked"))
    assert [path.name for path in tmp_path.iterdir()] == [
        "bob-2.png"
    ] and message.read_bytes() == b"the only copy"
    publish_outputs(outputs[:1], inputs=[message])
    assert (tmp_path / "bob-1.png").read_bytes() == b"1"
