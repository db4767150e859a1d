# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# how long an example takes says how busy the machine is
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long runs under `make test-all`, or where it is asked for by mark."""
    if os.environ.get("SEMVEIL_TEST_ALL") or config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="takes long: runs under make test-all"))


def _shared() -> Path:
    return Path(os.environ.get("SEMVEIL_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The developers' folder of photos, weights and parity numbers; users do not have it."""
    path = _shared()
    if not path.is_dir():
        pytest.skip(f"needs the developers' data folder, looked for in {path} (set SEMVEIL_SHARED)")
    return path


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the real layout with random weights, 32 px: for plumbing, never for figures."""
    import torch

    from semveil.encoders.semantic import SemanticEncoder, SemanticEncoderConfig
    from semveil.generators.semantic_stylegan import SemanticStyleGAN, SemanticStyleGANConfig
    from semveil.mechanisms import ClipBox
    from semveil.models.folder import box_as_dict, save_model
    from semveil.models.prior import LatentPrior

    rng = torch.Generator().manual_seed(11)
    with torch.random.fork_rng():
        torch.manual_seed(11)
        generator = SemanticStyleGAN(
            SemanticStyleGANConfig(
                size=32, style_dim=8, mapping_layers=2, channel_cap=8, depth_layers=4, local_layers=6,
                local_channel=8, coarse_channel=8, coarse_size=16, min_feat_size=8,
            )
        )  # fmt: skip
        encoder = SemanticEncoder(
            SemanticEncoderConfig(size=32, style_dim=8, widths=(4, 4, 8, 8), coarse_channels=8)
        )
    latents = torch.randn(64, 28, 8, generator=rng)
    folder = tmp_path_factory.mktemp("models") / "tiny-32"
    card = {
        "clip_box": box_as_dict(ClipBox(-2.0, 2.0, source="test")),
        "inversion": {"steps": 5, "learning_rate": 0.05, "mse": 1.0, "prior": 0.01},
        "perceptual_network": "alex",
    }
    save_model(folder, generator, encoder, LatentPrior.fit(latents, rank=4), card)
    return folder
