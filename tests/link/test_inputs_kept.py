# SPDX-License-Identifier: Apache-2.0
"""No output is written over what it is made of."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from semveil.core.errors import OutputError
from semveil.core.output_path import keep_inputs
from semveil.keys.secret import Secret, write_secret
from semveil.link.receive import eavesdrop, receive
from semveil.link.send import send
from semveil.link.transmit import transmit


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
def test_a_photo_in_the_output_folder_is_not_replaced_by_a_picture_of_its_name(files: dict[str, Path], name: str) -> None:
    photo = files["photo"].rename(files["photo"].with_name(name))
    before = photo.read_bytes()
    with pytest.raises(OutputError, match="would be lost"):
        transmit([photo], photo.parent)
    assert photo.read_bytes() == before and len(list(photo.parent.iterdir())) == len(files)


def test_other_files_and_what_is_no_path_count_for_nothing(files: dict[str, Path]) -> None:
    keep_inputs(None, files["photo"])
    keep_inputs(files["photo"], files["key"], None, data.astronaut(), files["photo"].with_name("absent"))
    keep_inputs(files["photo"].with_name("new.png"), files["photo"])
