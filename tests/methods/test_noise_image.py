# SPDX-License-Identifier: Apache-2.0
"""noise-image: what is claimed without and with noise, networks in a folder, the service."""

import hashlib
import math
from pathlib import Path

import pytest
import torch
from scipy.stats import norm

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.model_folders import bundled_folder
from semveil.data.labelled_pictures import load_labelled
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.mechanisms import gaussian_delta
from semveil.methods.noise_image import NoiseImage, classify
from semveil.models.noise_image import NoiseImageModel, load_noise_image_model, save_noise_image_model
from semveil.training.classifier import accuracy
from semveil.training.noise_image import convert


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_a_conversion_is_deterministic_and_claims_nothing(pictures: torch.Tensor) -> None:
    method = NoiseImage(NoiseImageModel.example())
    first, again = method.protect(pictures), method.protect(pictures)
    assert torch.equal(first.images, again.images)  # so two pictures are told apart with certainty
    assert first.images.abs().max() <= 1
    assert first.guarantee.epsilon is None and "deterministic" in first.guarantee.reason
    certificate = method.certificate(first)
    assert (certificate.protection, certificate.mechanism, certificate.scale) == ("conversion", None, None)
    assert any("deterministic" in line for line in _explained(certificate))


def test_noise_at_the_output_is_private_for_any_two_pictures(pictures: torch.Tensor) -> None:
    method = NoiseImage(NoiseImageModel.example(), epsilon=1.5, delta=1e-6)
    assert method.noise is not None
    half = float(method.noise.box.upper)
    apart = 2 * math.sqrt(3 * 8 * 8) * half  # every value from -b to b
    assert gaussian_delta(1.5, method.noise.mechanism.sigma / apart) == pytest.approx(1e-6, rel=1e-6)
    assert half + 3 * method.noise.mechanism.sigma == pytest.approx(1.0)
    first, again = method.protect(pictures), method.protect(pictures)
    assert not torch.equal(first.images, again.images)
    assert (first.guarantee.basis.value, first.guarantee.delta) == ("proved", 1e-6)
    assert 1.5 * (1 - 1e-11) < (first.guarantee.epsilon or 0) <= 1.5
    certificate = method.certificate(first)
    assert certificate.scale == method.noise.mechanism.sigma and certificate.grid_step is not None
    assert certificate.sensitivity is not None and certificate.sensitivity.value == pytest.approx(apart)


def test_seeded_noise_is_a_simulation_of_the_right_size() -> None:
    method = NoiseImage(NoiseImageModel.example(), epsilon=1.5)
    assert method.noise is not None
    many = torch.zeros(50, 3, 8, 8)
    release = method.protect(many, rng=torch.Generator().manual_seed(0))
    assert release.guarantee.basis.value == "simulation"
    assert method.certificate(release).grid_step is None
    clean = NoiseImage(NoiseImageModel.example()).protect(many).images
    noise = release.images - float(method.noise.box.upper) * clean
    assert noise.std().item() == pytest.approx(
        method.noise.mechanism.sigma, rel=5 / math.sqrt(2 * noise.numel())
    )


