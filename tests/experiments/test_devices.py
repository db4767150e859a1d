# SPDX-License-Identifier: Apache-2.0
"""Experiments whose models lie on another device:
what they compute follows the models, and the numbers stay.
"""

import json
from pathlib import Path

import pytest
from pretend_device import pretended

from semveil.core.device import loading_onto
from semveil.experiments.demo.demo import demo


@pytest.mark.slow
def test_the_demo_computes_on_a_device(tiny_model: Path, tmp_path: Path) -> None:
    told = {}
    with pretended() as there:
        for name, device in (("there", there), ("here", "cpu")):
            with loading_onto(device):
                demo(tmp_path / name, model=str(tiny_model))
            told[name] = json.loads((tmp_path / name / "result.json").read_text())["images"]
    for on_it, here in zip(told["there"], told["here"], strict=True):
        assert on_it["bob"]["psnr"] == pytest.approx(here["bob"]["psnr"], abs=0.05)
