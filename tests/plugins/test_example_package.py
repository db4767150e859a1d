# SPDX-License-Identifier: Apache-2.0
"""A noise law and a channel of another package work by their names, in Python and on the command line."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from scipy import stats
from skimage import data

import semveil
from semveil.channels import CHANNELS, parse_link
from semveil.mechanisms import MECHANISMS, ClipBox, ExactRelease
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel
from semveil.methods.messages import method_for_bob, to_message
from semveil.methods.protections import PROTECTIONS
from semveil.models.face import load_model
from semveil.privacy.guarantee import Basis

SRC, EXAMPLE = Path(__file__).resolve().parents[2] / "src", Path(__file__).parent / "example_package"


def test_nothing_of_it_is_there_before_it_is_installed() -> None:
    assert "logistic" not in MECHANISMS and "impulsive" not in CHANNELS and "logistic" not in PROTECTIONS


@pytest.mark.usefixtures("installed")
def test_the_law_keeps_its_distribution_and_its_map() -> None:
    law = MECHANISMS["logistic"].calibrate(
        ClipBox(0.0, 1.0).sensitivity(MECHANISMS["logistic"].norm, 4), epsilon=2.0
    )
    assert law.scale == 2.0
    for drawn in (
        law(torch.zeros(1, 4000), rng=torch.Generator().manual_seed(0)),
        ExactRelease(law)(torch.zeros(1, 4000)),
    ):
        assert stats.kstest(drawn[0].numpy(), stats.logistic(scale=2.0).cdf).pvalue > 1e-6
        # the check can fail
        assert stats.kstest(drawn[0].numpy(), stats.laplace(scale=2.0).cdf).pvalue < 1e-6
    # The privacy map against the law itself: the largest log ratio of densities at distance 1 is 1 / scale.
    x = torch.linspace(-60, 60, 2001, dtype=torch.float64).numpy()
    density = stats.logistic(scale=2.0).logpdf
    assert abs(density(x) - density(x - 1)).max() == pytest.approx(0.5, rel=1e-6)


@pytest.mark.usefixtures("installed")
def test_the_law_is_a_protection_and_bob_reads_the_message(tiny_model_folder: Path) -> None:
    model = load_model(str(tiny_model_folder))
    method = DPSemCom(model, mechanism="logistic", epsilon=50.0)
    codes = model.public_latents(2, rng=torch.Generator().manual_seed(0))
    message = to_message(method, method.send_codes(codes))
    claim = method.guarantee()
    assert (method.protection, message.protection) == ("logistic", "logistic")
    assert claim.basis == Basis.PROVED and claim.epsilon == pytest.approx(50.0)
    assert method_for_bob(message, model).kind.genuine_noise
    # What is heard of the private block is the clipped block and noise of the law's deviation.
    block = model.box.clip(codes)[:, list(method.private_codes)]
    noise = method.heard_codes(method.send_codes(codes))[:, list(method.private_codes)] - block
    deviation = method.protector.mechanism.coordinate_std(1)
    assert noise.std().item() == pytest.approx(deviation, rel=5 / math.sqrt(2 * noise.numel()) * 1.5)
    with pytest.raises(ValueError, match="genuine noise and no part of protection 'rotation'"):
        DPSemCom(model, mechanism="logistic", protection="rotation")
    with pytest.raises(ValueError, match=r"no mechanism named 'logistc' \(did you mean 'logistic'"):
        DPSemCom(model, mechanism="logistc")


@pytest.mark.usefixtures("installed")
def test_the_law_is_a_mechanism_of_latent_dp() -> None:
    method = LatentDP(LatentModel.example(), mechanism="logistic", epsilon=2.0)
    release = method.protect(torch.zeros(1, 3, 2, 2))
    made = method.certificate(release)
    assert (made.mechanism, release.guarantee.basis) == ("logistic", Basis.PROVED)
    assert release.guarantee.epsilon == pytest.approx(2.0) and made.grid_step is not None


@pytest.mark.usefixtures("installed")
def test_the_channel_keeps_the_stated_power() -> None:
    link = parse_link("impulsive:probability=0.1,ratio=50")
    sent = torch.ones(4, 20_000, dtype=torch.complex64)
    noise = link.channel(sent, 10.0, torch.Generator().manual_seed(0)).received - sent
    power = noise.abs().square().double()
    # The mean square of a mixture of exponentials: 10^-1; five deviations of its mean.
    assert power.mean().item() == pytest.approx(0.1, abs=5 * power.std().item() / math.sqrt(power.numel()))
    assert power.square().mean() / power.mean() ** 2 > 4  # heavier tails than a normal channel's 2


def test_both_on_the_command_line(installed: Path, tiny_model_folder: Path, tmp_path: Path) -> None:
    photo, message = tmp_path / "photo.png", tmp_path / "m.svl"
    Image.fromarray(data.astronaut()[0:220, 120:330]).save(photo)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, (SRC, installed, EXAMPLE))),
        "SEMVEIL_HOME": str(tmp_path / "home"),
        "OMP_NUM_THREADS": "1",
    }

    def semveil(*words: object) -> dict[str, Any]:
        command = [
            sys.executable,
            "-m",
            "semveil",
            *map(str, words),
            "--model",
            str(tiny_model_folder),
            "--json",
        ]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    sent = semveil("send", photo, "--mechanism", "logistic", "--epsilon", "50", "--out", message)
    assert (sent["protection"], sent["certificate"]["guarantee"]["basis"]) == ("logistic", "proved")
    channel = ("--channel", "impulsive:ratio=20", "--seed", "1")
    assert semveil("receive", message, "--out", tmp_path / "bob.png", *channel)["protection"] == "logistic"
    assert (tmp_path / "bob.png").is_file()


@pytest.mark.usefixtures("installed")
def test_transmit_takes_both_in_one_call(tiny_model_folder: Path) -> None:
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    sent = semveil.transmit(
        image, model=str(tiny_model_folder), mechanism="logistic", epsilon=50.0, channel="impulsive", seed=3
    )
    assert sent.summary["config"]["channel"] == "impulsive" and sent.certificate.mechanism == "logistic"
