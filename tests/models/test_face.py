# SPDX-License-Identifier: Apache-2.0
"""Model folders: written whole, read strictly."""

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.model_folders import OFFICIAL_MODEL
from semveil.core.weights import WeightsMissing
from semveil.models.face import load_model, model_folders
from semveil.models.prior import LatentPrior


@pytest.fixture
def folder(tiny_model_folder, tmp_path):
    load_model.cache_clear()
    return shutil.copytree(tiny_model_folder, tmp_path / "copy-32")


def test_a_saved_model_computes_what_it_did(folder, tiny_model_folder):
    a, b = load_model(str(folder)), load_model(str(tiny_model_folder))
    codes = torch.randn(2, *a.latent_shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(a.generator.synthesize(codes), b.generator.synthesize(codes))
    assert a.digest == b.digest and a.name == "copy-32" and a.size == 32
    assert not any(p.requires_grad for p in a.generator.parameters()) and not a.generator.training


def test_the_digest_depends_on_weights_and_bounds(folder):
    before = load_model(str(folder)).digest
    card = json.loads((folder / "model.json").read_text())
    card["clip_box"]["upper"] = 3.0
    (folder / "model.json").write_text(json.dumps(card))
    load_model.cache_clear()
    moved = load_model(str(folder)).digest
    state = load_file(folder / "encoder.safetensors")
    state["to_codes.bias"][0] += 1
    save_file(state, folder / "encoder.safetensors")
    load_model.cache_clear()
    assert len({before, moved, load_model(str(folder)).digest}) == 3


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(folder, value):
    state = load_file(folder / "generator.safetensors")
    state["position_weight"][0, 0] = value
    save_file(state, folder / "generator.safetensors")
    with pytest.raises(BadCheckpoint, match="position_weight"):
        load_model(str(folder))


def test_a_pickle_in_place_of_weights_is_not_run(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (folder / "generator.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(BadCheckpoint):
        load_model(str(folder))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("damage", ["{", "{}", '{"generator": {"sizes": 3}}'])
def test_a_damaged_description_is_named(folder, damage):
    (folder / "model.json").write_text(damage)
    with pytest.raises(BadCheckpoint, match="does not describe a model"):
        load_model(str(folder))


def test_unknown_names_get_a_suggestion_and_official_weights_a_way():
    load_model.cache_clear()
    with pytest.raises(ValueError, match=f"did you mean '{OFFICIAL_MODEL}'"):
        load_model("celebamask-hq-51")


def test_official_weights_say_how_to_get_them(tmp_path, monkeypatch):
    load_model.cache_clear()
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    with pytest.raises(WeightsMissing, match="semveil models get"):
        load_model(OFFICIAL_MODEL)


def test_models_below_the_home_folder_are_found(tiny_model_folder, tmp_path, monkeypatch):
    load_model.cache_clear()
    shutil.copytree(tiny_model_folder, tmp_path / "models" / "mine")
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    assert model_folders()["mine"] == tmp_path / "models" / "mine"
    assert load_model("mine").name == "mine"


def test_the_prior_has_the_moments_it_was_fitted_to():
    """Full-rank fit: mean and covariance of the samples agree within five standard errors."""
    rng = torch.Generator().manual_seed(1)
    mix = torch.randn(12, 12, generator=rng)
    latents = (torch.randn(4000, 12, generator=rng) @ mix + 2).view(-1, 3, 4)
    sample = LatentPrior.fit(latents, rank=12).sample(20_000, rng=rng).flatten(1)
    data = latents.flatten(1)
    scale = data.std(0)
    assert ((sample.mean(0) - data.mean(0)).abs() < 5 * scale / 20_000**0.5).all()
    error = (sample.T.cov() - data.T.cov()) / torch.outer(scale, scale)
    assert error.abs().max() < 5 * (2 / 20_000) ** 0.5
    low = LatentPrior.fit(latents, rank=2).sample(20_000, rng=rng).flatten(1)
    # the residual keeps each variance
    assert ((low.var(0) / data.var(0) - 1).abs() < 5 * (2 / 20_000) ** 0.5).all()
    # but not the covariances
    assert ((low.T.cov() - data.T.cov()) / torch.outer(scale, scale)).abs().max() > 0.1


def test_a_measured_box_holds_what_the_model_makes_and_nothing_of_photos(tiny_model_folder) -> None:
    guessed = load_model(str(tiny_model_folder))
    measured = guessed.with_measured_box()
    drawn = guessed._synthetic_latents(1000, torch.Generator().manual_seed(9))
    inside = ((drawn >= measured.box.lower) & (drawn <= measured.box.upper)).float().mean()
    assert abs(float(inside) - 0.99) < 0.002 and "1000 synthetic latents" in measured.box.source
    again = guessed.with_measured_box()
    assert (again.box.lower, again.box.upper) == (measured.box.lower, measured.box.upper)
    assert again.digest == measured.digest != guessed.digest, (
        "pairs trained for one box do not serve the other"
    )
    assert guessed.box.upper == 2.0, "the model itself stays as it is"
