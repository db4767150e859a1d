"""The training loop of generator and encoder: it learns, it resumes exactly, it uses no held-out photo."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from semveil.core.parts import PARTS
from semveil.data.face_set import FaceSet
from semveil.encoders.parts import PartEncoderConfig
from semveil.generators.spatial_config import SpatialSemanticConfig
from semveil.training.augment import AdaptiveAugment
from semveil.training.generator import GeneratorTrainer, GeneratorTraining, detail_weights
from semveil.training.sheet import SampleSheet

CONFIG = SpatialSemanticConfig(
    size=32, style_dim=8, mapping_layers=2, part_hidden=8, part_cells=(4, 4), part_channels=4, features=8, grid=16,
    render_channels=(16, 8),
)  # fmt: skip
ENCODER = PartEncoderConfig(size=32, style_dim=8, widths=(8, 8, 8, 8), part_cells=(4, 4), part_channels=4, shared_channels=4)
SETTINGS = GeneratorTraining(
    steps=40, batch=8, lazy=4, adversarial_from=10, mask_size=16, discriminator_width=4, discriminator_cap=8,
    component_width=4, generator=CONFIG, encoder=ENCODER,
)  # fmt: skip


def faces(count: int = 24) -> FaceSet:
    """Discs of one colour on a ground of another."""
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


def trainer(seed: int = 0, settings: GeneratorTraining = SETTINGS) -> GeneratorTrainer:
    distance = lambda a, b: (a - b).abs().mean((1, 2, 3))  # noqa: E731
    return GeneratorTrainer(faces(), settings, perceptual=distance, rng=torch.Generator().manual_seed(seed))


def test_it_learns_to_reconstruct():
    log: list[dict[str, float]] = []
    trainer(settings=replace(SETTINGS, steps=120)).run(report=lambda step, losses: log.append(losses))
    assert len(log) == 120
    assert np.mean([row["mse"] for row in log[-10:]]) < 0.6 * np.mean([row["mse"] for row in log[:10]])
    assert all(np.isfinite(list(row.values())).all() for row in log)


def test_held_out_photos_are_left_out():
    assert len(trainer().photos) == 18


def test_a_resumed_run_is_the_same_run(tmp_path):
    straight, first, second = trainer(), trainer(), trainer(seed=99)
    straight.run(report=lambda *_: None, until=float("inf"))
    steps = []

    def stop(step, losses):
        steps.append(step)
        if step == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(report=stop)
    first.save(tmp_path / "state.pt")
    second.load_state(torch.load(tmp_path / "state.pt", weights_only=True))
    second.run(report=lambda *_: None)
    for name, value in straight.averages.state_dict().items():
        torch.testing.assert_close(second.averages.state_dict()[name], value, msg=name)


def test_a_run_can_start_from_trained_weights():
    trained, fresh = trainer(), trainer(seed=7)
    fresh.start_from({"generator": trained.generator.state_dict()})
    codes = torch.randn(1, 28, 8, generator=torch.Generator().manual_seed(0))
    expected = trained.generator.synthesize(codes)
    assert torch.equal(fresh.generator.synthesize(codes), expected)
    assert torch.equal(fresh.averages["generator"].synthesize(codes), expected)
    assert not torch.equal(fresh.encoder.stem.weight, trained.encoder.stem.weight)


def test_made_up_pixels_teach_nothing():
    """Where `inside` is 0 the reconstruction gradient is 0: with nothing inside, squared error is exactly 0."""
    run = trainer()
    run.inside.zero_()
    losses: list[dict[str, float]] = []
    run.run(report=lambda step, row: losses.append(row), until=0.0)
    assert losses == []
    run._train_step()
    photos, labels = torch.rand(4, 3, 32, 32), torch.zeros(4, 32, 32).long()
    codes = run.encoder(torch.zeros(4, 3, 32, 32))
    assert run._reconstruct(codes, photos, labels, torch.zeros(4, 1, 32, 32))["mse"] == 0
    assert run._reconstruct(run.encoder(photos), photos, labels, torch.ones(4, 1, 32, 32))["mse"] > 0


def test_errors_in_eyes_and_mouth_count_more():
    labels = torch.zeros(1, 32, 32).long()
    labels[:, 10:12, 8:14] = PARTS.index("eyes")
    weights = detail_weights(labels, 6.0)
    assert weights.mean() == pytest.approx(1, abs=1e-6)
    assert weights[0, 0, 10, 10] == pytest.approx(6 * weights[0, 0, 0, 0].item())
    assert weights[0, 0, 9, 7] == weights[0, 0, 10, 10] and weights[0, 0, 8, 7] == weights[0, 0, 0, 0]
    torch.testing.assert_close(detail_weights(labels, 1.0), torch.ones(1, 1, 32, 32))


def test_adversarial_losses_begin_when_they_are_told_to():
    log: list[dict[str, float]] = []
    trainer(settings=replace(SETTINGS, steps=12)).run(report=lambda step, losses: log.append(losses))
    assert ["d" in row for row in log] == [False] * 10 + [True] * 2
    assert {"g", "g_close", "real", "fake"} <= log[-1].keys()


def test_a_sheet_of_samples_takes_no_random_number_of_the_training():
    run, photos = trainer(), faces()
    before = run.rng.get_state()
    sheet = SampleSheet(photos, columns=5).draw(run)
    assert sheet.shape == (3 * 32, 5 * 32, 3) and sheet.dtype == np.uint8
    assert torch.equal(run.rng.get_state(), before)
    shown = {part.tobytes() for part in np.split(sheet[:32], 5, 1)}
    assert shown == {photos.pixels[i].tobytes() for i in np.random.default_rng(0).permutation(np.arange(0, 24, 4))[:5]}


def test_augmentation_follows_the_discriminators_certainty():
    augment = AdaptiveAugment(speed=0.01)
    rng = torch.Generator().manual_seed(0)
    images, masks = torch.rand(4, 3, 16, 16, generator=rng), torch.rand(4, 13, 8, 8, generator=rng)
    same = augment(images, masks, rng)
    assert torch.equal(same[0], images) and torch.equal(same[1], masks) and torch.equal(augment.images(images, rng), images)
    for _ in range(50):
        augment.update(torch.ones(8))
    assert augment.probability == pytest.approx(0.8)
    moved = augment(images, masks, rng)
    assert not torch.allclose(moved[0], images) and not torch.allclose(moved[1], masks)
    alone, together = (torch.Generator().manual_seed(1) for _ in range(2))
    assert torch.equal(augment.images(images, alone), augment(images, masks, together)[0])
    augment.update(-torch.ones(8))
    assert augment.probability < 0.8
