# SPDX-License-Identifier: Apache-2.0
"""Latents of photos: a later run computes what is missing, whatever an earlier one was asked for."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from semveil.bulk.invert import Inverted, invert_photos
from semveil.data.latents import LatentSet
from semveil.models.face import FaceModel, load_model


@pytest.fixture
def model(tiny_model_folder: Path) -> FaceModel:
    """A model that inverts one face at a time."""
    loaded = load_model(str(tiny_model_folder))
    return replace(loaded, inversion=replace(loaded.inversion, batch=1, steps=1))


@pytest.fixture
def pair(tmp_path: Path, twice: Image.Image) -> Path:
    twice.save(tmp_path / "pair.png")
    return tmp_path / "pair.png"


def test_other_faces_of_a_known_photo_are_added(pair: Path, tmp_path: Path, model: FaceModel) -> None:
    out = tmp_path / "latents.safetensors"

    def run(face: str) -> tuple[int, int]:
        made: Inverted = invert_photos([pair], out, model, face=face)
        return made.new, made.known

    assert [run(face) for face in ("1", "1", "largest", "0", "all")] == [
        (1, 0),
        (0, 1),
        (1, 1),
        (0, 2),
        (0, 2),
    ]


def test_a_group_photo_of_which_one_face_was_done_is_gone_on_with(
    pair: Path, tmp_path: Path, model: FaceModel
) -> None:
    out = tmp_path / "latents.safetensors"

    def stop(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("Inverting", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        invert_photos([pair], out, model, face="all", progress=stop)
    assert len(LatentSet.load(out)) == 1
    made = invert_photos([pair], out, model, face="all")
    assert (made.new, made.known, len(LatentSet.load(out))) == (1, 1, 2)


def test_pictures_are_those_of_the_file(pair: Path, tmp_path: Path, model: FaceModel) -> None:
    images, out = tmp_path / "images", tmp_path / "latents.safetensors"
    invert_photos([pair], out, model, face="0", images=images)
    (picture,) = images.iterdir()
    made = picture.read_bytes()
    Image.new("RGB", (32, 32), "red").save(picture)  # as another model's run would leave
    invert_photos([pair], out, model, face="0", images=images)
    assert picture.read_bytes() == made
