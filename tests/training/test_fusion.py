# SPDX-License-Identifier: Apache-2.0
"""Training of the fusion: it learns, it resumes exactly, it uses no held-out photo, own identities alone are
reconstructed.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from semveil.data.face_set import FaceSet
from semveil.generators.discriminators import FeatureDiscriminator
from semveil.metrics import ssim
from semveil.recognition.identity_encoder import IdentityEncoder, IdentityEncoderConfig
from semveil.training import fusion_discriminators
from semveil.training.fusion import FusionTrainer, _similarity
from semveil.training.fusion_losses import identity_losses
from semveil.training.fusion_settings import PAPERS_LOSSES, FusionTraining

SIZES = IdentityEncoderConfig(
    size=32, top=8, left=8, side=16, widths=(4, 4, 4, 4), blocks=(1, 1, 1), dimensions=6
)
TINY: dict[str, Any] = {
    "attribute_widths": (8, 8),
    "attribute_finest": "bilinear",
    "fusion_widths": (8, 8, 8),
    "discriminator_width": 2,
}
SETTINGS = FusionTraining(
    steps=40, batch=8, rate=2e-3, parsing_loss=0.0, feature_loss=0.0, sharp_share=0.0, **TINY
)


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


def frozen(build: Callable[[], nn.Module], seed: int) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().eval().requires_grad_(False)


def trainer(seed: int = 0, settings: FusionTraining = SETTINGS, **more: Any) -> FusionTrainer:
    identity = frozen(lambda: IdentityEncoder(SIZES), 0)
    return FusionTrainer(
        faces(), settings, identity=identity, rng=torch.Generator().manual_seed(seed), **more
    )


def only(**weights: Any) -> FusionTraining:
    """Settings in which nothing counts but what is named."""
    none = {field.name: 0.0 for field in fields(FusionTraining) if field.name.endswith("_loss")}
    return replace(SETTINGS, **(none | {"adversarial": 0.0} | weights))


def log_of(run: FusionTrainer) -> dict[str, np.ndarray]:
    log: list[dict[str, float]] = []
    run.run(report=lambda step, losses: log.append(losses))
    return {name: np.array([row[name] for row in log]) for name in log[0]}


def fell(losses: np.ndarray) -> float:
    """What the last steps are of the first."""
    return float(losses[-8:].mean() / losses[:8].mean())


def test_it_learns_to_reconstruct():
    log: list[dict[str, float]] = []
    trainer(settings=replace(SETTINGS, steps=30)).run(report=lambda step, losses: log.append(losses))
    assert len(log) == 30
    for name in ("reconstruction", "context", "attributes"):
        assert np.mean([row[name] for row in log[-10:]]) < 0.8 * np.mean([row[name] for row in log[:10]]), (
            name
        )
    assert all(np.isfinite(list(row.values())).all() for row in log)


def test_held_out_photos_are_left_out():
    assert len(trainer().photos) == 18


def test_a_batch_has_own_random_and_foreign_identities():
    run = trainer(settings=replace(SETTINGS, batch=16, same_share=0.25, random_share=0.25))
    rows = torch.arange(16)
    asked = run._identities(rows, torch.zeros(16, dtype=torch.bool))
    torch.testing.assert_close(asked.vectors.norm(dim=1), torch.ones(16))
    assert asked.same.tolist() == [True] * 4 + [False] * 12
    assert torch.equal(asked.vectors[:4], run.vectors[0, :4])
    of_a_photo = (asked.vectors[:, None] == run.vectors[0]).all(2).any(1)
    assert of_a_photo.tolist() == asked.known.tolist() == [True] * 4 + [False] * 4 + [True] * 8
    assert torch.equal(asked.vectors[asked.known], run.vectors[0, asked.rows[asked.known]])


def test_pixels_count_where_they_should():
    run = trainer()
    photos = torch.zeros(2, 3, 8, 8)
    images = torch.zeros(2, 3, 8, 8)
    # wrong in the first row, which is face; in the second, which is not, by 2; the third is filled in
    images[:, :, 0] = 1
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
    straight, first, second = (
        trainer(settings=settings),
        trainer(settings=settings),
        trainer(seed=99, settings=settings),
    )
    straight.run(report=lambda *_: None)

    def stop(step: int, losses: dict[str, float]) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(report=stop)
    first.save(tmp_path / "state.pt")
    second.load_state(torch.load(tmp_path / "state.pt"))
    second.run(report=lambda *_: None)
    for a, b in zip(
        straight.averages.state_dict().values(), second.averages.state_dict().values(), strict=True
    ):
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
    photos = F.interpolate(
        torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1, scale_factor=4
    )
    images = (photos + 0.2 * torch.randn(photos.shape, generator=torch.Generator().manual_seed(1))).clamp(
        -1, 1
    )
    # what is measured is rounded
    images, photos = ((x * 127.5 + 127.5).round() / 127.5 - 1 for x in (images, photos))
    found = _similarity(images, photos)
    assert found.shape == (2, 1, 32, 32)
    torch.testing.assert_close(
        found[..., 5:-5, 5:-5].mean((1, 2, 3)), ssim(images, photos), atol=1e-5, rtol=0
    )


def test_finished_networks_show_less_of_an_identity():
    run = trainer(settings=replace(SETTINGS, strength=0.5))
    as_trained = trainer(settings=replace(SETTINGS, strength=1.0))
    (encoder, weaker), (_, fusion) = run.finished(photos=8), as_trained.finished(photos=8)
    levels = encoder(torch.zeros(1, 3, 32, 32))
    torch.testing.assert_close(
        weaker(torch.ones(1, 6) / 6**0.5, levels), fusion(0.5 * torch.ones(1, 6) / 6**0.5, levels)
    )


OTHER = replace(SIZES, top=4, left=4, side=24, dimensions=10)


def test_new_faces_learn_to_show_who_was_asked_for():
    swaps = {"same_share": 0.0, "random_share": 0.0, "varied": False, "steps": 24, "rate": 5e-3}
    asked = log_of(trainer(settings=only(identity_loss=5.0, **swaps)))
    # own identities alone are reconstructed
    nothing = log_of(trainer(settings=only(reconstruction_loss=1.0, **swaps)))
    assert fell(asked["identity"]) < 0.9 < fell(nothing["identity"])


def test_a_second_encoder_is_satisfied_too():
    second = frozen(lambda: IdentityEncoder(OTHER), 1)
    swaps: dict[str, Any] = {
        "same_share": 0.25,
        "random_share": 0.25,
        "varied": False,
        "identity_enough": 1.0,
    }
    swaps |= {"steps": 24, "rate": 5e-3, "identity_loss": 5.0}
    with_second = log_of(trainer(settings=only(second_loss=1.0, **swaps), second=second))
    assert fell(with_second["second identity"]) < 0.95
    without = trainer(settings=only(**swaps | {"steps": 1}), second=second)
    assert without.second is None and "second identity" not in log_of(without)


def test_to_the_second_encoder_a_random_identity_is_a_stranger():
    run = trainer(
        settings=replace(SETTINGS, same_share=0.0, random_share=1.0, varied=False),
        second=frozen(lambda: IdentityEncoder(OTHER), 1),
    )
    rows, mirrored = torch.arange(8), torch.zeros(8, dtype=torch.bool)
    asked = run._identities(rows, mirrored)
    images = torch.zeros(8, 3, 32, 32)
    losses = run._identity_losses(images, asked, rows, mirrored)
    assert not asked.known.any() and losses["second identity"] == 0
    # the photo's own person
    shown = run._identity_losses(run.photos[rows].float() / 127.5 - 1, asked, rows, mirrored)
    assert shown["second leak"] > 0.98  # bf16


def test_the_second_encoder_knows_own_photos_mirrored_and_others_as_they_are():
    run = trainer(
        settings=replace(SETTINGS, random_share=0.0, varied=False),
        second=frozen(lambda: IdentityEncoder(OTHER), 1),
    )
    rows, mirrored = torch.arange(8), torch.ones(8, dtype=torch.bool)
    asked = run._identities(rows, mirrored)
    assert asked.mirrored.tolist() == asked.same.tolist() and asked.rows[asked.same].tolist() == [0, 1]
    shown = torch.where(
        asked.mirrored.view(-1, 1, 1, 1), run.photos[asked.rows].flip(-1), run.photos[asked.rows]
    )
    # faces that show who was asked for
    losses = run._identity_losses(shown.float() / 127.5 - 1, asked, rows, mirrored)
    assert losses["second identity"].item() < 0.02 and losses["second leak"].item() < 0.02  # bf16


def test_new_faces_keep_the_photos_parts_under_the_parsing_loss():
    parser = frozen(lambda: nn.Conv2d(3, 13, 1), 2)  # to it, a part is a colour
    log = log_of(trainer(settings=only(parsing_loss=1.0, steps=16, rate=5e-3), parser=parser))
    assert log["parsing"][-1] < 0.95 * log["parsing"][0]
    assert (log_of(trainer(settings=only(steps=1), parser=parser))["parsing"] == 0).all()


def test_components_are_judged_in_their_crops_alone():
    run = trainer(settings=only(component_loss=1.0))
    images = torch.zeros(2, 3, 32, 32, requires_grad=True)
    run.discriminators.fooled(images)["components"].backward()
    assert images.grad is not None
    touched = (images.grad != 0).any(0).any(0)
    assert touched[12:18, 10:22].any() and touched[22:26, 12:20].any()
    assert not touched[:9].any() and not touched[:, :6].any() and not touched[29:].any()
    before = [weight.clone() for weight in run.discriminators.components.parameters()]
    log_of(trainer(settings=replace(run.settings, steps=1)))
    run._train_step()
    assert any(
        not torch.equal(a, b) for a, b in zip(before, run.discriminators.components.parameters(), strict=True)
    )


def test_the_papers_preset_has_its_losses_and_nothing_else():
    run = trainer(settings=replace(PAPERS_LOSSES, steps=3, batch=8, **TINY))
    assert run.parser is None and run.second is None
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(run._varied(images), images)
    total = []
    step = run._step

    def kept(name: str, loss: torch.Tensor) -> None:
        if name == "generator":
            total.append(loss.item())
        step(name, loss)

    run._step = kept  # type: ignore[method-assign]
    losses = run._train_step()
    expected = (
        losses["adversarial"]
        + 10 * losses["attributes"]
        + 5 * losses["identity"]
        + 10 * losses["reconstruction"]
    )
    assert total == [pytest.approx(expected, rel=1e-5)]  # [IDP] Eq. 18
    log_of(run)
    assert (
        run.optimisers["generator"].param_groups[0]["lr"]
        == run.optimisers["discriminator"].param_groups[0]["lr"]
        == 4e-4
    )
    for averaged, weight in zip(run.averages["fusion"].parameters(), run.fusion.parameters(), strict=True):
        torch.testing.assert_close(averaged, weight)  # the last weights are shipped


def test_sums_are_means_times_what_they_are_summed_over():
    photos, images = torch.zeros(2, 3, 32, 32), torch.ones(2, 3, 32, 32)
    where, own = torch.ones(2, 1, 32, 32), torch.tensor([True, True])
    means, sums = (
        trainer(settings=replace(PAPERS_LOSSES, sums=sums, **TINY))._pixel_losses(
            images, photos, where, where, own
        )
        for sums in (False, True)
    )
    assert means["reconstruction"].item() == 0.5 and sums["reconstruction"].item() == 0.5 * 3 * 32 * 32


def test_a_face_that_is_recognised_enough_is_not_pushed_on():
    asked, own = torch.eye(4)[:1], torch.eye(4)[1:2]
    looks = F.normalize(torch.tensor([[0.8, 0.0, 0.6, 0.0]]), dim=1).requires_grad_()
    swapped = torch.tensor([True])
    identity_losses(looks, asked, own, swapped, enough=0.7)[0].backward()
    assert looks.grad is not None
    assert not looks.grad.any()
    loss = identity_losses(looks, asked, own, swapped, enough=0.9)[0]
    assert loss.item() == pytest.approx(0.1, abs=1e-6)


def test_sharp_photos_are_drawn_more_often():
    dull = faces()
    pixels = dull.pixels.copy()
    sharp = 1 + 4 * np.arange(2)  # two of the 18 training photos, so a tenth
    pixels[sharp] = np.random.default_rng(1).integers(0, 255, pixels[sharp].shape)
    identity = frozen(lambda: IdentityEncoder(SIZES), 0)
    settings = replace(SETTINGS, steps=1, batch=64, sharp_share=0.5)
    run = FusionTrainer(
        replace(dull, pixels=pixels), settings, identity=identity, rng=torch.Generator().manual_seed(0)
    )
    assert run.sharp is not None
    kept = np.flatnonzero(~dull.held_out)
    assert set(kept[run.sharp.numpy()]) <= set(sharp)
    seen: list[torch.Tensor] = []
    photos = run._photos
    run._photos = lambda rows, mirrored: (seen.append(rows), photos(rows, mirrored))[1]  # type: ignore[method-assign]
    run.run(report=lambda *_: None)
    share = torch.isin(seen[0], run.sharp).float().mean().item()
    assert 0.3 < share < 0.75  # 0.5 and a little more, of 64


def test_it_starts_from_trained_networks():
    first, second = (
        trainer(settings=replace(SETTINGS, steps=2)),
        trainer(seed=5, settings=replace(SETTINGS, steps=0)),
    )
    first.run(report=lambda *_: None)
    second.start_from(first.averages["attributes"], first.averages["fusion"])  # type: ignore[arg-type]
    for a, b in zip(first.averages.parameters(), second.averages.parameters(), strict=True):
        assert torch.equal(a, b)
    for name in ("attributes", "fusion"):
        for a, b in zip(first.averages[name].parameters(), getattr(second, name).parameters(), strict=True):
            assert torch.equal(a, b)


def test_hinge_losses_rise_over_the_ramp():
    """At step 0 nothing of them counts: the networks that make faces stay as they are, the discriminators
    learn.
    """
    alone = replace(only(adversarial=1.0, component_loss=1.0), steps=1)
    for ramp, moves in ((10, False), (0, True)):
        run = trainer(settings=replace(alone, adversarial_ramp=ramp))
        before = (
            [p.clone() for p in run.fusion.parameters()],
            [p.clone() for p in run.discriminators.parameters()],
        )
        run.run(report=lambda *_: None)
        changed = [
            any(not torch.equal(a, b) for a, b in zip(old, network.parameters(), strict=True))
            for old, network in zip(before, (run.fusion, run.discriminators), strict=True)
        ]
        assert changed == [moves, True]


def test_features_are_judged(monkeypatch: pytest.MonkeyPatch):
    """The fixed mixing stays; the judges learn; the new faces get a gradient through the frozen trunk."""
    conv = frozen(lambda: nn.Conv2d(3, 5, 3, padding=1), 1)
    monkeypatch.setattr(
        fusion_discriminators,
        "feature_discriminator",
        lambda device: FeatureDiscriminator(lambda x: [conv(x)], [5], width=4),
    )
    run = trainer(settings=replace(only(feature_loss=1.0), steps=3))
    features = run.discriminators.features
    assert features is not None
    mixing, judges = features.mixing[0].weight.clone(), [p.clone() for p in features.judges.parameters()]
    before = [p.clone() for p in run.fusion.parameters()]
    run.run(report=lambda *_: None)
    assert torch.equal(features.mixing[0].weight, mixing)
    assert any(not torch.equal(a, b) for a, b in zip(judges, features.judges.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(before, run.fusion.parameters(), strict=True))
