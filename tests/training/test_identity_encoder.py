# SPDX-License-Identifier: Apache-2.0
"""The identity encoder learns from descriptors, not from names, and a run can be broken off."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from semveil.data.face_set import FaceSet
from semveil.recognition.identity_encoder import (
    IdentityEncoder,
    IdentityEncoderConfig,
    identity_encoder_file,
    load_identity_encoder,
)
from semveil.training.draws import Draws
from semveil.training.identity_encoder import IdentityEncoderTraining, identity_encoder_trainer, targets, vary
from semveil.training.one_network import OneNetworkTrainer
from semveil.training.teacher_descriptors import TeacherDescriptors

TINY = IdentityEncoderConfig(
    size=16, top=0, left=0, side=16, widths=(4, 8, 8, 8), blocks=(1, 1, 1), dimensions=3
)
SETTINGS = IdentityEncoderTraining(encoder=TINY, steps=24, batch=16, learning_rate=1e-2, whitening=0.5)


def test_the_default_network_is_of_the_size_of_the_bundled_one() -> None:
    bundled = load_identity_encoder(identity_encoder_file())
    assert IdentityEncoderTraining().encoder == bundled.config


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    """40 pictures of vertical gradients in three colours, the last 8 held out."""
    rng = np.random.default_rng(0)
    height = np.linspace(-1, 1, 16)[None, :, None, None]
    slopes = rng.uniform(-1, 1, (40, 1, 1, 3))
    pixels = np.rint(127.5 + 120 * slopes * height + np.zeros((1, 1, 16, 1))).astype(np.uint8)
    plane = np.zeros((40, 16, 16), np.uint8)
    names = np.array([f"person {i}" for i in range(40)])
    return FaceSet(
        pixels,
        plane,
        plane,
        np.char.add("lfw/", names),
        names,
        np.where(np.arange(40) >= 32, "development", "training"),
    )


@pytest.fixture(scope="module")
def teacher(faces: FaceSet) -> TeacherDescriptors:
    """Their slopes, in a narrow cone of R^5, of the training photos in another order."""
    slopes = faces.pixels[:32, -1, 0].astype(np.float32) / 127.5 - 1
    vectors = np.concatenate([slopes, np.full((32, 1), 5, np.float32), np.zeros((32, 1), np.float32)], 1)
    order = np.random.default_rng(1).permutation(32)
    return TeacherDescriptors(faces.source[order], vectors[order])


def trainer(faces: FaceSet, teacher: TeacherDescriptors) -> OneNetworkTrainer[IdentityEncoder]:
    return identity_encoder_trainer(faces, teacher, SETTINGS, rng=torch.Generator().manual_seed(0))


def test_it_learns_what_the_teacher_says_and_a_run_that_was_broken_off_gives_the_same(
    faces: FaceSet, teacher: TeacherDescriptors
) -> None:
    whole, losses, file = trainer(faces, teacher), [], io.BytesIO()

    def report(step: int, loss: float) -> None:
        losses.append(loss)
        if step == SETTINGS.steps // 2:
            torch.save(whole.state(), file)

    whole.run(report=report)
    assert whole.step == SETTINGS.steps and np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    resumed = trainer(faces, teacher)
    file.seek(0)
    resumed.load_state(torch.load(file, weights_only=True))
    resumed.run(report=lambda step, loss: None)
    encoder = resumed.finished()
    assert encoder.config == TINY and not encoder.training
    for ours, theirs in zip(whole.finished().parameters(), encoder.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    last = whole.network.state_dict()  # what is kept is the average, not the last weights
    assert not all(torch.equal(last[name], value) for name, value in encoder.state_dict().items())


def test_targets_use_the_whole_sphere() -> None:
    rng = torch.Generator().manual_seed(0)
    narrow = torch.randn(4000, 6, generator=rng) * torch.tensor([10.0, 5, 2, 1, 0.5, 0]) + 20
    unit = targets(narrow, 5, whitening=1.0)
    assert torch.allclose(unit.norm(dim=1), torch.ones(4000))
    assert torch.allclose(unit.T @ unit / 4000, torch.eye(5) / 5, atol=0.02)  # as directions drawn uniformly
    kept = targets(narrow, 5, whitening=0.0)
    assert (kept.T @ kept / 4000)[0, 0] > 0.5  # without whitening one direction rules
    with pytest.raises(ValueError, match="fewer than 6 directions"):
        targets(narrow, 6, whitening=1.0)


def test_descriptors_are_found_by_photo(teacher: TeacherDescriptors, faces: FaceSet, tmp_path: Path) -> None:
    teacher.save(tmp_path / "teacher.npz")
    again = TeacherDescriptors.load(tmp_path / "teacher.npz")
    wanted = faces.source[[7, 3]]
    assert np.allclose(again.of(wanted)[:, :3], faces.pixels[[7, 3], -1, 0] / 127.5 - 1)
    with pytest.raises(ValueError, match="1 of 2 photos were not described, among them lfw/person 35"):
        again.of(faces.source[[1, 35]])


def test_variation_keeps_shape_and_range_and_is_drawn_for_every_image() -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)).expand(8, -1, -1, -1)
    varied = vary(image, Draws(torch.Generator().manual_seed(1)))
    assert varied.shape == image.shape and varied.abs().max() <= 1
    assert all(not torch.equal(varied[0], other) for other in varied[1:])
