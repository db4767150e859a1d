# SPDX-License-Identifier: Apache-2.0
"""Models are compared on the same photos by the same measures; a better one is seen to be better."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from semveil.core.results import read_result, write_result
from semveil.experiments.kit.photo_sets import public_photos
from semveil.experiments.kit.reproduce import tables
from semveil.experiments.models.comparison import ComparisonSettings, compare_models
from semveil.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from semveil.models.face import FaceModel, load_model
from semveil.models.prior import LatentPrior

SETTINGS = ComparisonSettings(samples=2, detected=1, dp_image_epsilons=(1000.0,), latent_dp_epsilons=(100.0,))


@pytest.fixture(scope="module")
def models(tiny_model: Path) -> list[FaceModel]:
    """A semantic model, a StyleGAN2 without encoder, and that one with ten times the steps of inversion."""
    semantic = load_model(str(tiny_model))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = StyleGAN2(StyleGAN2Config(size=32, style_dim=4, mapping_layers=1, widths=(4, 4, 4, 4)))
    generator.eval().requires_grad_(False)
    prior = LatentPrior.fit(torch.randn(16, 8, 4, generator=torch.Generator().manual_seed(1)), rank=2)
    other = replace(
        semantic, name="other", digest="1" * 64, generator=generator, encoder=None, prior=prior, folder=None
    )
    patient = replace(other, name="patient", inversion=replace(other.inversion, steps=20, learning_rate=0.1))
    return [semantic, other, patient]


def test_every_model_is_measured_alike(models: list[FaceModel], tmp_path: Path) -> None:
    photos = public_photos(models[0], 3)
    result = compare_models(models, photos, verifiers=["dlib"], settings=SETTINGS)
    write_result(tmp_path / "comparison.json", result)
    result = read_result(tmp_path / "comparison.json")
    assert [model["latent_shape"] for model in result["models"]] == [[28, 4], [8, 4], [8, 4]]
    assert [model["parameters"]["encoder"] > 0 for model in result["models"]] == [True, False, False]
    for model in result["models"]:
        assert [method["guarantee"]["epsilon"] for method in model["methods"]] == pytest.approx(
            [1000, 100], rel=1e-6
        )
        assert len(model["inversion"]["psnr"]) == 3 and len(model["inversion"]["face_detected"]) == 1
        assert all(seconds >= 0 for seconds in model["cpu_seconds"].values())
    plain, patient = (sum(model["inversion"]["psnr"]) for model in result["models"][1:])
    assert patient > plain + 1
    again = compare_models(models[1:2], photos, verifiers=["dlib"], settings=SETTINGS, known=result)
    assert again["models"] == result["models"][1:2]  # seconds too: it was not measured again
    text = tables(result)
    assert (
        "| other (`" in text
        and "dp-image at ε 1,000 (simulation): similarity" in text
        and "not measured" in text
    )


def test_models_of_other_sizes_are_not_compared(models: list[FaceModel]) -> None:
    photos = public_photos(models[0], 1)
    small = replace(photos, images=photos.images[..., :16, :16])
    with pytest.raises(ValueError, match="same input size, 16 px; tiny has 32 px"):
        compare_models(models, small, verifiers=["dlib"], settings=SETTINGS)
