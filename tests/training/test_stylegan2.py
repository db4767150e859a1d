# SPDX-License-Identifier: Apache-2.0
"""The training of a StyleGAN2 with its encoder: it learns, its fakes begin when they should, it resumes
exactly.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from semveil.data.face_set import FaceSet
from semveil.generators.stylegan2 import StyleGAN2Config
from semveil.training.stylegan2 import StyleGAN2Trainer, StyleGAN2Training

SETTINGS = StyleGAN2Training(
    steps=12,
    batch=6,
    lazy=4,
    adversarial_from=6,
    discriminator_multiplier=0.02,
    discriminator_cap=8,
    generator=StyleGAN2Config(size=32, style_dim=8, mapping_layers=2, widths=(8, 8, 8, 8)),
    encoder_widths=(8, 8, 8, 8),
    fine_channels=2,
    coarse_channels=4,
)


def faces(count: int = 24) -> FaceSet:
    """Discs of one colour on a ground of another."""
    rng = np.random.default_rng(0)
    disc = np.hypot(*np.mgrid[-1:1:32j, -1:1:32j]) < 0.7
    colours = rng.integers(0, 255, (count, 2, 3))
    pixels = np.where(disc[None, :, :, None], colours[:, :1, None], colours[:, 1:, None]).astype(np.uint8)
    names = np.array([f"p{i}" for i in range(count)])
    plane = np.full((count, 32, 32), 255, np.uint8)
    return FaceSet(
        pixels, plane, plane, names, names, np.where(np.arange(count) % 4 == 0, "development", "training")
    )


def distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


def trainer(seed: int = 0, settings: StyleGAN2Training = SETTINGS) -> StyleGAN2Trainer:
    return StyleGAN2Trainer(faces(), settings, perceptual=distance, rng=torch.Generator().manual_seed(seed))


def test_it_learns_to_reconstruct_and_then_to_make_fakes():
    log: list[dict[str, float]] = []
    run = trainer(settings=replace(SETTINGS, steps=50, adversarial_from=40))
    before = run.discriminator.score.weight.clone()
    run.run(report=lambda step, losses: log.append(losses))
    assert np.mean([row["mse"] for row in log[30:40]]) < 0.6 * np.mean([row["mse"] for row in log[:10]])
    assert [step for step, row in enumerate(log) if "g" in row] == list(range(40, 50))
    assert [step for step, row in enumerate(log) if "path" in row] == [40, 44, 48]
    assert all(np.isfinite(list(row.values())).all() for row in log)
    assert not torch.equal(run.discriminator.score.weight, before)


def test_held_out_photos_and_made_up_pixels_teach_nothing():
    run = trainer()
    assert len(run.photos) == 18
    codes = run.encoder(torch.zeros(4, 3, 32, 32))
    assert run._reconstruct(codes, torch.rand(4, 3, 32, 32), torch.zeros(4, 1, 32, 32))["mse"] == 0
    assert run._reconstruct(codes.detach(), torch.rand(4, 3, 32, 32), torch.ones(4, 1, 32, 32))["mse"] > 0


def test_fakes_are_samples_mixtures_and_noised_photos():
    run = trainer()
    codes = torch.randn(6, 8, 8, generator=torch.Generator().manual_seed(0))
    made = run._fake_codes(codes, 8)
    assert made.shape == (8, 8, 8)
    sampled, exchanged, noised = made[:4], made[4:6], made[6:]
    for face in sampled:  # one sample, or two with a cut between their codes
        assert len(face.unique(dim=0)) <= 2
    for face, own, other in zip(exchanged, codes[:2], codes[2:4], strict=True):
        assert torch.equal(face[0], own[0]) and torch.equal(face[-1], other[-1])
    assert not torch.equal(noised, codes[4:6])


def test_the_encoder_follows_the_styles_of_the_mapping_network():
    run = trainer()
    run.run(report=lambda *_: None)
    w = run.generator.map(torch.randn(4096, 8, generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(run.encoder.style_mean, w.mean(0), atol=0.25, rtol=0)
    assert torch.equal(run.averages["generator"].mean_style, run.generator.mean_style)
    assert run.generator.mean_style.abs().sum() > 0


def test_a_resumed_run_is_the_same_run(tmp_path):
    straight, first, second = trainer(), trainer(), trainer(seed=99)
    straight.run(report=lambda *_: None)

    def stop(step, losses):
        if step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(report=stop)
    first.save(tmp_path / "state.pt")
    second.load_state(torch.load(tmp_path / "state.pt", weights_only=True))
    second.run(report=lambda *_: None)
    for name, value in straight.averages.state_dict().items():
        assert torch.equal(second.averages.state_dict()[name], value), name


class OnceDifferentiable(torch.autograd.Function):
    """Half of the pixels' values, with torch 2.6's refusal of a second derivative of sampling."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient / 2


def test_the_gradient_penalty_needs_no_second_derivative_of_the_augmentation(monkeypatch):
    run = trainer(settings=replace(SETTINGS, steps=4, adversarial_from=0, lazy=1))
    sampled: list[Tensor] = []

    def sample(x: Tensor, grid: Tensor, **options: object) -> Tensor:
        sampled.append(x)
        return OnceDifferentiable.apply(x)

    monkeypatch.setattr("semveil.training.augment.F.grid_sample", sample)
    run.augment.probability = 0.8
    before = run.discriminator.score.weight.clone()
    run.run(report=lambda step, losses: None)
    assert sampled and not torch.equal(run.discriminator.score.weight, before)
