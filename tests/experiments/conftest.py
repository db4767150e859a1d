# SPDX-License-Identifier: Apache-2.0
"""A tiny face model with random weights and hardly trained pairs: for the paths through the code, not for
numbers.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from semveil.data.face_set import FaceSet
from semveil.encoders.inversion import InversionSettings
from semveil.encoders.semantic import SemanticEncoder, SemanticEncoderConfig
from semveil.experiments.dp_semcom.setup import PRESETS, VARIANTS
from semveil.generators.semantic_stylegan import SemanticStyleGAN, SemanticStyleGANConfig
from semveil.mechanisms import ClipBox
from semveil.methods.dp_semcom import pair_settings
from semveil.methods.pairs import pair_file, write_pair
from semveil.models.face import load_model
from semveil.models.folder import box_as_dict, save_model
from semveil.models.prior import LatentPrior
from semveil.training.protector import train_pair

SIZE, STYLE_DIM = 32, 4


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the model, with pairs for every nominal epsilon that the smoke preset and the demo use."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = SemanticStyleGAN(
            SemanticStyleGANConfig(
                size=SIZE,
                style_dim=STYLE_DIM,
                mapping_layers=1,
                render_channels=(4,),
                local_channel=4,
                coarse_channel=4,
                coarse_size=16,
                min_feat_size=16,
            )
        )
        encoder = SemanticEncoder(
            SemanticEncoderConfig(
                size=SIZE, style_dim=STYLE_DIM, widths=(4, 4, 4, 4), fine_channels=2, coarse_channels=2
            )
        )
    prior = LatentPrior.fit(
        torch.randn(64, 28, STYLE_DIM, generator=torch.Generator().manual_seed(1)), rank=4
    )
    card = {
        "clip_box": box_as_dict(ClipBox(-2.5, 2.5, source="a test")),
        "inversion": asdict(InversionSettings(steps=2, learning_rate=0.01, mse=1.0, prior=0.01)),
        "perceptual_network": "alex",
    }
    save_model(folder, generator, encoder, prior, card)
    model = load_model(str(folder))
    rng = torch.Generator().manual_seed(2)
    latents = model.public_latents(64, rng=rng)
    smoke = PRESETS["smoke"]
    wanted = {(e, "frozen", "default") for e in (1, 10, 15, 300, 800, *smoke.epsilons)}
    wanted |= {(e, *variant) for e in smoke.noise_epsilons for variant in VARIANTS}
    for epsilon, noise, start in sorted(wanted):
        settings = pair_settings(model, epsilon=epsilon, noise=noise, start=start)
        pair = train_pair(latents, settings, rng=rng, epochs=1)
        write_pair(pair_file(folder / "pairs", settings), pair)
    return folder


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for weights and caches, so that a test neither finds nor leaves anything."""
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def face_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set of 12 noise pictures of 4 people, 8 held out."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (12, SIZE, SIZE, 3), dtype=np.uint8)
    people = np.array([f"Ann Example {i % 4}" for i in range(12)])
    plane = np.full((12, SIZE, SIZE), 255, np.uint8)
    source = np.array([f"lfw/{person}/{i}.jpg" for i, person in enumerate(people)])
    path = tmp_path_factory.mktemp("faces") / "set.npz"
    FaceSet(pixels, plane, plane, source, people, np.where(np.arange(12) >= 4, "test", "training")).save(path)
    return path
