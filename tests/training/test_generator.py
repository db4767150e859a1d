# SPDX-License-Identifier: Apache-2.0
"""The training loop of generator and encoder: it learns, it resumes exactly, it uses no held-out photo."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from semveil.data.face_set import FaceSet
from semveil.encoders.parts import PartEncoderConfig
from semveil.faces.parts import PARTS
from semveil.generators.discriminators import FeatureDiscriminator
from semveil.generators.spatial_config import SpatialSemanticConfig
from semveil.training import generator as training
from semveil.training.generator import GeneratorTrainer, GeneratorTraining, detail_weights
from semveil.training.sheet import SampleSheet

CONFIG = SpatialSemanticConfig(
    size=32, style_dim=8, part_hidden=8, part_cells=(4, 4), part_channels=4, features=8, grid=16,
    render_channels=(16, 8),
)  # fmt: skip
ENCODER = PartEncoderConfig(
    size=32, style_dim=8, widths=(8, 8, 8, 8), part_cells=(4, 4), part_channels=4, shared_channels=4
)
SETTINGS = GeneratorTraining(
    steps=40, batch=8, adversarial_from=10, discriminator_width=8, features=0.0, generator=CONFIG,
    encoder=ENCODER,
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


def test_a_recogniser_draws_reconstructions_to_the_person():
    """One that sees the mean colour: with it the colours come out closer than without, from the same first
    weights.
    """

    def vector(images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(images.mean((2, 3)) + 0.1, dim=1)

    def last(**options: object) -> float:
        settings = replace(SETTINGS, steps=60, identity=5.0, adversarial_from=1000)
        distance = lambda a, b: (a - b).abs().mean((1, 2, 3))  # noqa: E731
        run = GeneratorTrainer(
            faces(), settings, perceptual=distance, rng=torch.Generator().manual_seed(0), **options
        )  # type: ignore[arg-type]
        run.run(report=lambda step, losses: None)
        photos = run.photos.float() / 127.5 - 1
        with torch.no_grad():
            made = run.generator.synthesize(run.encoder(photos))
        return float((1 - (vector(photos) * vector(made)).sum(1)).mean())

    assert last(recogniser=vector) < 0.8 * last()


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
    for state in ("averages", "discriminator"):
        resumed = getattr(second, state).state_dict()
        assert all(
            torch.equal(resumed[name], value) for name, value in getattr(straight, state).state_dict().items()
        )


def test_a_run_can_start_from_trained_weights():
    trained, fresh = trainer(), trainer(seed=7)
    fresh.start_from({"generator": trained.generator.state_dict()})
    codes = torch.randn(1, 28, 8, generator=torch.Generator().manual_seed(0))
    expected = trained.generator.synthesize(codes)
    assert torch.equal(fresh.generator.synthesize(codes), expected)
    assert torch.equal(fresh.averages["generator"].synthesize(codes), expected)
    assert not torch.equal(fresh.encoder.stem.weight, trained.encoder.stem.weight)


def test_made_up_pixels_teach_nothing():
    """Where `inside` is 0 the reconstruction gradient is 0:
    with nothing inside, squared error is exactly 0.
    """
    run = trainer()
    run.inside.zero_()
    losses: list[dict[str, float]] = []
    run.run(report=lambda step, row: losses.append(row), until=0.0)
    assert losses == []
    run._train_step()
    photos, labels = torch.rand(4, 3, 32, 32), torch.zeros(4, 32, 32).long()
    codes = run.encoder(torch.zeros(4, 3, 32, 32))
    losses_of = lambda codes, inside: run._reconstruct(codes, photos, labels, inside, judged=False)[0]  # noqa: E731
    assert losses_of(codes, torch.zeros(4, 1, 32, 32))["mse"] == 0
    assert losses_of(run.encoder(photos), torch.ones(4, 1, 32, 32))["mse"] > 0


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
    assert {"g", "g_new", "real", "fake"} <= log[-1].keys()


def test_a_sheet_of_samples_takes_no_random_number_of_the_training():
    run, photos = trainer(), faces()
    before = run.rng.get_state()
    sheet = SampleSheet(photos, columns=5).draw(run)
    assert sheet.shape == (3 * 32, 5 * 32, 3) and sheet.dtype == np.uint8
    assert torch.equal(run.rng.get_state(), before)
    shown = {part.tobytes() for part in np.split(sheet[:32], 5, 1)}
    assert shown == {
        photos.pixels[i].tobytes() for i in np.random.default_rng(0).permutation(np.arange(0, 24, 4))[:5]
    }


def test_drawn_codes_have_the_mean_and_covariance_of_the_bank():
    """A coordinate's mean of n draws misses by sd / sqrt(n), a variance by sd^2 sqrt(2 / n); eight standard
    errors.
    """
    run, n = trainer(), 20_000
    codes = torch.randn(200, 28, 8, generator=torch.Generator().manual_seed(0))
    codes[:, 1] = codes[:, 0] + 3  # two codes that are always alike
    run._remember(codes)
    drawn = run.sample_codes(n, rng=torch.Generator().manual_seed(1))
    spread = codes.std(0, correction=0)
    assert ((drawn.mean(0) - codes.mean(0)).abs() < 8 * spread / n**0.5).all()
    assert ((drawn.var(0) / spread.square() - 1).abs() < 8 * (2 / n) ** 0.5).all()
    torch.testing.assert_close(drawn[:, 1] - 3, drawn[:, 0], atol=1e-4, rtol=0)


def test_the_bank_keeps_the_newest_codes():
    run = trainer()
    for value in range(5):
        run._remember(torch.full((500, 28, 8), float(value)))
    assert run.banked == 2500
    assert run.bank.unique().tolist() == [2.0, 3.0, 4.0] and (run.bank == 4).float().mean() == 500 / 1024


def test_new_codes_are_drawn_mixed_and_exchanged():
    """Drawn codes are nobody's; of the rest, whole parts are one person's own, or drawn, or of one other
    person.
    """
    run = trainer()
    codes = torch.randn(32, 28, 8, generator=torch.Generator().manual_seed(0))
    run._remember(codes)
    drawn, some, exchanged = run._new_codes(codes).split([8, 4, 4])
    same = lambda a, b: (a == b).all(-1)  # noqa: E731
    assert not any(same(row, other).any() for row in drawn for other in codes)
    own = same(some, codes[:4])
    assert 0.2 < own.float().mean() < 0.9 and not any(
        same(row, other)[~kept].any() for row, kept in zip(some, own, strict=True) for other in codes
    )
    assert (own[:, 2::2] == own[:, 3::2]).all() and (own[:, 0] == own[:, 1]).all()
    assert (same(exchanged, codes[4:8]) | same(exchanged, codes[8:12])).all() and not same(
        exchanged, codes[4:8]
    ).all()


def test_features_are_judged_beside_patches(monkeypatch: pytest.MonkeyPatch):
    """With nothing else in the loss, new faces get a gradient through the frozen trunk, and the judges of
    features learn.
    """
    trunk = torch.nn.Conv2d(3, 5, 3, padding=1).requires_grad_(False)
    judge = FeatureDiscriminator(lambda images: [trunk(images)], [5], width=4)
    monkeypatch.setattr(training, "feature_discriminator", lambda device: judge)
    none = {
        "mse": 0.0,
        "mae": 0.0,
        "perceptual": 0.0,
        "labels": 0.0,
        "mask_consistency": 0.0,
        "adversarial": 0.0,
    }
    run = trainer(settings=replace(SETTINGS, steps=1, adversarial_from=0, features=1.0, **none))  # type: ignore[arg-type]
    faces_made, judging = run.generator.parameters(), judge.judges.parameters()
    before = [p.clone() for p in faces_made], [p.clone() for p in judging], judge.mixing[0].weight.clone()
    run.run(report=lambda *_: None)
    assert any(not torch.equal(a, b) for a, b in zip(before[0], run.generator.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(before[1], judge.judges.parameters(), strict=True))
    assert torch.equal(judge.mixing[0].weight, before[2])
