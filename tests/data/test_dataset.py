# SPDX-License-Identifier: Apache-2.0
"""Faces as a torch dataset: of photos in folders, of prepared sets, of what is in memory."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch.utils.data import DataLoader

from semveil.core.errors import PhotoError
from semveil.data.dataset import FaceDataset
from semveil.data.face_set import FaceSet
from semveil.data.load_faces import Faces, load_faces


def face_set(count: int = 5) -> FaceSet:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)
    names = np.array([f"lfw/{i}" for i in range(count)])
    plain = np.full((count, 32, 32), 255, np.uint8)
    split = np.where(np.arange(count) < 3, "training", "test")
    return FaceSet(pixels, plain, plain, names, names, split)


def test_a_folder_of_photos_reads_what_load_faces_reads(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    photo = folder / "deep" / "astronaut.png"
    Image.fromarray(data.astronaut()[0:220, 120:330]).save(photo)
    (folder / "notes.txt").write_text("no photo")
    (folder / ".hidden.png").write_bytes(photo.read_bytes())
    faces = FaceDataset(folder, size=32)
    assert (len(faces), faces.names) == (1, ["deep/astronaut.png"])
    image, name = faces[0]
    assert name == "deep/astronaut.png" and torch.equal(
        image, load_faces(photo, size=32, face="largest").images[0]
    )
    with pytest.raises(IndexError, match="there are 1 faces, asked for number 1"):
        faces[1]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="no photos in the folder"):
        FaceDataset(tmp_path)


def test_a_face_set_by_its_split(tmp_path: Path) -> None:
    held = face_set()
    held.save(tmp_path / "faces.npz")
    training = FaceDataset(tmp_path / "faces.npz", size=32, split="training")
    (images, names), *rest = DataLoader(training, batch_size=3)
    assert names == ("lfw/0", "lfw/1", "lfw/2") and not rest
    levels = ((images + 1) * 127.5).round().permute(0, 2, 3, 1).byte().numpy()
    assert np.array_equal(levels, held.pixels[:3])
    assert len(FaceDataset(held, size=32)) == 5
    with pytest.raises(ValueError, match="the faces have 32 px, asked for 128; give size=32"):
        FaceDataset(held)


def test_splits_are_of_sets_alone() -> None:
    faces = Faces(torch.zeros(1, 3, 64, 64), ("a",))
    assert repr(FaceDataset(faces, size=64)) == "FaceDataset(1 faces, 64 px)"
    with pytest.raises(ValueError, match="only a prepared face set has splits"):
        FaceDataset(faces, split="test")
