# SPDX-License-Identifier: Apache-2.0
"""What docs/errata.md says about noise-image [NI], shown with numbers; the sections are numbered as there."""

import math

import pytest
import torch
from scipy.stats import norm
from skimage.data import astronaut
from torch import Tensor

from semveil.faces.pixels import to_tensor
from semveil.generators.conversion import ConversionConfig, ConversionGenerator
from semveil.mechanisms import Gaussian, gaussian_delta, gaussian_ratio
from semveil.metrics import ssim
from semveil.privacy.guarantee import Norm, Sensitivity
from semveil.recognition.guided_backpropagation import scale_by_power_of_ten
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.recognition.vgg16_config import VGG16Config
from semveil.training.explanation_noise import ExplanationNoise
from semveil.training.noise_image import ConversionTraining, explanation_loss

TABLE3 = {
    (0.1, 1e-5): (0.620, 0.611, 0.601),
    (0.1, 0.9): (0.623, 0.612, 0.598),
    (0.9, 1e-5): (0.652, 0.629, 0.624),
}
TABLE3[0.9, 0.9] = (0.651, 0.632, 0.620)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=rng()) * 2 - 1


def conversion() -> ConversionGenerator:
    return ConversionGenerator(ConversionConfig(width=4, blocks=1), rng=rng()).eval()


def test_1_no_gaussian_mechanism_meets_eq_6() -> None:
    """The quotient of two normal tails has no bound, so it passes e^epsilon + delta whatever the noise."""
    epsilon, delta = 1.0, 0.5
    ratio = gaussian_ratio(epsilon, delta)
    assert gaussian_delta(epsilon, ratio) <= delta, "it is private as the definition has it"
    far = norm.sf(3, loc=1, scale=ratio) / norm.sf(3, loc=0, scale=ratio)
    assert far > math.exp(epsilon) + delta


def test_2_the_conversion_has_no_randomness_and_tells_pictures_apart() -> None:
    convert = conversion()
    images = pictures()
    with torch.no_grad():
        once, again = convert(images), convert(images)
    assert torch.equal(once, again)
    assert not torch.equal(once[0], once[1]), (
        "an event of chance 1 for one picture and 0 for the other: no epsilon, no delta < 1"
    )


def test_2_the_noise_lies_behind_the_conversion() -> None:
    """Two pictures far apart: the noisy explanation hides which it was, the converted picture does not."""
    explainer = VGG16Classifier(VGG16Config.small(classes=8, width=2), rng=rng()).eval()
    noise = ExplanationNoise(0.1, 1e-5)
    with torch.no_grad():
        converted = conversion()(pictures())
        weights = torch.stack([noise.on_weights(explainer(converted), rng=rng(seed)) for seed in range(400)])
    gap = (weights[:, 0] - weights[:, 1]).mean(0).abs().max() / noise.std
    assert gap < 4 * math.sqrt(2 / 400), "noise of 43 on weights that differ by 1 at most"
    assert (converted[0] - converted[1]).abs().max() > 0.5


def test_3_at_a_delta_of_0_9_the_picture_itself_may_be_sent() -> None:
    """Send the picture in nine of ten cases:
    P[S | x] - P[S | x'] is at most 0.9 for any S, with epsilon 0.
    """
    sent, other = {"x": 0.9, "nothing": 0.1}, {"x'": 0.9, "nothing": 0.1}
    events = [("x",), ("nothing",), ("x", "nothing")]
    assert (
        max(sum(sent.get(y, 0) for y in event) - sum(other.get(y, 0) for y in event) for event in events)
        <= 0.9
    )


@pytest.mark.parametrize(
    ("epsilon", "delta", "ratio"), [(0.1, 1e-5, 30.7), (0.9, 1e-5, 4.11), (0.1, 0.9, 0.30), (0.9, 0.9, 0.27)]
)
def test_3_what_noise_the_four_settings_ask_for(epsilon: float, delta: float, ratio: float) -> None:
    assert gaussian_ratio(epsilon, delta) == pytest.approx(ratio, rel=0.02)


@pytest.mark.parametrize(
    ("epsilon", "delta", "std"), [(0.1, 1e-5, 48.4), (0.1, 0.9, 8.11), (0.9, 1e-5, 5.38), (0.9, 0.9, 0.90)]
)
def test_3_what_noise_the_law_that_the_paper_cites_gives(epsilon: float, delta: float, std: float) -> None:
    """Dwork and Roth (2014), sqrt(2 ln(1.25 / delta)) / epsilon; written anew here."""
    assert math.sqrt(2 * math.log(1.25 / delta)) / epsilon == pytest.approx(std, abs=0.05)
    assert ExplanationNoise(epsilon, delta, calibration="as_published").std == pytest.approx(std, abs=0.05)


