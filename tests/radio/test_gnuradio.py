# SPDX-License-Identifier: Apache-2.0
"""The recording through GNU Radio's channel model and back: `make test-all`, where GNU Radio 3.10 is
installed.
"""

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from semveil.channels import Message, awgn
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.messages import heard, to_message
from semveil.methods.shared_key import SharedKey
from semveil.models.face import load_model

PYTHON = "/usr/bin/python3"  # Debian's, which its gnuradio is for


def gnuradio() -> str | None:
    """Why the loop cannot run; None where it can."""
    if not os.environ.get("SEMVEIL_TEST_ALL"):
        return "runs under `make test-all`"
    found = subprocess.run([PYTHON, "-c", "from gnuradio import channels"], capture_output=True, check=False)
    return None if found.returncode == 0 else "needs GNU Radio 3.10: apt-get install gnuradio"


pytestmark = pytest.mark.skipif(gnuradio() is not None, reason=str(gnuradio()))


def through_gnuradio(
    recording: Path, *, snr_db: float, carrier: float, clock: float, taps: tuple[str, ...]
) -> Path:
    """Put a recording pair through the channel model; carrier in cycles per symbol of four samples."""
    data, out = recording.with_suffix(".sigmf-data"), recording.with_name("heard.sigmf-data")
    samples = np.fromfile(data, np.complex64)
    loud = samples[np.abs(samples) > 1e-4 * np.abs(samples).max()]
    # a symbol's energy is four samples'
    noise = float(np.sqrt(np.mean(np.abs(loud) ** 2) * 4 * 10 ** (-snr_db / 10)))
    script = Path(__file__).with_name("flow_graph.py")
    words = [str(data), str(out), repr(noise), repr(carrier / 4), repr(1 + clock), "7", *taps]
    subprocess.run([PYTHON, str(script), *words], check=True, capture_output=True, timeout=300)
    out.with_suffix(".sigmf-meta").write_bytes(recording.read_bytes())
    return out.with_suffix(".sigmf-meta")


@dataclass(frozen=True, eq=False)
class Loop:
    """What went through the channel model, and each party's pictures of it."""

    sent: Message
    read: Message
    source: torch.Tensor
    bob: torch.Tensor
    ideal: torch.Tensor
    eve: torch.Tensor
    control_snr_db: float
    noise: float


@pytest.fixture(scope="module", params=[("1",), ("1", "0", "0.2j", "0", "-0.1")], ids=["direct", "echoes"])
def loop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """20 dB, 200 ppm, a carrier off by 1 % of the symbol rate."""
    pytest.importorskip("sigmf", reason="needs sigmf: pip install 'semveil[iq]'")
    from semveil.radio.bursts import receive_recording, send_recording

    folder, model = tmp_path_factory.mktemp("loop"), load_model("faces-128")
    method = DPSemCom(model, key=SharedKey.fresh())
    codes = model.box.clip(model.public_latents(4, rng=torch.Generator().manual_seed(0)))
    message = to_message(method, method.send_codes(codes))
    send_recording(folder / "m.sigmf-meta", message)
    recording = through_gnuradio(
        folder / "m.sigmf-meta", snr_db=20.0, carrier=0.01, clock=2e-4, taps=request.param
    )
    read = receive_recording(recording)
    sent = heard(message, snr_db=300.0)
    noisy = awgn(message.symbols, 20.0, rng=torch.Generator().manual_seed(1))
    return Loop(
        sent=message,
        read=read,
        source=method.synthesize(codes),
        bob=method.receive(heard(read)),
        ideal=method.receive(replace(sent, symbols=noisy)),
        eve=DPSemCom(model, protection="rotation").eavesdrop(heard(receive_recording(recording))),
        control_snr_db=receive_recording(folder / "m.sigmf-meta").snr_db or 0.0,
        noise=10 ** (-1.8 if request.param == ("1",) else -1.6),
    )


def squared(pictures: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Mean squared error of each picture."""
    return (pictures.clamp(-1, 1) - source.clamp(-1, 1)).square().mean((1, 2, 3))


def test_bobs_picture_survives_gnuradios_channel(loop: Loop) -> None:
    assert loop.read.keyed == loop.sent.keyed and loop.read.snr_db > 18
    assert float((loop.read.symbols - loop.sent.symbols).abs().square().mean()) < loop.noise
    assert float(squared(loop.bob, loop.source).mean()) < 1.6 * float(squared(loop.ideal, loop.source).mean())
    assert loop.control_snr_db > loop.read.snr_db + 10  # without the channel it is better


def test_bobs_picture_is_within_hundredths_of_lpips(loop: Loop) -> None:
    """Within .02 LPIPS of the ideal link."""
    from semveil.core.weights import WeightsMissing
    from semveil.metrics import lpips

    try:
        bob, ideal = (
            lpips(images.clamp(-1, 1), loop.source.clamp(-1, 1)).mean() for images in (loop.bob, loop.ideal)
        )
    except WeightsMissing as missing:
        pytest.skip(f"needs the weights of LPIPS: {missing}")
    assert float(bob - ideal) < 0.02


def test_eve_sees_no_face_like_the_source_in_the_same_recording(loop: Loop) -> None:
    """Without the key her pictures are about as far from their sources as from another person's."""
    eve = squared(loop.eve, loop.source)
    assert (eve > 4 * squared(loop.bob, loop.source)).all()
    assert float(eve.mean()) > 0.5 * float(squared(loop.eve, loop.source.roll(1, 0)).mean())
