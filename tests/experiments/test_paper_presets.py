# SPDX-License-Identifier: Apache-2.0
"""Every preset `paper` runs through: one photo, one step of what takes steps, small networks in place of
official weights.

noise-image's, whose networks need no weights, is in test_paper_noise_image.py at its full sizes.
"""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from semveil.experiments.dp_semcom.setup import PRESETS
from semveil.experiments.identity_dp.presets import IDENTITY_PRESETS
from semveil.experiments.kit.experiment import EXPERIMENTS, find, load_paper
from semveil.experiments.kit.latent_presets import LATENT_PRESETS
from semveil.experiments.kit.reproduce import reproduce
from semveil.models.face import PAPER_BOX
from semveil.training import protector

CUTS: dict[str, dict[str, Any]] = {
    "dp-semcom": {  # LPIPS's weights are official ones too
        "photos": 2,
        "epsilons": (800,),
        "pictured": 1,
        "pictured_epsilons": (800,),
        "noise_epsilons": (10,),
        "perceptual": None,
    },
    "latent": {"photos": 2, "distance_photos": 3, "shown_pairs": 2, "pictured": 1, "detected": 1, "draws": 2},
    "identity-dp": {"photos": 2, "compared": 2, "pictured": 2, "detected": 1, "draws": 2, "candidates": 2},
}
OTHER = {"search_steps": 1, "scales": (0.5,), "epsilons_per_coordinate": (1.0,), "noises": 1, "groups": 1}


def one_of_each_run(paper: str) -> list[str]:
    """Several figures show one run."""
    load_paper(paper)
    return [
        f"{paper}/{list(EXPERIMENTS[name].figures)[-1]}"
        for name in EXPERIMENTS
        if name.startswith(f"{paper}/") and EXPERIMENTS[name].figures
    ]


def shrink(registry: Any, monkeypatch: pytest.MonkeyPatch, cut: dict[str, Any]) -> None:
    """The paper's preset with less of everything, and public pictures in place of held-out photos; all else
    stays.
    """
    monkeypatch.setitem(registry._entries, "paper", replace(registry["paper"], needs_data=False, **cut))


@pytest.mark.parametrize("figure", ["fig3", "fig5", "noise"])
def test_dp_semcom(figure: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(PRESETS, monkeypatch, CUTS["dp-semcom"])
    monkeypatch.setattr(protector, "PUBLIC_LATENTS", 64)
    monkeypatch.setattr(protector, "train_pair", partial(protector.train_pair, epochs=1))
    png = reproduce(f"dp-semcom/{figure}", "paper", tmp_path, model=str(tiny_model), verifier="dlib")
    result = json.loads(png.with_name(find(f"dp-semcom/{figure}").file).read_text())
    box = result["config"]["model"]["clip_box"]
    assert "1000 synthetic latents" in box["source"] and box["lower"] != PAPER_BOX.lower
    assert result["seeds"] == [0, 1, 2] and png.is_file()


@pytest.mark.parametrize("figure", one_of_each_run("dp-image"))
def test_dp_image(figure: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(LATENT_PRESETS, monkeypatch, CUTS["latent"] | OTHER)
    assert reproduce(figure, "paper", tmp_path, model=str(tiny_model), verifier="dlib").is_file()


@pytest.mark.parametrize("figure", one_of_each_run("latent-dp"))
def test_latent_dp(figure: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(LATENT_PRESETS, monkeypatch, CUTS["latent"] | OTHER)
    assert reproduce(figure, "paper", tmp_path, model=str(tiny_model), verifier="dlib").is_file()


@pytest.mark.parametrize("figure", ["identity-dp/fig4", "identity-dp/table1"])
def test_identity_dp(figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(IDENTITY_PRESETS, monkeypatch, CUTS["identity-dp"] | {"epsilons": (0.57, 6.0)})
    assert reproduce(figure, "paper", tmp_path, model="identity-128", verifier="dlib").is_file()
