# SPDX-License-Identifier: Apache-2.0
"""The perceptual term of a model's own encoder:
a distance, with gradients, and what inversion gains by it.
"""

import pytest
import torch
from torch.nn import functional as F

from semveil.encoders.encoder_features import EncoderFeatures
from semveil.encoders.parts import PartEncoder, PartEncoderConfig
from semveil.encoders.perceptual import FEATURES, PERCEPTUAL

CONFIG = PartEncoderConfig(size=32, style_dim=8, widths=(8, 8, 8, 8), part_channels=4, shared_channels=4)


@pytest.fixture(scope="module")
def encoder() -> PartEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PartEncoder(CONFIG).eval()


def photos(seed: int = 0) -> torch.Tensor:
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_it_is_the_sum_of_cosine_distances_over_layers(encoder: PartEncoder) -> None:
    """|a - b|^2 of unit vectors is 2 - 2 cos."""
    a, b = photos(0), photos(1)
    cosines = [
        F.cosine_similarity(x, y, dim=1).mean((1, 2))
        for x, y in zip(encoder.features(a), encoder.features(b), strict=True)
    ]
    expected = sum(2 - 2 * cosine for cosine in cosines)
    torch.testing.assert_close(EncoderFeatures(encoder).distance_to(a)(b), expected)
    assert EncoderFeatures(encoder).distance_to(a)(a).tolist() == [0, 0, 0]


def test_each_image_has_its_own_distance_and_gradient(encoder: PartEncoder) -> None:
    images = photos(1).requires_grad_()
    distances = EncoderFeatures(encoder).distance_to(photos(0))(images)
    (gradient,) = torch.autograd.grad(distances[0], images)
    assert gradient[0].abs().max() > 0 and gradient[1:].abs().max() == 0


def test_the_name_needs_a_part_encoder(encoder: PartEncoder) -> None:
    term = PERCEPTUAL[FEATURES]("alex", encoder)
    assert term is not None and term.name == "features"
    with pytest.raises(ValueError, match="features needs a model with a part encoder; use none or lpips"):
        PERCEPTUAL[FEATURES]("alex", None)
