# SPDX-License-Identifier: Apache-2.0
"""Both Frechet distances stand in results, each under the name of its features, or say why not."""

from pathlib import Path

import pytest
import torch

from semveil.experiments.kit.set_distance import UNSEEN, SetFeatures, shown_distances
from semveil.metrics import frechet_distance, moments


class Colours:
    def __init__(self, metric: str, power: int) -> None:
        self.metric, self.power = metric, power

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images.pow(self.power).mean((2, 3))


def test_each_network_has_its_say() -> None:
    source, images = torch.rand(2, 9, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    networks = Colours("frechet_first", 1), Colours(UNSEEN, 2)
    features = SetFeatures(dict(zip(("frechet", UNSEEN), networks, strict=True)), {})
    found = features.distances(features.of(source), images)
    assert features.names == ["frechet_first", UNSEEN] and found["frechet_metric"] == "frechet_first"
    for key, network in zip(("frechet", UNSEEN), networks, strict=True):
        assert found[key] == pytest.approx(
            frechet_distance(moments(source, network), moments(images, network)), abs=1e-4
        )
    assert found["frechet"] != found[UNSEEN]


def test_what_is_missing_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    features = SetFeatures.load()
    found = features.distances(features.of(torch.zeros(2, 3, 64, 64)), torch.zeros(2, 3, 64, 64))
    assert features.names is None and found["frechet"] is found[UNSEEN] is None
    assert (
        "models get squeezenet1_1" in found[f"{UNSEEN}_reason"]
        and "models get alexnet" in found["frechet_reason"]
    )
    assert shown_distances(found) == "not measured"
