# SPDX-License-Identifier: Apache-2.0
"""A model folder of random weights, and where the sources lie."""

from pathlib import Path

import torch

SRC = Path(__file__).resolve().parents[2] / "src"


def make_model(folder: Path, *, seed: int = 0) -> Path:
    """A model folder of random weights, small enough to train pairs for in seconds."""
    from semveil.encoders.semantic import SemanticEncoder, SemanticEncoderConfig
    from semveil.generators.semantic_stylegan import SemanticStyleGAN, SemanticStyleGANConfig
    from semveil.models.folder import save_model
    from semveil.models.prior import LatentPrior

    config = SemanticStyleGANConfig(
        size=32,
        style_dim=4,
        mapping_layers=1,
        channel_multiplier=0.0625,
        channel_cap=8,
        depth_layers=3,
        local_layers=4,
        local_channel=4,
        coarse_channel=8,
        coarse_size=16,
    )
    widths = {"widths": (4, 4, 8, 8), "fine_channels": 2, "coarse_channels": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = SemanticStyleGAN(config)
        encoder = SemanticEncoder(SemanticEncoderConfig(size=32, codes=28, style_dim=4, **widths))
        prior = LatentPrior.fit(torch.randn(40, 28, 4), rank=4)
    card = {
        "clip_box": {"lower": -2.0, "upper": 2.0, "source": "a test"},
        "inversion": {"steps": 3, "learning_rate": 0.05, "mse": 1.0, "prior": 0.01},
        "perceptual_network": "alex",
        "terms": "random weights, for tests",
    }
    save_model(folder, generator, encoder, prior, card)
    return folder
