# SPDX-License-Identifier: Apache-2.0
"""The figures of a model card: of the split that is asked for, with faces that nobody has beside those of
photos.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

from semveil.data.align import align_face
from semveil.data.face_set import FaceSet
from semveil.experiments.kit.photo_sets import DataMissing
from semveil.experiments.kit.reproduce import reproduce
from semveil.experiments.models import face_model as model_figures
from semveil.experiments.models.cards import PRESETS, overlap_of_features
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.models.face import FaceModel, load_model
from semveil.recognition.by_name import load_verifier
from semveil.recognition.dlib_faces import detect_faces


@pytest.fixture
def model(tiny_model_folder) -> FaceModel:
    return load_model(str(tiny_model_folder))


@pytest.fixture
def faces(model) -> FaceSet:
    """Pictures that the model makes: three people of each split, those of the test split a grey square."""
    pixels = to_pixels(
        model.generator.synthesize(model.random_faces(9, rng=torch.Generator().manual_seed(0))).clamp(-1, 1)
    )
    split = np.repeat(["training", "development", "test"], 3)
    pixels = np.where((split == "test")[:, None, None, None], np.uint8(128), pixels)
    names, flat = np.array([f"p{i}" for i in range(9)]), np.zeros((9, 32, 32), np.uint8)
    return FaceSet(pixels, flat + 255, flat, names, names, split)


@pytest.mark.slow
def test_only_photos_of_the_split_are_measured(
    model, faces, tiny_model_folder, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(model_figures, "RANDOM_FACES", 6)
    for name in ("development", "small"):
        monkeypatch.setitem(PRESETS._entries, name, replace(PRESETS[name], samples=10))
    faces.save(tmp_path / "faces.npz")
    figures = {}
    for preset, split in (("development", "development"), ("small", "test")):
        options = {"data": tmp_path / "faces.npz", "model": str(tiny_model_folder)}
        figures[split] = json.loads(
            reproduce("models/face-model", preset, tmp_path / preset, **options).read_text()
        )
    for split, found in figures.items():
        assert (found["photos"], found["split"]) == (3, split) and found["held_out"].startswith("3 people")
        assert (
            {"prior_samples", "without_key"}
            == set(found["similarity_among"]["dlib"])
            < set(found["face_detected"])
        )
    # the model makes what the development people show, and no grey square
    assert figures["development"]["inversion"]["psnr"] != figures["test"]["inversion"]["psnr"]
    assert figures["test"]["memorisation"]["held_out_photos_least"] > 0


def test_a_card_needs_people_that_the_model_has_not_seen(tmp_path) -> None:
    for name in ("models/face-model", "models/identity-model"):
        with pytest.raises(DataMissing, match="name a face set with --data"):
            reproduce(name, "smoke", tmp_path)


@pytest.mark.slow
def test_an_identity_model_is_measured_with_its_own_anothers_and_random_identities(tmp_path) -> None:
    rng = np.random.default_rng(0)
    names, flat = np.array([f"p{i}" for i in range(4)]), np.zeros((4, 128, 128), np.uint8)
    pixels, split = (
        rng.integers(0, 256, (4, 128, 128, 3), dtype=np.uint8),
        np.array(["training", "training", "test", "test"]),
    )
    FaceSet(pixels, flat + 255, flat, names, names, split).save(tmp_path / "faces.npz")
    written = reproduce(
        "models/identity-model", "smoke", tmp_path / "out", data=tmp_path / "faces.npz", verifier="bundled"
    )
    found = json.loads(written.read_text())
    assert found["photos"] == 2 and [about["name"] for about in found["verifiers"]] == ["bundled"]
    own, drawn = found["own_identity"], found["random_identity"]
    # they are noise
    assert found["face_detected_in_source"] == 0 and own["face_detected_relative_to_source"] is None
    assert own["cosine_to_wanted_identity"] == pytest.approx(own["cosine_to_own_identity"])
    assert own["cosine_to_own_identity"] > drawn["cosine_to_own_identity"]
    follows = found["follows_the_identity"]["bundled"]
    assert -1 <= follows["one_draw_on_two_photos"] < 1 and -1 <= follows["two_draws_on_one_photo"] < 1
    assert 0 <= follows["accepted_as_the_other_person"] <= 1


def test_features_are_sought_where_the_photo_has_them() -> None:
    photo = data.astronaut()
    face = to_tensor([align_face(photo, detect_faces(photo)[0].landmarks, 128).pixels])
    assert set(overlap_of_features(face, face).values()) == {1.0}
    moved = overlap_of_features(face, face.roll(12, 2))
    assert all(moved[part] < 0.5 for part in ("eyes", "brows", "mouth"))
    assert set(overlap_of_features(torch.zeros_like(face), face).values()) == {None}


def test_faces_of_one_type_are_alike(model) -> None:
    images = model.generator.synthesize(model.random_faces(4, rng=torch.Generator().manual_seed(0))).clamp(
        -1, 1
    )
    same = images[:1].expand(4, -1, -1, -1)
    verifier, _ = load_verifier("dlib", resolution=32)
    assert model_figures._similarity_among(same, verifier) == pytest.approx(1)
    assert model_figures._similarity_among(images, verifier) < 0.999
