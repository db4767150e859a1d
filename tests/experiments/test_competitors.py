# SPDX-License-Identifier: Apache-2.0
"""`dp-semcom/competitors` on a tiny model: what is run, kept, drawn and tabled."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from experiments import revisions

from semveil.attacks import ATTACKS
from semveil.encoders.deep_jscc import DeepJSCC, DeepJSCCConfig
from semveil.experiments.dp_semcom import competitors
from semveil.experiments.dp_semcom.competitors import (
    CASES,
    DEEP_JSCC,
    EARS,
    FEWER,
    PRESETS,
    deep_jscc_file,
)
from semveil.experiments.kit.reproduce import reproduce, tables
from semveil.methods.deep_jscc import save_deep_jscc
from semveil.methods.protections import PROTECTIONS
from semveil.metrics import ssim

pytestmark = pytest.mark.slow

# The channels on which fewer Eves listen: those who train networks take half a minute.
PRESET = replace(
    PRESETS["smoke"],
    link=replace(PRESETS["smoke"].link, photos=2, public=30, synthetic=20),
    ears=("AWGN, Eve 10 dB better", "block Rayleigh, Eve 2 antennas"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, Any]:
    """The result, with an untrained DeepJSCC beside the others."""
    out, home = tmp_path_factory.mktemp("competitors"), tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setenv("SEMVEIL_HOME", str(home))
        patch.setitem(PRESETS._entries, "smoke", PRESET)
        by_ssim = lambda photos, images, judge, detect: {"ssim": ssim(images, photos).tolist()}  # noqa: E731
        patch.setattr("semveil.experiments.dp_semcom.security.compare", by_ssim)  # recognisers take a minute
        torch.manual_seed(0)
        network = DeepJSCC(DeepJSCCConfig(size=32, codes=28, style_dim=4, width=8, cap=8)).eval()
        deep_jscc_file(32).parent.mkdir()
        save_deep_jscc(deep_jscc_file(32), network, torch.randn(60, 28, 4), {})
        path = reproduce("dp-semcom/competitors", "smoke", out, model=str(tiny_model))
        patch.setattr(competitors, "_run_cell", lambda *cell: pytest.fail("all cells are kept: none may run"))
        assert reproduce("dp-semcom/competitors", "smoke", out, model=str(tiny_model)) == path
    assert path.stat().st_size > 10_000
    result: dict[str, Any] = json.loads((out / "competitors.json").read_text())
    return result


def test_numbers_are_those_of_the_revision(run: dict[str, Any]) -> None:
    revisions.check(run, absolute=0.15)  # keys are drawn anew


def test_every_protection_meets_every_eve_who_applies(run: dict[str, Any]) -> None:
    assert run["experiment"] == "dp-semcom/competitors"
    assert len(run["cells"]) == 2 * (3 + len(DEEP_JSCC))
    ears = {ear.name: ear for ear in EARS}
    for cell in run["cells"].values():
        names = {eve["attack"] for eve in cell["eves"]}
        kind = PROTECTIONS[cell["protection"].split(",")[0]] if "jscc" not in cell["protection"] else None
        allowed = {*FEWER, "stolen"}
        assert ears[cell["ear"]].attacks == FEWER
        if kind is not None:
            assert names == allowed - ({"glass-box"} if kind.keyed else set())
        assert {"known-plaintext", "recordings", "generative-prior"} <= names


def test_no_trained_pair_and_no_latents_in_clear_get_a_guarantee(run: dict[str, Any]) -> None:
    basis = {cell["protection"]: cell["guarantee"]["basis"] for cell in run["cells"].values()}
    assert basis == {
        "nn-encrypted, nominal 10": "none",
        "learned, nominal 100": "none",
        "rotation": "computational",
        "deep-jscc": "none",
        "deep-jscc, rotation": "computational",
    }


def test_the_table_says_what_is_after_an_abstract(run: dict[str, Any]) -> None:
    text = tables(run)
    for number in ("2504.18581", "2510.23274", "2503.23103"):
        assert number in text
    assert "not reproductions" in text and text.count("| deep-jscc, rotation | computational |") == 2


def test_presets_name_cases_and_channels_that_there_are() -> None:
    for name in PRESETS:
        assert set(PRESETS[name].link.protections) <= {case.name for case in CASES}
        assert set(PRESETS[name].ears) <= {ear.name for ear in EARS}
    assert set(FEWER) <= set(ATTACKS)
    assert [ear.name for ear in EARS if ear.attacks is None] == ["AWGN", "block Rayleigh with pilots"]
