# SPDX-License-Identifier: Apache-2.0
"""What docs/errata.md says about dp-image [DPI], shown with numbers; the sections are numbered as there."""

import math

import numpy as np
import pytest
import torch

from semveil.mechanisms import ClipBox, Laplace, observed_pairwise_sensitivity
from semveil.mechanisms.draws import best_of, until_accepted
from semveil.methods.dp_image import DPImage
from semveil.methods.latent_model import PAPER_RANGE, LatentModel
from semveil.privacy.guarantee import Basis, Guarantee
from semveil.privacy.strength import best_guess

COMPONENTS = 18 * 512
OBSERVED = 17_995.0
MODEL = LatentModel.example()


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_1_the_box_of_the_papers_latents() -> None:
    assert PAPER_RANGE.l1_sensitivity(COMPONENTS).value == 368_640
    assert PAPER_RANGE.l1_sensitivity(COMPONENTS).value / OBSERVED == pytest.approx(20.5, abs=0.05)


def test_1_a_maximum_over_seen_photos_grows_with_their_number() -> None:
    latents = torch.randn(4000, 64, generator=rng(0)).numpy()
    values = [observed_pairwise_sensitivity(latents[:count], "l1").value for count in (100, 1000, 4000)]
    assert values[0] < values[1] < values[2]
    assert observed_pairwise_sensitivity(latents[:100], "l1").basis == Basis.OBSERVED_SENSITIVITY
    farther = np.linalg.norm(latents[100:, None] - latents[:100], 1, axis=2).max()
    assert farther > values[0], "an unseen photo lies farther out"


def test_1_in_metric_form_the_loss_is_the_distance_over_the_scale() -> None:
    claim = DPImage(MODEL, scale=0.5, sensitivity="metric").guarantee()
    assert claim.epsilon is None and claim.metric is not None and claim.metric.rate == pytest.approx(2.0)
    one, other, outputs = (torch.randn(4, generator=rng(seed)) for seed in (1, 2, 3))
    loss = ((outputs - other).abs() - (outputs - one).abs()).sum() / 0.5
    assert abs(loss.item()) <= claim.metric.rate * (one - other).abs().sum().item()


@pytest.mark.parametrize(("scale", "epsilon"), [(0.25, 71_980), (0.5, 35_990), (1.0, 17_995)])
def test_2_the_papers_scales_are_epsilons_of_tens_of_thousands(scale: float, epsilon: float) -> None:
    assert OBSERVED / scale == pytest.approx(epsilon)
    assert best_guess(epsilon) == 1.0
    sensitivity = PAPER_RANGE.l1_sensitivity(COMPONENTS)
    assert Laplace(scale).guarantee(sensitivity).epsilon == pytest.approx(368_640 / scale)


def test_3_codes_in_clear_tell_photos_apart() -> None:
    method = DPImage(MODEL, styles="identity", epsilon=0.1)
    claim = method.guarantee()
    assert claim.epsilon == pytest.approx(0.1) and claim.whole_record_epsilon is None
    one, other = torch.zeros(1, 3, 4), torch.zeros(1, 3, 4)
    other[:, 1:] = 1.0
    shown = [method.protect_latents(latents).latents for latents in (one, other)]
    assert shown[0] is not None and shown[1] is not None
    assert not torch.equal(shown[0][:, 1:], shown[1][:, 1:])
    assert torch.equal(shown[0][:, 1:], one[:, 1:]), "as they are, whatever the noise on the others"


def test_4_choosing_among_draws_is_paid_for() -> None:
    once = Guarantee(1.0, "all codes", Basis.PROVED)
    assert best_of(once, 5).epsilon == 5.0
    assert until_accepted(once).epsilon == 2.0


def test_4_choosing_the_draw_unlike_the_photo_gives_it_away() -> None:
    """Of 2,000 draws the one farthest from the photo: its mean lies on the other side, which the noise alone
    never does.
    """
    noise = Laplace(4.0)
    draws = noise(torch.ones(4000, 1), rng=rng(0)).view(2, 2000)
    chosen = draws.gather(1, (draws - 1).abs().argmax(1, keepdim=True))
    assert ((chosen - 1).abs() > 4.0 * math.log(2000) * 0.5).all()
    fair = (draws > 1).float().mean()
    assert 0.4 < fair < 0.6


def test_5_an_image_can_be_private_without_being_of_this_form() -> None:
    """Randomised response on one bit is private and adds no noise to any feature: the condition is sufficient
    only.
    """
    epsilon = 1.0
    truth = math.exp(epsilon) / (1 + math.exp(epsilon))
    assert truth / (1 - truth) == pytest.approx(math.exp(epsilon))


def test_6_the_printed_distortions_have_no_common_unit() -> None:
    """ALD_inf = max|Y - X| / max|X| above 1 needs max|X| < 255; l2 = 68,071 over 3 * 1024^2 values is 38 of
    255 levels.
    """
    for printed, brightest in ((1.1386, 224), (1.2214, 209)):
        assert 255 / printed == pytest.approx(brightest, abs=0.5)
    assert 68_071.3 / math.sqrt(3 * 1024**2) == pytest.approx(38.4, abs=0.05)


def test_7_noise_is_partly_reverted_by_knowing_what_faces_look_like() -> None:
    """Normal latents of spread 1 under Laplace noise of scale 0.5: shrinking takes a third off the squared
    error.
    """
    latents = torch.randn(200_000, 1, generator=rng(0))
    heard = Laplace(0.5)(latents, rng=rng(1))
    shrunk = heard / (1 + 2 * 0.5**2)
    before, after = ((x - latents).square().mean().item() for x in (heard, shrunk))
    assert before == pytest.approx(0.5, rel=0.03)
    assert after == pytest.approx(1 / 3, rel=0.03)


def test_7_style_numbers_are_counted_from_one() -> None:
    box = ClipBox(0.0, 1.0)
    assert box.l1_sensitivity(7 * 512).value == 3584, "layers 1 to 7 of the text are codes 0 to 6"
    assert len(MODEL.identity_codes) == 1
