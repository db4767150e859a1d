# SPDX-License-Identifier: Apache-2.0
"""Photos, latents and recognisers of an experiment."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from semveil.data.face_set import FaceSet
from semveil.experiments.kit.photo_sets import DataMissing, held_out_photos, public_photos
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.models.face import FaceModel, load_model
from semveil.models.inversion_cache import cached_inversion
from semveil.recognition import Verifier
from semveil.recognition.by_name import VERIFIERS, Remembering, choose_verifier, load_verifier


def test_only_people_of_the_test_split_are_measured_once_each(tiny_model: Path, face_set: Path) -> None:
    model, faces = load_model(str(tiny_model)), FaceSet.load(face_set)
    photos = held_out_photos(face_set, model, 100)
    rows = [np.flatnonzero((faces.pixels == p).all((1, 2, 3))).item() for p in to_pixels(photos.images)]
    assert faces.tested[rows].all() and len(set(faces.person[rows])) == len(rows) == 4
    assert not photos.public and photos.ids[0] == "photo 0001"
    # a smaller run is a part of a larger one
    assert torch.equal(held_out_photos(face_set, model, 2).images, photos.images[:2])


def test_a_set_of_another_size_or_without_a_test_split_is_refused(
    tmp_path: Path, tiny_model: Path, face_set: Path
) -> None:
    model, faces = load_model(str(tiny_model)), FaceSet.load(face_set)
    faces.select(~faces.tested).save(tmp_path / "trained.npz")  # photos of training and development
    with pytest.raises(DataMissing, match="no photo of the test split"):
        held_out_photos(tmp_path / "trained.npz", model, 3)
    cut = (getattr(faces, name)[:, :16, :16] for name in ("pixels", "inside", "labels"))
    FaceSet(*cut, faces.source, faces.person, faces.split).save(tmp_path / "small.npz")
    with pytest.raises(DataMissing, match="faces of 16 px"):
        held_out_photos(tmp_path / "small.npz", model, 3)


def test_celebamask_hqs_own_folder_gives_its_test_photos_in_order(tmp_path: Path, tiny_model: Path) -> None:
    folder = tmp_path / "CelebA-HQ-img"
    folder.mkdir()
    for number in (27_999, 28_001, 28_000, 3):
        Image.new("RGB", (64, 64), (number % 256, 0, 0)).save(folder / f"{number}.jpg")
    photos = held_out_photos(tmp_path, load_model(str(tiny_model)), 10)
    reds = to_pixels(photos.images)[:, 0, 0, 0].astype(int)
    assert photos.images.shape == (2, 3, 32, 32)
    assert reds == pytest.approx([28_000 % 256, 28_001 % 256], abs=2)


def test_photos_are_inverted_once(tiny_model: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(str(tiny_model))
    photos = public_photos(model, 3)
    calls: list[tuple[int, int]] = []
    codes, _ = cached_inversion(
        model, photos.images, progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)] and codes.shape == (3, *model.latent_shape)
    monkeypatch.setattr(FaceModel, "invert", None)
    again, settings = cached_inversion(model, photos.images)
    assert torch.equal(codes, again) and settings["perceptual_term"] == "none"
    with pytest.raises(TypeError):  # other photos are not in the cache
        cached_inversion(model, -photos.images)


class _Counting(Verifier):
    name, threshold = "counting", 0.5

    def __init__(self) -> None:
        self.seen = 0

    def embed(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return images.flatten(1)[:, :2]

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        return 1 - torch.cdist(a, b)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return 1 - (a - b).norm(dim=-1)


def test_an_image_is_embedded_once_and_means_the_same() -> None:
    counting = _Counting()
    verifier = Remembering(counting)
    images = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    first = verifier.embed(images)
    again = verifier.embed(images[[3, 3, 0]])
    assert counting.seen == 5
    assert torch.equal(first, _Counting().embed(images)) and torch.equal(again, first[[3, 3, 0]])
    assert torch.equal(verifier.same(first[:1], first[1:2]), counting.same(first[:1], first[1:2]))


def test_thresholds_say_where_they_come_from() -> None:
    verifier, told = load_verifier("dlib", resolution=64)
    assert told == {
        "name": "dlib",
        "threshold": 0.4675,
        "threshold_from": "measured on LFW at 64 px, false acceptance rate 0.001",
        "digest": verifier.digest,
    }
    assert len(told["digest"]) == 64
    verifier, told = load_verifier("dlib", resolution=32)
    assert verifier.threshold == pytest.approx(0.4) and "none was measured at 32 px" in told["threshold_from"]
    assert set(VERIFIERS) == {"dlib", "edgeface", "arcface", "bundled"}
    with pytest.raises(ValueError, match="did you mean 'arcface'"):
        load_verifier("arcfase", resolution=64)


@pytest.mark.parametrize("name", ["dlib", "bundled"])
def test_a_threshold_that_is_given_counts_at_every_size(name: str) -> None:
    """The bundled encoder has no measured threshold at 50 px, where it can be calibrated all the same."""
    verifier, told = choose_verifier(name, resolution=50, threshold=0.3127)
    assert verifier.threshold == told["threshold"] == 0.3127
    assert told["threshold_from"] == "given by the user"


def test_photos_are_of_the_test_split_alone(tmp_path: Path, tiny_model: Path, face_set: Path) -> None:
    """Choices looked at the development split: a figure that its photos are part of says too much."""
    model, faces = load_model(str(tiny_model)), FaceSet.load(face_set)
    split = np.repeat(["development", "test", "training"], [3, 3, len(faces) - 6])
    faces = replace(faces, split=split)
    faces.save(tmp_path / "split.npz")
    shown = held_out_photos(tmp_path / "split.npz", model, 100)
    tested = to_tensor(list(faces.pixels[3:6]))
    assert len(shown.images) == len(np.unique(faces.person[3:6]))
    assert all(any(torch.equal(image, photo) for photo in tested) for image in shown.images)
    assert "test split" in shown.description
