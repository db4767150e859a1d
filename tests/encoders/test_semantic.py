# SPDX-License-Identifier: Apache-2.0
"""The feed-forward encoder."""

import torch

from semveil.encoders.semantic import SemanticEncoder, SemanticEncoderConfig

CONFIG = SemanticEncoderConfig(size=32, style_dim=8, widths=(4, 4, 8, 8), coarse_channels=8)


def test_codes_take_the_mean_and_spread_of_styles():
    """In training mode a batch is standardised exactly: per coordinate mean style_mean and deviation
    style_std.
    """
    encoder = SemanticEncoder(CONFIG)
    encoder.style_mean.copy_(torch.arange(8.0))
    encoder.style_std.copy_(torch.arange(1.0, 9.0))
    codes = encoder(torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    assert codes.shape == (64, 28, 8)
    torch.testing.assert_close(codes.mean(0), torch.arange(8.0).expand(28, 8), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        codes.std(0, correction=0) / torch.arange(1.0, 9.0), torch.ones(28, 8), atol=2e-2, rtol=0
    )


def test_larger_photos_are_pooled():
    encoder = SemanticEncoder(CONFIG).eval()
    small = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    large = small.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(encoder(large), encoder(small), atol=1e-5, rtol=1e-5)
