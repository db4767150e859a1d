# SPDX-License-Identifier: Apache-2.0
"""A draw is released once and shown often: shown again it tells nothing more, drawn again it does."""

import numpy as np
import pytest
import torch

from semveil.methods.baselines import Blur, Mosaic, PixelNoise
from semveil.methods.dp_image import DPImage
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel
from semveil.methods.release import Steady, draw_once, is_noiseless, show_draw
from semveil.models.identity import IdentityModel


def faces(count: int, side: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(count)) * 2 - 1


def test_protecting_is_drawing_and_showing() -> None:
    method = IdentityDP(IdentityModel.example(), epsilon=2.0)
    images = faces(3)
    release = method.protect(images, rng=torch.Generator().manual_seed(5))
    drawn = method.draw(images, rng=torch.Generator().manual_seed(5))
    assert torch.equal(release.images, method.show(drawn, images))
    assert release.latents is not None and torch.equal(release.latents[:, 0], drawn.values["identities"])
    assert release.guarantee == drawn.guarantee


def test_all_frames_have_the_identity_that_was_drawn_and_their_own_attributes() -> None:
    method = IdentityDP(IdentityModel.example(), epsilon=2.0)
    drawn, frames = draw_once(method, faces(1)), faces(5)
    assert isinstance(method, Steady)
    shown = show_draw(method, drawn, frames)
    alone = torch.cat([show_draw(method, drawn, frame[None]) for frame in frames])
    assert torch.allclose(shown, alone) and not torch.equal(shown[0], shown[1])
    quarters = shown - 0.5 * frames  # the example adds half of each
    inside = (shown.abs() < 1).all(0)
    assert torch.allclose(quarters[0][inside], quarters[1][inside], atol=1e-6)


def test_a_look_with_a_budget_is_drawn_once_too() -> None:
    method = IdentityDP(IdentityModel.example(), epsilon=2.0)
    method.look = LatentDP(LatentModel.example(), epsilon=5.0, mechanism="exponential", gallery=8)
    frames = faces(3)
    drawn = draw_once(method, frames[:1])
    shown = show_draw(method, drawn, frames)
    assert torch.equal(shown[0], shown[1]) and torch.equal(shown[0], shown[2])  # nothing of a frame passes
    assert drawn.guarantee.whole_record_epsilon == pytest.approx(7.0)


@pytest.mark.parametrize(
    "method", [DPImage(LatentModel.example()), PixelNoise(size=2)], ids=["dp-image", "pixel-noise"]
)
def test_other_methods_show_the_picture_that_was_drawn(method: DPImage | PixelNoise) -> None:
    drawn = draw_once(method, faces(1, 2))
    shown = show_draw(method, drawn, faces(4, 2))
    assert all(torch.equal(picture, shown[0]) for picture in shown) and drawn.guarantee.epsilon


def test_who_draws_nothing_says_so() -> None:
    assert is_noiseless(Blur()) and is_noiseless(Mosaic()) and not is_noiseless(PixelNoise())
    assert not is_noiseless(IdentityDP(IdentityModel.example()))


@pytest.mark.parametrize("frames", [1, 10, 100])
def test_an_attacker_who_averages_gains_from_new_draws_alone(frames: int) -> None:
    """Noise of 12,288 numbers: the standard deviation of a mean of n draws is sigma / sqrt(n), within 4
    standard errors.
    """
    method, face = PixelNoise(sigma=40.0, size=64), torch.zeros(1, 3, 64, 64)
    rng = torch.Generator().manual_seed(1)
    anew = torch.cat([method.protect(face, rng=rng).images for _ in range(frames)]).mean(0)
    once = show_draw(method, draw_once(method, face), face.expand(frames, -1, -1, -1)).mean(0)
    error = 4 / np.sqrt(2 * face.numel())
    assert float((anew * 127.5).std()) == pytest.approx(40 / np.sqrt(frames), rel=error)
    assert float((once * 127.5).std()) == pytest.approx(40, rel=error)


def test_new_identities_average_to_the_persons_own() -> None:
    """What 100 frames with new draws give an attacker, and one draw in 100 frames does not: the mean points
    at the person.
    """
    method = IdentityDP(IdentityModel.example(), epsilon=3.0)
    rng, face = torch.Generator().manual_seed(3), faces(1)
    own = method.identify(face)
    drawn = method.perturb(own.expand(4000, -1), rng=rng)  # draws on the sphere of 4 numbers
    single = (drawn @ own[0]).mean()
    means = torch.nn.functional.normalize(drawn.unflatten(0, (40, 100)).mean(1), dim=1)
    assert float(single) < 0.6 and float((means @ own[0]).min()) > 0.85
