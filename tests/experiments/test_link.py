# SPDX-License-Identifier: Apache-2.0
"""`dp-semcom/channels`, `snr`, `bandwidth`, `cliff`, `mismatch` on a tiny model: what is run, kept, counted
and drawn.
"""

import json
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch
from experiments import revisions

from semveil.attacks import ATTACKS
from semveil.channels import Link, parse_link
from semveil.experiments.dp_semcom.digital import analogue as _analogue
from semveil.experiments.dp_semcom.digital import digital as _digital
from semveil.experiments.dp_semcom.digital import over_snr as _over_snr
from semveil.experiments.dp_semcom.digital import ways
from semveil.experiments.dp_semcom.link_bench import (
    AWGN,
    FADING,
    FAST,
    PRESETS,
    LinkPreset,
    gap,
    run_cell,
    strongest,
)
from semveil.experiments.dp_semcom.security import EVES, Bench
from semveil.experiments.kit.reproduce import reproduce
from semveil.experiments.kit.security_faces import SecurityFaces
from semveil.experiments.kit.statistics import value as mean
from semveil.link.eves import hear
from semveil.methods.dp_semcom import DPSemCom
from semveil.metrics import ssim
from semveil.models.face import load_model

pytestmark = pytest.mark.slow

SMOKE = PRESETS["smoke"]
RUNS = ("channels", "snr", "bandwidth", "cliff", "mismatch")


