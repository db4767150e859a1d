# SPDX-License-Identifier: Apache-2.0
"""The baselines against independent computations, and what they guarantee."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve1d
from scipy.stats import kstest, laplace, norm
from skimage.measure import block_reduce

from semveil.mechanisms import gaussian_epsilon
from semveil.methods.baselines import (
    BASELINES,
    DPSVD,
    Blur,
    DPPix,
    Mosaic,
    PixelNoise,
    from_levels,
    pixelated,
    to_levels,
)
from semveil.methods.registry import image_methods, load_method
from semveil.methods.release import ImageMethod
from semveil.privacy.certificate import Certificate
from semveil.privacy.guarantee import Basis

SMALL = {"size": 32}
METHODS = [DPPix(size=32, block=8) if kind is DPPix else kind(**SMALL) for kind in BASELINES]


def photos(count: int = 2, side: int = 32, seed: int = 0) -> torch.Tensor:
    levels = torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(seed))
    return from_levels(levels.double(), torch.zeros(1))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_baseline_is_a_method(method: ImageMethod) -> None:
    assert isinstance(method, ImageMethod)
    assert type(load_method(method.name)) is image_methods()[method.name]
    images = photos()
    before = images.clone()
    release = method.protect(images)
    assert (release.images.shape, release.images.dtype, release.latents) == (images.shape, images.dtype, None)
    assert torch.equal(images, before)
    assert bool(release.images.isfinite().all())
    certificate = method.certificate(next(release.singles()))
    assert Certificate.from_json(certificate.to_json()) == certificate
    assert (certificate.method, certificate.guarantee, certificate.images) == (
        method.name,
        release.guarantee,
        1,
    )
    noisy = certificate.mechanism is not None
    assert (certificate.scale is not None) == noisy
    assert release.guarantee.basis == (Basis.PROVED if noisy else Basis.NONE)
    assert torch.equal(release.images, method.protect(images).images) != noisy
    seeded = [method.protect(images, rng=torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(seeded[0].images, seeded[1].images)
    assert seeded[0].guarantee.basis == (Basis.SIMULATION if noisy else Basis.NONE)


def test_methods_without_a_model_refuse_one() -> None:
    with pytest.raises(ValueError, match="'blur' uses no model"):
        load_method("blur", "faces-128")


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Blur, {"sigma": 0.0}), (Mosaic, {"block": 0}), (PixelNoise, {"sigma": -1.0}),
        (PixelNoise, {"delta": 1.0}),
        (DPPix, {"epsilon": 0.0}), (DPPix, {"neighbourhood": 0}), (DPPix, {"block": 7}),
        (DPSVD, {"scale": 0.0}),
        (DPSVD, {"rank": 0}), (Blur, {"size": 0}),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(kind: type, wrong: dict) -> None:
    with pytest.raises(ValueError):
        kind(**wrong)


def test_blur_is_a_convolution_with_a_gaussian() -> None:
    sigma, images = 2.0, photos(1)
    x = np.arange(-8, 9)
    kernel = norm.pdf(x, scale=sigma) / norm.pdf(x, scale=sigma).sum()
    expected = convolve1d(
        convolve1d(images.double().numpy(), kernel, axis=2, mode="nearest"), kernel, axis=3, mode="nearest"
    )
    assert torch.allclose(
        Blur(sigma=sigma).protect(images).images, torch.from_numpy(expected).float(), atol=1e-6
    )


@pytest.mark.parametrize(("side", "block"), [(32, 8), (32, 5)])
def test_mosaic_is_the_mean_of_each_cell(side: int, block: int) -> None:
    images = photos(1, side).double()
    got = pixelated(images, block)
    whole = side // block * block
    means = block_reduce(images[0, :, :whole, :whole].numpy(), (1, block, block), np.mean)
    assert np.allclose(got[0, :, :whole:block, :whole:block], means)
    if whole < side:  # the cells at the edge are smaller
        assert np.allclose(
            got[0, :, whole:, 0], images[0, :, whole:, :block].mean((1, 2), keepdim=True)[..., 0]
        )


def test_levels_are_exact() -> None:
    levels = torch.arange(256.0).double().view(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(to_levels(from_levels(levels, torch.zeros(1))), levels)


def test_pixel_noise_has_its_sigma_and_its_epsilon() -> None:
    images = torch.zeros(4, 3, 32, 32)
    method = PixelNoise(sigma=20.0)
    noise = (method.protect(images).images * 127.5 - 0.5).flatten().numpy()  # level 127.5 rounds to 128
    assert kstest(noise, norm(scale=20).cdf).pvalue > 1e-4
    assert kstest(noise, norm(scale=24).cdf).pvalue < 1e-4
    claim = method.protect(images[:1]).guarantee
    assert claim.epsilon == pytest.approx(gaussian_epsilon(1e-5, 20 / (255 * 3072**0.5)))
    assert claim.whole_record_epsilon == claim.epsilon


def cell_sums(images: torch.Tensor, block: int) -> torch.Tensor:
    return to_levels(images).unfold(2, block, block).unfold(3, block, block).sum((-1, -2))


def test_dp_pix_noise_follows_its_law() -> None:
    images, method = photos(8), DPPix(epsilon=40.0, block=4, neighbourhood=2, size=32)
    noisy = (method.protect(images).images.double() + 1) * 127.5
    noise = (noisy[..., ::4, ::4] - cell_sums(images, 4) / 16).flatten().numpy()
    scale = 3 * 255 * 2 / (16 * 40)  # 255 m / b^2 for each of three colours, over epsilon
    assert kstest(noise, laplace(scale=scale).cdf).pvalue > 1e-4
    assert kstest(noise, laplace(scale=scale / 3).cdf).pvalue < 1e-4  # the colours forgotten
    assert torch.equal(noisy[..., ::4, ::4], noisy[..., 3::4, 3::4])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**30), st.integers(1, 20))
def test_dp_pix_neighbours_differ_by_its_sensitivity_at_most(seed: int, changed: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 256, (3, 32, 32))
    other = one.copy()
    for row, column in rng.integers(0, 32, (changed, 2)):
        other[:, row, column] = 255 * (one[:, row, column] < 128)
    pair = from_levels(torch.from_numpy(np.stack([one, other])).double(), torch.zeros(1))
    sums = cell_sums(pair, 8)
    method = DPPix(block=8, neighbourhood=changed, size=32)
    loss = float((sums[0] - sums[1]).abs().sum()) / method.scale
    assert loss <= method.epsilon * (1 + 1e-12)
    claim = method.protect(pair, rng=torch.Generator().manual_seed(0)).guarantee
    assert claim.metric is not None
    assert loss <= claim.metric.rate * np.abs(one - other).sum() * (1 + 1e-12)


@pytest.mark.parametrize("epsilon", [0.3, 0.5, 0.7, 1.1, 2.3, 4.9, 9.7])
def test_dp_pix_noise_is_wide_enough_for_its_neighbours(epsilon: float) -> None:
    for spot in range(1, 40):
        scale = DPPix(epsilon=epsilon, block=8, neighbourhood=spot, size=32).scale
        assert Fraction(3 * 255 * spot) <= Fraction(epsilon) * Fraction(scale)


def test_dp_pix_states_what_holds_between_any_two_crops() -> None:
    black, white = -torch.ones(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    method = DPPix(epsilon=0.5, block=8, neighbourhood=16, size=32)
    worst = float((cell_sums(white, 8) - cell_sums(black, 8)).abs().sum()) / method.scale
    claim = method.protect(black).guarantee
    assert claim.epsilon == pytest.approx(worst) == pytest.approx(0.5 * 32 * 32 / 16)
    assert "at most 16 pixels the loss is at most 0.5" in claim.covers
    assert "most 0.25" in replace(method, epsilon=0.25).protect(black).guarantee.covers


def test_dp_svd_keeps_the_vectors_and_noises_the_largest_values() -> None:
    images = photos(1)
    shown = (DPSVD(scale=1e-6, rank=3, size=32).protect(images).images.double() + 1) * 127.5
    for channel, got in zip(to_levels(images)[0].numpy(), shown[0].numpy(), strict=True):
        u, s, v = np.linalg.svd(channel)
        assert np.abs((u[:, :3] * s[:3]) @ v[:3] - got).max() < 1e-3
    noisy = (DPSVD(scale=500.0, rank=3, size=32).protect(images.double()).images + 1) * 127.5
    for channel, got in zip(to_levels(images)[0].numpy(), noisy[0].numpy(), strict=True):
        u, s, v = np.linalg.svd(channel)
        noise = np.diag(u.T @ got @ v.T) - np.where(np.arange(32) < 3, s, 0)
        assert np.abs(noise[3:]).max() < 1e-6 < np.abs(noise[:3]).min()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**30))
def test_dp_svd_values_move_no_further_than_its_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pair = rng.integers(0, 256, (2, 3, 16, 16)) // rng.integers(1, 256, (2, 1, 1, 1))
    values = np.linalg.svd(pair, compute_uv=False)[..., :4]
    moved = np.linalg.norm(values[0] - values[1])
    method = DPSVD(size=16)
    claim = method.protect(from_levels(torch.from_numpy(pair).double(), torch.zeros(1))).guarantee
    assert claim.epsilon is not None
    assert claim.metric is not None
    assert moved <= np.linalg.norm(pair[0] - pair[1]) * (1 + 1e-9)  # Mirsky
    assert moved / method.scale <= min(claim.epsilon, claim.metric.rate * moved * (1 + 1e-9))
    assert claim.whole_record_epsilon is None


def test_dp_svd_worst_case_is_bounded() -> None:
    white = np.linalg.svd(np.full((3, 16, 16), 255.0), compute_uv=False)
    claim = DPSVD(scale=10.0, size=16).protect(torch.ones(1, 3, 16, 16)).guarantee
    assert claim.epsilon is not None
    assert np.linalg.norm(white) / 10 <= claim.epsilon <= 1.5 * np.linalg.norm(white) / 10


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize("shape", [(0, 3, 32, 32), (3, 32, 32), (1, 1, 32, 32)])
def test_what_is_no_batch_of_crops_is_refused(method: ImageMethod, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"crops must be \(B, 3, H, W\), one or more"):
        method.protect(torch.zeros(shape))
