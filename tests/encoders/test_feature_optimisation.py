# SPDX-License-Identifier: Apache-2.0
"""Feature optimisation: codes whose image has the photo's features, not merely its pixels."""

from dataclasses import replace

import pytest
import torch
from reference.stylegan2_states import generator_state
from torch import Tensor

from semveil.encoders import InversionSettings, feature_distance, invert, optimise_features
from semveil.encoders.feature_optimisation import FEATURE_SETTINGS
from semveil.generators import StyleGAN2

SETTINGS = InversionSettings(steps=300, learning_rate=0.1, mse=0.0, perceptual=1.0, prior=0.0, batch=2)


class Linear:
    """A generator whose pixels are an orthogonal map of the codes."""

    def __init__(self) -> None:
        square = torch.randn(48, 48, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        self.matrix = torch.linalg.qr(square)[0].float()

    def synthesize(self, codes: Tensor) -> Tensor:
        return (codes.flatten(1) @ self.matrix).view(-1, 3, 4, 4)


def two_maps(images: Tensor) -> list[Tensor]:
    """The pixels, and red minus green, doubled."""
    return [images, 2 * (images[:, :1] - images[:, 1:2])]


def test_distance_has_its_closed_form() -> None:
    rng = torch.Generator().manual_seed(1)
    f, g = (
        [torch.randn(2, 3, 4, 4, generator=rng), torch.randn(2, 5, 2, 2, generator=rng)] for _ in range(2)
    )
    expected = (
        sum(
            (a - b).flatten(1).norm(dim=1) ** 2 / b.flatten(1).norm(dim=1) ** 2
            for a, b in zip(f, g, strict=True)
        )
        / 2
    )
    torch.testing.assert_close(feature_distance(f, g), expected)
    scaled = [[1000 * maps[0], maps[1]] for maps in (f, g)]
    torch.testing.assert_close(feature_distance(*scaled), expected)  # a layer's scale does not matter
    assert (feature_distance(g, g) == 0).all()
    assert feature_distance(f, [g[0] * 0, g[1]]).isfinite().all()


def test_codes_of_a_linear_generator_are_found() -> None:
    generator = Linear()
    codes = torch.randn(5, 6, 8, generator=torch.Generator().manual_seed(1))
    found = optimise_features(
        generator.synthesize(codes),
        generator,
        start=torch.zeros(1, 6, 8),
        features=two_maps,
        settings=SETTINGS,
    )
    torch.testing.assert_close(found.codes, codes, atol=1e-3, rtol=0)
    assert (found.mse < 1e-6).all()


def test_what_the_features_do_not_see_stays() -> None:
    """Features of the first channel leave the others at the start; the pixels' error does not."""
    generator = Linear()
    images = generator.synthesize(torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(2)))
    start = torch.zeros(1, 6, 8)
    blind = optimise_features(
        images, generator, start=start, features=lambda x: [x[:, :1]], settings=SETTINGS
    )
    made = generator.synthesize(blind.codes)
    torch.testing.assert_close(made[:, 0], images[:, 0], atol=1e-2, rtol=0)
    assert (made[:, 1:] - images[:, 1:]).abs().mean() > 0.3
    pixels = optimise_features(images, generator, start=start, features=None, settings=SETTINGS)
    torch.testing.assert_close(generator.synthesize(pixels.codes), images, atol=1e-2, rtol=0)


def test_without_features_it_is_plain_inversion() -> None:
    generator = Linear()
    images = generator.synthesize(torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(3)))
    short = replace(SETTINGS, steps=20)
    own = optimise_features(images, generator, start=torch.zeros(1, 6, 8), features=None, settings=short)
    plain = invert(
        images, generator, start=torch.zeros(1, 6, 8), settings=replace(short, mse=1.0, perceptual=0.0)
    )
    assert torch.equal(own.codes, plain.codes)


def test_photos_do_not_influence_each_other_and_are_counted() -> None:
    generator, seen, calls = Linear(), [], []
    images = generator.synthesize(torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(4)))

    def features(x: Tensor) -> list[Tensor]:
        calls.append(len(x))
        return two_maps(x)

    short = replace(SETTINGS, steps=10)
    starts = torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(5))
    together = optimise_features(
        images, generator, start=starts, features=features, settings=short, progress=lambda *p: seen.append(p)
    )
    assert calls == [2] * 11 + [1] * 11, "the photos' features are taken once"
    assert seen == sorted(seen) and seen[-1] == (30, 30)
    for i in range(3):
        alone = optimise_features(
            images[i : i + 1], generator, start=starts[i : i + 1], features=two_maps, settings=short
        )
        torch.testing.assert_close(together.codes[i : i + 1], alone.codes, rtol=1e-4, atol=1e-5)


def test_large_images_are_pooled_before_the_features() -> None:
    sizes = []

    class Flat:
        def synthesize(self, codes: Tensor) -> Tensor:
            return codes.mean((1, 2)).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)

    optimise_features(
        torch.ones(1, 3, 8, 8), Flat(), start=torch.zeros(1, 2, 2),
        settings=replace(SETTINGS, steps=2, perceptual_size=4),
        features=lambda x: sizes.append(x.shape[-1]) or [x],
    )  # fmt: skip
    assert set(sizes) == {4}


def test_a_stylegan2_reaches_what_it_made() -> None:
    config = {"size": 16, "style_dim": 8, "n_mlp": 2}
    generator = StyleGAN2.from_official(generator_state(config, {4: 8, 8: 8, 16: 8})).requires_grad_(False)
    rng = torch.Generator().manual_seed(6)
    with torch.no_grad():
        w = generator.map(torch.randn(2, 8, generator=rng))
        images = generator.synthesize(w.unsqueeze(1).expand(-1, 6, -1))
    start = generator.mean_style.expand(1, 6, -1)
    found = optimise_features(images, generator, start=start, features=two_maps, settings=SETTINGS)
    with torch.no_grad():
        before = (generator.synthesize(start) - images).square().mean((1, 2, 3))
    assert (found.mse < 0.05 * before).all()


def test_bad_input_is_named() -> None:
    generator, start = Linear(), torch.zeros(2, 6, 8)
    with pytest.raises(ValueError, match="2 latents for 3 photos"):
        optimise_features(torch.zeros(3, 3, 4, 4), generator, start=start, features=two_maps)
    with pytest.raises(ValueError, match="NaN"):
        optimise_features(torch.full((1, 3, 4, 4), torch.nan), generator, start=start[:1], features=two_maps)


def test_by_default_features_alone_count() -> None:
    assert (FEATURE_SETTINGS.mse, FEATURE_SETTINGS.perceptual, FEATURE_SETTINGS.prior) == (0, 1, 0)
