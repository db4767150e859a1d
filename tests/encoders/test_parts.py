# SPDX-License-Identifier: Apache-2.0
"""The part encoder: its codes read their part's box,
and are standardised over the photos it was trained on.
"""

import pytest
import torch

from semveil.encoders.parts import PartEncoder, PartEncoderConfig
from semveil.faces.parts import PARTS

CONFIG = PartEncoderConfig(size=32, style_dim=8, widths=(8, 8, 8, 8), part_channels=4, shared_channels=4)


@pytest.fixture(scope="module")
def encoder() -> PartEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PartEncoder(CONFIG)


def test_codes_are_standardised(encoder: PartEncoder) -> None:
    images = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    codes = encoder.train()(images)
    assert codes.shape == (64, 28, 8)
    torch.testing.assert_close(codes.mean(0), torch.zeros(28, 8), atol=1e-4, rtol=0)
    torch.testing.assert_close(codes.std(0, correction=0), torch.ones(28, 8), atol=0.02, rtol=0)


def test_larger_photos_are_pooled_first(encoder: PartEncoder) -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    enlarged = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(encoder.eval()(enlarged), encoder.eval()(images))


def test_sizes_survive_the_card() -> None:
    assert PartEncoderConfig.from_dict(CONFIG.as_dict()) == CONFIG
    assert CONFIG.codes == 2 + 2 * len(PARTS)
