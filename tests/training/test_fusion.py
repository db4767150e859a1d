"""Training of the fusion: it learns, it resumes exactly, it uses no held-out photo, own identities alone are reconstructed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from semveil.data.face_set import FaceSet
from semveil.metrics import ssim
from semveil.recognition.identity_encoder import IdentityEncoder, IdentityEncoderConfig
from semveil.training.fusion import FusionTrainer, FusionTraining, _similarity

SIZES = IdentityEncoderConfig(size=32, top=8, left=8, side=16, widths=(4, 4, 4, 4), blocks=(1, 1, 1), dimensions=6)
SETTINGS = FusionTraining(steps=40, batch=8, rate=2e-3, attribute_widths=(8, 8), fusion_widths=(8, 8, 8), discriminator_width=2)


def faces(count: int = 24) -> FaceSet:
    """Discs of one colour, the face, on a ground of another."""
    rng = np.random.default_rng(0)
    disc = np.hypot(*np.mgrid[-1:1:32j, -1:1:32j]) < 0.7
    colours = rng.integers(0, 255, (count, 2, 3))
    pixels = np.where(disc[None, :, :, None], colours[:, :1, None], colours[:, 1:, None]).astype(np.uint8)
    names = np.array([f"p{i}" for i in range(count)])
    labels = np.broadcast_to(disc.astype(np.uint8), (count, 32, 32))
    return FaceSet(
        pixels,
        np.full((count, 32, 32), 255, np.uint8),
        labels,
        names,
        names,
        np.where(np.arange(count) % 4 == 0, "development", "training"),
    )


def trainer(seed: int = 0, settings: FusionTraining = SETTINGS) -> FusionTrainer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        identity = IdentityEncoder(SIZES).eval().requires_grad_(False)
    return FusionTrainer(faces(), settings, identity=identity, rng=torch.Generator().manual_seed(seed))


def test_it_learns_to_reconstruct():
    log: list[dict[str, float]] = []
    trainer(settings=replace(SETTINGS, steps=30)).run(report=lambda step, losses: log.append(losses))
    assert len(log) == 30
    for name in ("reconstruction", "context", "attributes"):
        assert np.mean([row[name] for row in log[-10:]]) < 0.8 * np.mean([row[name] for row in log[:10]]), name
    assert all(np.isfinite(list(row.values())).all() for row in log)


def test_held_out_photos_are_left_out():
    assert len(trainer().photos) == 18


def test_a_batch_has_own_random_and_foreign_identities():
    run = trainer(settings=replace(SETTINGS, batch=16))
    rows = torch.arange(16)
    identity, same = run._identities(rows, torch.zeros(16, dtype=torch.bool))
    torch.testing.assert_close(identity.norm(dim=1), torch.ones(16))
    assert same.tolist() == [True] * 4 + [False] * 12
    assert torch.equal(identity[:4], run.vectors[0, :4])
    of_a_photo = (identity[:, None] == run.vectors[0]).all(2).any(1)
    assert of_a_photo.tolist() == [True] * 4 + [False] * 6 + [True] * 6


def test_pixels_count_where_they_should():
    run = trainer()
    photos = torch.zeros(2, 3, 8, 8)
    images = torch.zeros(2, 3, 8, 8)
    images[:, :, 0] = 1  # wrong in the first row, which is face; in the second, which is not, by 2; the third is filled in
    images[:, :, 1] = 2
    images[:, :, 2] = 9
    face, inside = torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8)
    face[:, :, 0] = 1
    inside[:, :, 2] = 0
    losses = run._pixel_losses(images, photos, face, inside, torch.tensor([True, False]))
    assert losses["reconstruction"].item() == pytest.approx(0.5 * (1 + 4) / 16)
    assert losses["context"].item() == pytest.approx(0.5 * 4 / 16)
    assert losses["face"].item() == pytest.approx(0.5 * 1 / 16)


def test_a_resumed_run_is_the_same_run(tmp_path):
    settings = replace(SETTINGS, steps=6)
    straight, first, second = trainer(settings=settings), trainer(settings=settings), trainer(seed=99, settings=settings)
    straight.run(report=lambda *_: None)

    def stop(step: int, losses: dict[str, float]) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(report=stop)
    first.save(tmp_path / "state.pt")
    second.load_state(torch.load(tmp_path / "state.pt"))
    second.run(report=lambda *_: None)
    for a, b in zip(straight.averages.state_dict().values(), second.averages.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_finished_networks_have_settled_statistics_and_leave_the_run_as_it_is():
    run = trainer(settings=replace(SETTINGS, steps=5))
    run.run(report=lambda *_: None)
    before: Any = run.rng.get_state()
    encoder, fusion = run.finished(photos=32)
    again, _ = run.finished(photos=32)
    assert torch.equal(run.rng.get_state(), before)
    assert not encoder.training
    images = torch.zeros(1, 3, 32, 32)
    assert fusion(torch.ones(1, 6) / 6**0.5, encoder(images)).shape == images.shape
    for a, b in zip(encoder.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_structure_is_the_measured_one():
    photos = F.interpolate(torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1, scale_factor=4)
    images = (photos + 0.2 * torch.randn(photos.shape, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)
    images, photos = ((x * 127.5 + 127.5).round() / 127.5 - 1 for x in (images, photos))  # what is measured is rounded
    found = _similarity(images, photos)
    assert found.shape == (2, 1, 32, 32)
    torch.testing.assert_close(found[..., 5:-5, 5:-5].mean((1, 2, 3)), ssim(images, photos), atol=1e-5, rtol=0)


def test_finished_networks_show_less_of_an_identity():
    run = trainer(settings=replace(SETTINGS, strength=0.5))
    as_trained = trainer(settings=replace(SETTINGS, strength=1.0))
    (encoder, weaker), (_, fusion) = run.finished(photos=8), as_trained.finished(photos=8)
    levels = encoder(torch.zeros(1, 3, 32, 32))
    torch.testing.assert_close(weaker(torch.ones(1, 6) / 6**0.5, levels), fusion(0.5 * torch.ones(1, 6) / 6**0.5, levels))
