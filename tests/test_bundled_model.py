# SPDX-License-Identifier: Apache-2.0
"""The model that ships: complete, small enough, and really a model of faces."""

import json
from pathlib import Path

import pytest
import torch

from semveil.core.model_folders import bundled_folder
from semveil.faces.parts import PARTS
from semveil.faces.pixels import to_tensor
from semveil.methods.dp_semcom import PAPER_EPSILONS, DPSemCom
from semveil.metrics import face_detected, psnr
from semveil.models.face import load_model

# bytes of weights
BUDGETS = {"face-parser": 3e6, "faces-128": 32e6, "identity-128": 21e6, "noise-image-32": 10e6}


@pytest.fixture(scope="module")
def model():
    return load_model("faces-128")


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    """scikit-image's astronaut, a photo that no training saw, aligned at 128 px."""
    from PIL import Image
    from skimage.data import astronaut

    from semveil.data.faces import load_aligned_faces

    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(astronaut()).save(path)
    return to_tensor([face.aligned.pixels for face in load_aligned_faces(path, size=128)])


@pytest.fixture(scope="module")
def codes(model, portrait):
    return DPSemCom(model, protection="none").invert(portrait).codes


def test_every_model_is_within_its_budget():
    assert {folder.name for folder in bundled_folder().iterdir()} == set(BUDGETS)
    for name, budget in BUDGETS.items():
        files = [path for path in (bundled_folder() / name).rglob("*") if path.is_file()]
        assert 0 < sum(path.stat().st_size for path in files) < budget


def test_it_is_complete(model):
    for epsilon in PAPER_EPSILONS:
        pair = DPSemCom(model, epsilon=epsilon).pair
        assert (
            pair is not None and pair.settings.epsilon == epsilon and "synthetic" in pair.settings.trained_on
        )


def test_its_card_gives_the_figures_that_were_measured():
    card = (Path(__file__).parents[1] / "docs" / "model-card.md").read_text()
    figures = json.loads((Path(__file__).parents[1] / "results" / "faces-128" / "figures.json").read_text())
    for kind in ("encoder_only", "inversion"):
        assert f"{figures[kind]['psnr']:.1f} dB" in card
    for kind, share in figures["face_detected"].items():
        assert kind == "mapping_samples" or f"{share:.1%}".replace("%", " %") in card


def test_an_unseen_photo_is_inverted(model, portrait, codes):
    inverted = model.generator.synthesize(codes)
    assert psnr(inverted.clamp(-1, 1), portrait).item() > 20
    mean_face = model.generator.synthesize(model.prior.mean[None])
    assert psnr(mean_face.clamp(-1, 1), portrait).item() < 15  # what no inversion at all would give


def test_random_faces_are_faces(model):
    """Of the prior, and of codes that a wrong key reads; the control: the same pixels in another order."""
    rng = torch.Generator().manual_seed(0)
    protector = DPSemCom(model, protection="rotation").protector
    drawn = model.public_latents(40, rng=rng)
    for codes in (drawn, model.box.clip(protector.interpret(protector.protect(drawn).block))):
        assert face_detected(model.generator.synthesize(codes).clamp(-1, 1)).float().mean() > 0.9
    faces = model.generator.synthesize(drawn).clamp(-1, 1).flatten(2)
    mixed = faces[:, :, torch.randperm(faces.shape[2], generator=rng)].unflatten(2, (model.size, model.size))
    assert face_detected(mixed).float().mean() < 0.1


def test_codes_belong_to_their_parts(model, codes):
    """Changing the hair's texture moves pixels that are hair more than those of skin, and the other way
    round.
    """
    base = model.generator.synthesize_with_masks(codes)
    labels = base.masks.argmax(1)
    moved = {}
    for part in ("hair", "skin"):
        changed = codes.clone()
        texture = 3 + 2 * PARTS.index(part)
        changed[:, texture] = model.prior.mean[texture] + 3 * (model.prior.mean[texture] - codes[:, texture])
        difference = (model.generator.synthesize(changed) - base.images).abs().mean(1)
        moved[part] = {
            where: float(difference[labels == PARTS.index(where)].mean()) for where in ("hair", "skin")
        }
    assert moved["hair"]["hair"] > 2 * moved["hair"]["skin"]
    assert moved["skin"]["skin"] > 1.5 * moved["skin"]["hair"]


def test_bob_sees_more_than_eve(model, portrait, codes):
    result = DPSemCom(model, epsilon=800).transmit(portrait, codes=codes, run=0)
    bob, eve = (
        psnr(images.clamp(-1, 1), result.inverted.clamp(-1, 1)).item() for images in (result.bob, result.eve)
    )
    assert bob > eve + 3
