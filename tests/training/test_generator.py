"""The training loop of generator and encoder: it learns, it resumes exactly, it uses no held-out photo."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from semveil.data.face_set import FaceSet
from semveil.generators.semantic_stylegan import SemanticStyleGANConfig
from semveil.training.augment import AdaptiveAugment
from semveil.training.generator import GeneratorTrainer, GeneratorTraining

CONFIG = SemanticStyleGANConfig(
    size=32, style_dim=8, mapping_layers=2, channel_cap=8, depth_layers=4, local_layers=6,
    local_channel=8, coarse_channel=8, coarse_size=16, min_feat_size=16,
)  # fmt: skip
SETTINGS = GeneratorTraining(
    steps=40, batch=8, lazy=4, mask_size=16, discriminator_multiplier=0.02, discriminator_cap=8, generator=CONFIG
)


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
    assert run._reconstruct(run.encoder(torch.zeros(4, 3, 32, 32)), torch.rand(4, 3, 32, 32), torch.zeros(4, 32, 32).long(),
                            torch.zeros(4, 1, 32, 32))["mse"] == 0  # fmt: skip


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