def test_3_table_3_is_ordered_as_the_law_that_the_paper_cites() -> None:
    """More noise goes with less accuracy, in steps of epsilon; by the analytic Gaussian delta would come
    first.
    """
    accuracy = {setting: sum(row) / 3 for setting, row in TABLE3.items()}
    strong, weak = ([setting for setting in TABLE3 if setting[0] == epsilon] for epsilon in (0.1, 0.9))
    assert max(accuracy[s] for s in strong) < min(accuracy[w] for w in weak)
    published = {s: ExplanationNoise(*s, calibration="as_published").std for s in TABLE3}
    analytic = {s: gaussian_ratio(*s) for s in TABLE3}
    assert min(published[s] for s in strong) > max(published[w] for w in weak)
    assert min(analytic[s] for s in strong) < max(analytic[w] for w in weak), (
        "the other law does not order them so"
    )


def test_4_the_printed_losses_have_no_minimum_or_no_slope() -> None:
    logit = torch.tensor([-20.0, 20.0], dtype=torch.float64, requires_grad=True)  # D of g(x), D of n(x)
    judged = torch.sigmoid(logit)
    assert (1 - judged[1]).log() + judged[0].log() < -39, (
        "Eq. 5 falls without bound as D gets better at its task"
    )
    saturated = torch.autograd.grad((1 - judged[0]).log(), logit, retain_graph=True)[0][0]
    assert abs(saturated) < 1e-8, "Eq. 2 has no slope where D is sure"
    least_squares = torch.autograd.grad((logit[0] - 1).square(), logit)[0][0]
    assert abs(least_squares) == 42


def test_5_parameters_of_the_printed_layers() -> None:
    def convolution(inputs: int, outputs: int, side: int) -> int:
        return inputs * outputs * side**2 + outputs

    network = ConversionGenerator(ConversionConfig(blocks=0), rng=rng())
    counts = [
        sum(p.numel() for p in layer.parameters()) for layer in (network.first, network.up[0], network.last)
    ]
    assert counts == [9472, 36_928, 9411]
    assert convolution(3, 64, 3) == 1792, "what Table 1 prints for 7x7"
    assert 256 * 4096 == 1_048_576 and 28 * 28 * 256 * 4096 == 822_083_584
    assert VGG16Config.published().grid == 1 and VGG16Config.published().smallest == 8


@pytest.mark.parametrize(
    ("epsilon", "delta", "released", "published"), [(0.1, 1e-5, 2347.2, 48.4), (0.9, 0.9, 0.81, 0.90)]
)
def test_6_the_code_takes_the_variance_for_the_standard_deviation(
    epsilon: float, delta: float, released: float, published: float
) -> None:
    assert ExplanationNoise(epsilon, delta, calibration="as_released").std == pytest.approx(
        released, abs=0.05
    )
    assert ExplanationNoise(epsilon, delta, calibration="as_published").std == pytest.approx(
        published, abs=0.05
    )


def test_6_no_noise_enters_the_codes_loss() -> None:
    explainer = VGG16Classifier(VGG16Config.small(classes=8, width=2), rng=rng()).eval()
    images = pictures()
    with torch.no_grad():
        converted = conversion()(images)
    losses = {}
    for explanation in ("as_released", "published"):
        settings = ConversionTraining(explanation=explanation, noise=ExplanationNoise(0.1, 1e-5))
        losses[explanation] = [
            explanation_loss(explainer, images, converted, settings, rng(seed)).item() for seed in (1, 2)
        ]
    assert losses["as_released"][0] == losses["as_released"][1]
    assert losses["published"][0] != losses["published"][1]


def test_6_the_scale_of_a_map_is_taken_away() -> None:
    maps = torch.randn(1, 3, 4, 4, generator=rng())
    torch.testing.assert_close(scale_by_power_of_ten(maps), scale_by_power_of_ten(1000 * maps))


def test_6_the_released_generator_adds_the_picture() -> None:
    images = pictures()
    config = ConversionConfig(width=4, blocks=1, halvings=1, skip=True)
    generator = ConversionGenerator(config, rng=rng()).eval()
    with torch.no_grad():
        torch.testing.assert_close(generator(images), torch.tanh(images + generator.change(images)))


@pytest.mark.parametrize(
    ("side", "sigma", "epsilon"), [(224, 3.0, 34_545), (224, 5.0, 12_701), (32, 3.0, 840), (32, 5.0, 340)]
)
def test_7_the_noise_that_is_imitated_has_an_epsilon(side: int, sigma: float, epsilon: float) -> None:
    values = 3 * side**2
    pixels = Sensitivity(2 * math.sqrt(values), Norm.L2, values, source="values in [-1, 1]")
    assert Gaussian(sigma, 1e-5).guarantee(pixels).epsilon == pytest.approx(epsilon, rel=0.01)


def test_8_a_low_ssim_hides_nothing() -> None:
    """Pixels in another order: as unlike the picture as true noise, and put back without loss."""
    image = to_tensor([astronaut()[:256, 80:336]])
    order = torch.randperm(256 * 256, generator=rng())
    shuffled = image.flatten(2)[:, :, order].view(image.shape)
    noised = (image + 3 * torch.randn(image.shape, generator=rng())).clamp(-1, 1)
    assert abs(float(ssim(shuffled, image))) < 0.03 and abs(float(ssim(noised, image))) < 0.03
    assert torch.equal(shuffled.flatten(2)[:, :, order.argsort()].view(image.shape), image)
