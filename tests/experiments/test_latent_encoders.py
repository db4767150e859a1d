# SPDX-License-Identifier: Apache-2.0
"""latent-dp's encoder stands beside the model's own, on the same photos, and says what stood in for absent
weights.
"""

from pathlib import Path

import torch

from semveil.experiments.kit.photo_sets import public_photos
from semveil.experiments.latent_dp.encoders import compared
from semveil.models.face import load_model
from semveil.recognition import ImageFeatures


def test_both_encoders_are_measured(tiny_model: Path, monkeypatch) -> None:
    model = load_model(str(tiny_model))
    photos = public_photos(model, 2)
    text = compared(model, photos, steps=2)
    own, deep = [
        line for line in text.splitlines() if line.startswith("| the model's") or line.startswith("| [LDP]")
    ]
    assert "no weights of VGG16" in deep and "not measured" in deep and "not measured" in own

    class Colours(ImageFeatures):
        net = "colours"

        def __init__(self) -> None:
            torch.nn.Module.__init__(self)

        def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
            return [images.mean((2, 3), keepdim=True)]

    monkeypatch.setattr(ImageFeatures, "best_available", classmethod(lambda cls: Colours()))
    assert "features of colours" in compared(model, photos, steps=2)