@pytest.mark.parametrize("epsilon", [1.0, 100.0, 1e4])
def test_what_is_written_holds_nearly_all_of_the_noise(epsilon: float) -> None:
    """Of values at the edge of the box a share of P[N > 3 sigma] ends at 0 or 255, of all others fewer."""
    method = NoiseImage(NoiseImageModel.example(), epsilon=epsilon)
    images = torch.rand(60, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    pixels = to_pixels(method.protect(images).images)
    share, allowed = float(((pixels == 0) | (pixels == 255)).mean()), 2 * norm.sf(2.9)
    assert share <= allowed + 4 * math.sqrt(allowed / pixels.size)
    assert method.noise is not None
    unscaled = method.protect(images).images / float(method.noise.box.upper)
    assert epsilon > 1000 or (unscaled.abs() > 1).float().mean() > 0.3, (
        "the check would see values that are clamped"
    )


def test_options_that_make_no_sense_are_refused(pictures: torch.Tensor) -> None:
    model = NoiseImageModel.example()
    with pytest.raises(ValueError, match="give both or neither"):
        NoiseImage(model, delta=1e-5)
    with pytest.raises(ValueError, match="epsilon"):
        NoiseImage(model, epsilon=-1.0)
    with pytest.raises(ValueError, match=r"takes images \(B, 3, 8, 8\)"):
        NoiseImage(model).protect(pictures[..., :7])
    with pytest.raises(ValueError, match="did you mean 'service'"):
        classify(model, pictures, network="servise")
    with pytest.raises(ValueError, match="no model of noise-image named 'noise-image-23'"):
        NoiseImage("noise-image-23")


def test_networks_are_the_same_after_a_journey_through_a_folder(
    tmp_path: Path, pictures: torch.Tensor
) -> None:
    model = NoiseImageModel.example()
    for network in (model.explainer, model.generator, model.service):
        network.half().float()  # what half precision keeps
    _write(tmp_path / "mine", model)
    read = load_noise_image_model(str(tmp_path / "mine"))
    assert (read.name, read.size, read.classes, read.card["terms"]) == ("mine", 8, model.classes, "a test's")
    assert torch.equal(read.generator(pictures), model.generator(pictures))
    assert torch.equal(read.service(pictures), model.service(pictures))
    assert (
        read.digest == hashlib.sha256((tmp_path / "mine" / "generator.safetensors").read_bytes()).hexdigest()
    )


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    folder = _write(tmp_path / "mine", NoiseImageModel.example())
    (folder / "service.safetensors").write_bytes(b"cut")
    with pytest.raises(BadCheckpoint, match="service"):
        load_noise_image_model(str(folder))
    folder = _write(tmp_path / "other", NoiseImageModel.example())
    (folder / "noise-image.json").write_text("{}")
    with pytest.raises(BadCheckpoint, match="does not describe"):
        load_noise_image_model(str(folder))


def test_the_bundled_networks_are_small_and_work_without_data(pictures: torch.Tensor) -> None:
    model = load_noise_image_model()
    folder = bundled_folder() / model.name
    assert sum(path.stat().st_size for path in folder.iterdir()) < 10e6
    shown = torch.nn.functional.interpolate(pictures, model.size)
    answer = classify(model, NoiseImage(model).protect(shown).images)
    assert set(answer.names) <= set(model.classes) and len(model.classes) == 100
    assert bool((answer.probabilities > 0.01).all())  # more than guessing, of 100 classes


def test_the_bundled_service_reads_converted_pictures_of_the_test_set(shared: Path) -> None:
    model = load_noise_image_model()
    test = load_labelled(shared / "data" / "cifar100" / "cifar100_subset.npz", part="test")
    assert model.classes == test.classes
    rows = slice(None, None, 8)  # 500 pictures
    images, labels = to_tensor(test.pixels[rows]), torch.from_numpy(test.labels[rows])
    converted = convert(model.generator, images)
    figures = model.card["accuracy"]
    for network, shown, name in (
        (model.service, converted, "service"),
        (model.explainer, images, "explainer"),
        (model.explainer, converted, "explainer_on_converted"),
    ):
        expected = figures[name]
        assert accuracy(network, shown, labels) == pytest.approx(
            expected, abs=5 * (expected * (1 - expected) / 500) ** 0.5
        )
    assert figures["service"] > 5 * figures["chance"]


def _write(folder: Path, model: NoiseImageModel) -> Path:
    networks = (model.explainer, model.generator, model.service)
    save_noise_image_model(
        folder, *networks, size=model.size, classes=model.classes, card={"terms": "a test's"}
    )
    return folder


def _explained(certificate: object) -> list[str]:
    from semveil.privacy.explain import explain

    return explain(certificate)  # type: ignore[arg-type]