def tiny_preset(name: str) -> LinkPreset:
    """Few cells, so that the tests are quick; all Eves on one of them."""
    few = replace(SMOKE, photos=2, public=40, synthetic=0, csi=(AWGN,), repetitions=(1,), ways=("bound",))
    few = replace(few, digital_uses=(8, 64), cliff_uses=32, offsets_db=(-1.0, 0.0))
    few = replace(few, trained_db=((0.0, 0.0), (20.0, 20.0)), trained_latents=512, epochs=20)
    return few if name == "snr" else replace(few, protections=("rotation",), fully=(FADING,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    out = tmp_path_factory.mktemp("link")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMVEIL_HOME", str(tmp_path_factory.mktemp("home")))
        for name in RUNS:
            patch.setitem(PRESETS._entries, "smoke", tiny_preset(name))
            reproduce(f"dp-semcom/{name}", "smoke", out, model=str(tiny_model))
    return out


def result(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text())


@pytest.mark.parametrize("name", RUNS)
def test_each_has_its_numbers_and_its_figure(folder: Path, name: str) -> None:
    assert (folder / f"{name}.png").stat().st_size > 10_000
    assert result(folder, name)["experiment"] == f"dp-semcom/{name}"


@pytest.mark.parametrize("name", RUNS)
def test_numbers_are_those_of_the_revision(folder: Path, name: str) -> None:
    # keys are drawn anew, and an FPPSR of two photos is 0, .5 or 1
    revisions.check(result(folder, name), absolute=0.15)


def test_all_eves_listen_on_the_first_channels_and_the_strongest_on_others(folder: Path) -> None:
    cells = result(folder, "channels")["cells"]
    everybody = {name for name in EVES if "repeats" not in ATTACKS[name].needs}
    assert len(cells) == 2
    for name, cell in cells.items():
        assert cell["channel"] in name
        heard = {eve["attack"] for eve in cell["eves"]}
        assert heard == (everybody if cell["channel"] == FADING else set(FAST))
    faded = cells[f"rotation | {FADING}"]["bandwidth"]
    assert faded["overhead"] == 8 and faded["side"] == 32 + 8 * (28 * 4 + 16 + 32)


@pytest.fixture
def bench(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Photos that are exactly what the generator makes, so that quality follows the channel; SSIM alone."""
    monkeypatch.setattr(
        "semveil.experiments.dp_semcom.security.compare",
        lambda photos, images, judge, detect: {"ssim": ssim(images, photos).tolist()},
    )
    model = load_model(str(tiny_model))
    codes = model.box.clip(model.public_latents(8, rng=torch.Generator().manual_seed(0)))
    images = model.generator.synthesize(codes).detach().clamp(-1, 1)
    public = model.public_latents(40, rng=torch.Generator().manual_seed(1))
    nobody = torch.empty(0)
    faces = SecurityFaces(images, tuple("abcdefgh"), nobody, nobody, public, {}, "made")
    return Bench(tiny_preset("snr"), model, faces, codes, public, None, nobody, {})  # type: ignore[arg-type]


def test_bob_gets_better_with_his_snr_and_has_the_advantage_under_a_key(bench: Bench) -> None:
    snrs = (0.0, 20.0)
    cells = {
        name: run_cell(bench, name, AWGN, bob_snrs=snrs, eve_snrs=snrs, attacks=("direct", "linear"))
        for name in ("none", "rotation")
    }
    for cell in cells.values():
        assert mean(cell["bob"][1], "ssim") > mean(cell["bob"][0], "ssim") + 0.01
    assert gap(cells["rotation"], "ssim", 20.0, 20.0) > 0.05
    assert abs(gap(cells["none"], "ssim", 20.0, 20.0)) < 0.05 < gap(cells["none"], "ssim", 20.0, 0.0)


def test_repetition_helps_and_below_its_snr_the_digital_picture_is_gone(bench: Bench) -> None:
    once, often = _analogue(bench, 1), _analogue(bench, 8)
    assert mean(often["bob"][0], "ssim") > mean(once["bob"][0], "ssim") and often["ratio"] > once["ratio"]
    uses = 64 * 28 * 4 // 2
    digital = _digital(bench, "jpeg", "bound", 64)
    assert digital["bytes"] <= uses * 6.66 / 8
    for header, size in zip(digital["header"], digital["file"], strict=True):
        assert 0 < header < size < digital["bytes"]
    made_for, worse = digital["bob"]
    assert mean(made_for, "ssim") > mean(worse, "ssim") + 0.1 and (made_for["lost"], worse["lost"]) == (0, 1)
    assert _digital(bench, "jpeg", "bound", 1)["file"] == [None] * 8  # 46 bytes are no picture


def test_latents_need_few_bytes_and_fall_off_the_same_cliff(bench: Bench) -> None:
    cell = _over_snr(bench, AWGN, Link(), "latents", "bound")
    assert [party["lost"] for party in cell["bob"]] == [1, 0]
    assert mean(cell["bob"][1], "ssim") > 0.99  # the photos are what the generator makes
    small = _digital(bench, "latents", "bound", 2)
    assert small["bytes"] == 93 and small["file"] == [93 - 28] * 8 and mean(small["bob"][0], "ssim") > 0.5
    low = replace(bench, preset=replace(bench.preset, snr_db=3.0))
    assert _digital(low, "latents", "bound", 1)["file"] == [None] * 8  # 11 bytes hold no seal


def test_real_codes_carry_less_and_fail_a_little_later(bench: Bench) -> None:
    pytest.importorskip("sionna", reason="needs sionna-no-rt: pip install 'semveil[channels]'")
    made = replace(bench, preset=replace(bench.preset, offsets_db=(-8.0, 0.0), cliff_uses=16))
    link = parse_link(FADING)
    bound, coded = (_over_snr(made, FADING, link, "latents", way) for way in ("bound", "5g"))
    assert coded["bytes"] < bound["bytes"] and coded["bob"][0]["lost"] > 0.9 and coded["bob"][1]["lost"] < 0.5
    assert mean(coded["bob"][1], "ssim") > mean(coded["bob"][0], "ssim")


def test_pairs_are_trained_for_what_they_say(folder: Path) -> None:
    cells = result(folder, "mismatch")["cells"]
    assert set(cells) == {f"{channel} | {snr}..{snr}" for channel in (AWGN, FADING) for snr in (0, 20)}
    for cell in cells.values():
        assert [(party["channel"], party["snr_db"]) for party in cell["bob"]] == [
            (channel, snr) for channel in (AWGN, FADING) for snr in (5.0, 20.0)
        ]


def test_results_say_where_the_codes_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("semveil.experiments.dp_semcom.digital.version", missing)
    carried, said = ways(("bound", "5g"))
    assert carried == ("bound",) and "extra channels" in said


def test_the_strongest_eve_is_the_nearest_and_never_the_control() -> None:
    eves = [
        {"attack": name, "snr_db": 5.0, "lpips": [value] * 3, "ssim": [1 - value] * 3}
        for name, value in (("direct", 0.4), ("linear", 0.1), ("stolen", 0.0))
    ]
    cell = {
        "eves": [*eves, {**eves[1], "snr_db": 9.0, "lpips": [0.05] * 3}],
        "bob": [{"snr_db": 1.0, "lpips": [0.02] * 3}],
    }
    for metric in ("lpips", "ssim"):
        assert strongest(cell, metric, 5.0)["attack"] == "linear"
    assert gap(cell, "lpips", 1.0, 5.0) == pytest.approx(0.08)


def test_done_cells_are_kept(folder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "channels.json").read_text()
    monkeypatch.setitem(PRESETS._entries, "smoke", tiny_preset("channels"))
    monkeypatch.setattr(
        "semveil.experiments.dp_semcom.link_bench.run_cell", lambda *cell: pytest.fail("nothing may run")
    )
    reproduce("dp-semcom/channels", "smoke", folder, model=str(tiny_model))
    assert (folder / "channels.json").read_text() == before


def test_what_a_receiver_expects_is_the_error_that_it_has(tiny_model: Path) -> None:
    """The noise variance handed to the attacks, per code, against the codes' true error over fading."""
    model = load_model(str(tiny_model))
    method = DPSemCom(model, protection="none")
    codes = model.public_latents(400, rng=torch.Generator().manual_seed(0))
    sent = method.send_codes(codes)
    link = parse_link("rayleigh:coherence=8,csi=perfect,equaliser=mmse")
    heard, variance = hear(method, sent, 10.0, torch.Generator().manual_seed(1), link)
    error = (method.heard_codes(heard) - model.box.clip(codes)).square().mean(2)
    assert float(error.mean()) == pytest.approx(float(variance.mean()), rel=0.1)
    assert torch.corrcoef(torch.stack([error.flatten(), variance.flatten().float()]))[0, 1] > 0.5
