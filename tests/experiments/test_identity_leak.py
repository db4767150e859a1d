# SPDX-License-Identifier: Apache-2.0
"""The leak of identity-dp: attackers find who is in clear, and nobody who is not there."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from experiments import revisions
from torch import Tensor

from semveil.attacks.networks import NetworkSettings
from semveil.core.progress import quiet
from semveil.core.results import write_result
from semveil.data.face_set import FaceSet
from semveil.experiments.identity_dp.leak import LEAK, LeakBench, LeakPreset, _run
from semveil.experiments.identity_dp.leak_attacks import (
    added_up,
    fused_anew,
    nearest,
    recognised,
    together,
    undone,
)
from semveil.experiments.identity_dp.leak_faces import leak_faces
from semveil.experiments.identity_dp.leak_figure import leak_tables
from semveil.experiments.kit.keeping import at_once
from semveil.experiments.kit.photo_sets import DataMissing
from semveil.experiments.kit.reproduce import draw, reproduce
from semveil.models.identity import IdentityModel
from semveil.recognition.verifier import BundledVerifier

PARTS = {"gallery_photos": 2, "strangers": 30, "public": 36, "named_people": 4, "named_photos": 4}
PRESET = LeakPreset("test", **PARTS, epsilon=0.1, sides=(2,), attribute_epsilon=None)


class Looker(BundledVerifier):
    """Takes the picture for the person."""

    name = "looker"

    def __init__(self) -> None:
        self.threshold = 0.5

    def embed(self, images: Tensor) -> Tensor:
        return F.normalize(images.flatten(1), dim=1)


def example() -> IdentityModel:
    """The example model at 16 px, where SSIM can be told."""

    def identify(images: Tensor) -> Tensor:
        return F.normalize(F.avg_pool2d(images.mean(1), 8).flatten(1) + 1e-3, dim=1)

    def fuse(identity: Tensor, attributes: Sequence[Tensor]) -> Tensor:
        return (
            0.5 * attributes[0] + 0.5 * F.interpolate(identity.unflatten(1, (1, 2, 2)), scale_factor=8)
        ).clamp(-1, 1)

    return replace(IdentityModel.example(), size=16, identify=identify, fuse=fuse)


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    """60 people of 4 photos, 4 x 4 colours, that differ little within a person; every third person is held
    out.
    """
    rng = np.random.default_rng(0)
    people = rng.uniform(20, 235, (60, 1, 4, 4, 3))
    pixels = (people + rng.uniform(-12, 12, (60, 4, 4, 4, 3))).round().astype(np.uint8).reshape(240, 4, 4, 3)
    pixels = pixels.repeat(4, 1).repeat(4, 2)
    names = np.repeat([f"p{i}" for i in range(60)], 4)
    source = np.array([f"lfw/{name}/{name}_{k:04d}.jpg" for k, name in enumerate(names)])
    plane = np.zeros((240, 16, 16), np.uint8)
    return FaceSet(
        pixels,
        plane,
        plane,
        source,
        names,
        np.where(np.repeat(np.arange(60) % 3 == 0, 4), "test", "training"),
    )


@pytest.fixture(scope="module")
def result(faces: FaceSet) -> dict:
    photos = leak_faces(faces, PRESET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "semveil.experiments.identity_dp.leak_attacks.NETWORK", NetworkSettings(hidden=(8,), steps=2)
        )
        measured = _run(
            LeakBench(PRESET, example(), photos, {"looker": Looker()}, {}), Path(), quiet, at_once
        )
    config = {
        "preset": {"epsilon": 6.0},
        "model": {"name": "example", "digest": "0" * 64},
        "photos": {name: len(part) for name, part in vars(photos).items()},
        "people": {name: len(set(part.names)) for name, part in vars(photos).items()},
    }
    return {"experiment": LEAK.name, "revision": LEAK.measurement.revision, "config": config, **measured}


def test_numbers_are_those_of_the_revision(result: dict) -> None:
    revisions.check(result)


def found(result: dict, variant: str, attack: str, signal: str) -> float:
    rows = result["variants"][variant]["attacks"]
    return next(row["rank-1"]["value"] for row in rows if (row["attack"], row["signal"]) == (attack, signal))


def test_photos_have_their_parts_to_play(faces: FaceSet) -> None:
    chosen = leak_faces(faces, PRESET)
    assert [len(part) for part in vars(chosen).values()] == [20, 40, 30, 36, 16]
    assert set(chosen.probes.names) == set(chosen.gallery.names)
    assert not set(chosen.probes.names) & {*chosen.strangers.names, *chosen.named.names}
    assert not set(chosen.named.names) & set(chosen.strangers.names)
    probes = {image.numpy().tobytes() for image in chosen.probes.images}
    assert not probes & {image.numpy().tobytes() for image in chosen.gallery.images}
    with pytest.raises(DataMissing, match=r"4 training people with 9 photos \(0 found\)"):
        leak_faces(faces, replace(PRESET, named_photos=9))


def test_who_passes_in_clear_is_found_and_who_is_not_there_is_not(result: dict) -> None:
    for attack, signal in (
        ("recogniser", "looker"),
        ("same photo", "pixels"),
        ("learnt to undo", "looker, linear"),
        ("learnt the people", "pixels, linear"),
    ):
        assert found(result, "unprotected", attack, signal) > 0.8, attack
        # The example model mixes half of the picture into what it makes: a leak by design.
        assert found(result, "identity-dp", attack, signal) > 0.5, attack
    assert found(result, "another's attributes", "recogniser", "looker") < 0.3  # guessing: 0.05
    assert found(result, "another's attributes", "same photo", "pixels") < 0.3
    assert found(result, "unprotected", "learnt permuted names", "everything, linear") < 0.7  # guessing: 0.25
    assert result["variants"]["unprotected"]["of_a_release"] is None
    assert result["variants"]["identity-dp"]["of_a_release"]["epsilon"] == pytest.approx(0.1)


def test_the_probe_reads_attributes_and_a_bottleneck_costs_likeness(result: dict) -> None:
    whole, coarse = result["attribute_probe"]
    assert whole["attribute_side"] == 16 and coarse["attribute_side"] == 2
    assert whole["cosine_with_the_identity"] > 0.5
    # here the identity is a function of 2 x 2 px, with less beside it
    assert coarse["cosine_with_the_identity"] > 0.8
    assert result["variants"]["attributes of 2 px"]["ssim"] < result["variants"]["identity-dp"]["ssim"]


def test_figure_and_tables_show_every_attacker(result: dict, tmp_path: Path) -> None:
    write_result(tmp_path / "leak.json", result)
    assert draw(tmp_path / "leak.json", "identity-dp/leak").stat().st_size > 5000
    text = "\n\n".join(leak_tables(json.loads((tmp_path / "leak.json").read_text())))
    for word in (
        "another person's attributes",
        "parrot recognition",
        "all signals, network",
        "cosine with the identity",
        "16 px",
    ):
        assert word in text


def test_without_data_it_says_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "semveil.experiments.identity_dp.leak.load_identity_model", lambda name: IdentityModel.example()
    )
    with pytest.raises(DataMissing, match="pass a face set or a folder with lfw as --data"):
        reproduce("identity-dp/leak", "small", tmp_path)


def test_what_protection_does_is_learnt_and_undone() -> None:
    rng = torch.Generator().manual_seed(0)
    secret = torch.randn(300, 6, generator=rng)
    turn = torch.linalg.qr(torch.randn(6, 6, generator=rng)).Q
    seen = secret @ turn + 0.05 * torch.randn(300, 6, generator=rng)
    people = [str(i) for i in range(100)]
    asked = seen[200:]
    assert nearest(asked, secret[200:], people, people).found[1].value < 0.1
    estimate = undone(seen[:200], secret[:200], asked)
    assert nearest(estimate, secret[200:], people, people).found[1].value > 0.9
    network = undone(seen[:200], secret[:200], asked, rng=rng)
    assert nearest(network, secret[200:], people, people).found[1].value > 0.8
    noise = torch.randn(200, 6, generator=rng)
    assert nearest(undone(noise, secret[:200], asked), secret[200:], people, people).found[1].value < 0.1


def test_people_are_learnt_and_signals_join() -> None:
    rng = torch.Generator().manual_seed(1)
    centres = torch.randn(5, 8, generator=rng)
    labels = [str(i) for i in range(5) for _ in range(10)]
    train, test = (
        centres.repeat_interleave(10, 0) + 0.2 * torch.randn(50, 8, generator=rng) for _ in range(2)
    )
    assert recognised(train, labels, test, labels).found[1].value > 0.9
    a, b = together({"x": train, "y": 100 * train[:, :2]}, {"x": test, "y": 100 * test[:, :2]})
    assert a.shape == (50, 10) and b.shape == (50, 10)
    # both signals weigh the same
    assert torch.allclose(a.square().sum(1).mean(), torch.tensor(2.0), atol=1e-4)
    assert recognised(a, labels, b, labels).found[1].value > 0.9


def test_fusing_attributes_anew_takes_the_noise_of_the_identity_away(result: dict) -> None:
    """The example model mixes attributes and identity half and half: the mean over identities leaves the
    attributes.
    """
    rng = torch.Generator().manual_seed(2)
    colours = torch.rand(12, 3, 4, 4, generator=rng) * 1.2 - 0.6
    photos = F.interpolate(colours, scale_factor=4)
    model = example()

    def released(seed: int) -> Tensor:
        drawn = F.normalize(torch.randn(12, 4, generator=torch.Generator().manual_seed(seed)), dim=1)
        return model.fuse(drawn, model.attributes(photos))

    def spread(read: Callable[[Tensor], Tensor]) -> float:
        """How far two releases of one photo lie apart, over how far two photos do."""
        one, two = read(released(3)), read(released(4))
        return float((one - two).norm(dim=1).mean() / (one - one.roll(1, 0)).norm(dim=1).mean())

    anew = partial(fused_anew, model, signal=Looker().embed, draws=64)
    assert spread(lambda pictures: anew(pictures, rng=torch.Generator().manual_seed(5))) < spread(
        Looker().embed
    )
    for variant in ("unprotected", "identity-dp"):
        for attack, signal in (
            ("fused anew", "looker"),
            ("fused anew", "looker, the gallery too"),
            ("sum of scores", "looker"),
        ):
            assert found(result, variant, attack, signal) > 0.5
    for attack in ("fused anew", "sum of scores"):
        assert found(result, "another's attributes", attack, "looker") < 0.3, (
            "the control: nothing of the person is in there"
        )


def test_scores_weigh_the_same_whatever_their_scale() -> None:
    rng = torch.Generator().manual_seed(6)
    a, b = torch.randn(2, 5, 7, generator=rng)
    assert torch.allclose(added_up(a, b), added_up(1000 * a + 5, b), atol=1e-5)
    assert torch.allclose(added_up(a), (a - a.mean()) / a.std())


def test_tables_show_rank_ten_of_those_who_learn_nothing(result: dict) -> None:
    text = "\n\n".join(leak_tables(json.loads(json.dumps(result))))
    assert "Rank-10" in text and text.count("| score fusion | looker |") == 2
    old = json.loads(json.dumps(result))
    for variant in old["variants"].values():
        for row in variant["attacks"]:
            row.pop("rank-10", None)
    assert "not measured" in "".join(leak_tables(old)), "results of before have no rank 10"
