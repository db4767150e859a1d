# SPDX-License-Identifier: Apache-2.0
"""The figures of a model card: of the split that is asked for, with faces that nobody has beside those of photos."""

import numpy as np
import pytest
import torch

from semveil.core.pixels import to_pixels
from semveil.data.face_set import FaceSet
from semveil.experiments.models import face_model as model_figures
from semveil.experiments.models.face_model import measure_model
from semveil.methods.face_model import FaceModel, load_model


@pytest.fixture
def model(tiny_model_folder) -> FaceModel:
    return load_model(str(tiny_model_folder))


@pytest.fixture
def faces(model) -> FaceSet:
    """Pictures that the model makes: three people of each split, those of the test split a grey square."""
    pixels = to_pixels(model.generator.synthesize(model.random_faces(9, rng=torch.Generator().manual_seed(0))).clamp(-1, 1))
    split = np.repeat(["training", "development", "test"], 3)
    pixels = np.where((split == "test")[:, None, None, None], np.uint8(128), pixels)
    names, flat = np.array([f"p{i}" for i in range(9)]), np.zeros((9, 32, 32), np.uint8)
    return FaceSet(pixels, flat + 255, flat, names, names, split)


@pytest.mark.slow
def test_only_photos_of_the_split_are_measured(model, faces, monkeypatch) -> None:
    monkeypatch.setattr(model_figures, "RANDOM_FACES", 6)
    figures = {split: measure_model(model, faces, split=split, samples=10) for split in ("development", "test")}
    for split, found in figures.items():
        assert (found["photos"], found["split"]) == (3, split) and found["held_out"].startswith("3 people")
        assert {"prior_samples", "without_key"} == set(found["similarity_among"]["dlib"]) < set(found["face_detected"])
    # the model makes what the development people show, and no grey square
    assert figures["development"]["inversion"]["psnr"] != figures["test"]["inversion"]["psnr"]
    assert figures["test"]["memorisation"]["held_out_photos_least"] > 0


def test_faces_of_one_type_are_alike(model) -> None:
    images = model.generator.synthesize(model.random_faces(4, rng=torch.Generator().manual_seed(0))).clamp(-1, 1)
    same = images[:1].expand(4, -1, -1, -1)
    assert model_figures._similarity_among(same, "dlib") == pytest.approx(1)
    assert model_figures._similarity_among(images, "dlib") < 0.999
