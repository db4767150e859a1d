# SPDX-License-Identifier: Apache-2.0
"""A tiny model with random weights, a photo with one face,
and the command line in this process or another.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cli.tiny import SRC, make_model
from PIL import Image


@dataclass(frozen=True)
class Outcome:
    """What a command line answered."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SEMVEIL_HOME with the model `tiny` and its pair for epsilon 10, barely trained."""
    folder = tmp_path_factory.mktemp("home")
    make_model(folder / "models" / "tiny")
    before = os.environ.get("SEMVEIL_HOME")
    os.environ["SEMVEIL_HOME"] = str(folder)
    from semveil.cli.main import main

    try:
        assert main(["train", "protector", "--model", "tiny", "--epochs", "1"]) == 0
    finally:
        os.environ.pop("SEMVEIL_HOME")
        if before is not None:
            os.environ["SEMVEIL_HOME"] = before
    return folder


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The astronaut's face, cut out of scikit-image's portrait, with GPS in its EXIF."""
    from skimage import data

    path = tmp_path_factory.mktemp("photos") / "private name.jpg"
    exif = Image.Exif()
    exif[0x010E] = "secret description"
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(data.astronaut()[0:220, 120:330]).save(path, quality=95, exif=exif)
    return path


@pytest.fixture
def semveil(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run a command line in this process."""
    from semveil.cli.main import main

    monkeypatch.setenv("SEMVEIL_HOME", str(home))
    monkeypatch.delenv("SEMVEIL_DEBUG", raising=False)

    def call(*arguments: str | Path) -> Outcome:
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def process(home: Path) -> Callable[..., Outcome]:
    """Run a command line in a process of its own."""

    def call(*arguments: str | Path) -> Outcome:
        environment = {
            **os.environ,
            "SEMVEIL_HOME": str(home),
            "PYTHONPATH": str(SRC),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "semveil", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def failed() -> Callable[[Outcome, int, str], None]:
    """Assert that a command line failed as it should:
    one line on stderr, nothing on stdout, the exit code.
    """

    def check(outcome: Outcome, code: int, words: str) -> None:
        lines = outcome.stderr.splitlines()
        assert len(lines) == 1, outcome
        assert lines[0].startswith("semveil: error: ")
        assert words in lines[0]
        assert (outcome.code, outcome.stdout) == (code, "")

    return check


@pytest.fixture
def pixels() -> Callable[[Path], np.ndarray]:
    """Read a picture."""
    return lambda path: np.asarray(Image.open(path))


@pytest.fixture(scope="session")
def face_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve labelled 32 px pictures, one of them held out."""
    from semveil.data.face_set import FaceSet

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, 32, 32, 3), np.uint8)
    names = np.array([f"lfw/{i}" for i in range(12)])
    labels = rng.integers(0, 13, (12, 32, 32)).astype(np.uint8)
    path = tmp_path_factory.mktemp("faces") / "faces.npz"
    FaceSet(
        pixels,
        np.full((12, 32, 32), 255, np.uint8),
        labels,
        names,
        names,
        np.where(np.arange(12) == 11, "test", "training"),
    ).save(path)
    return path


@pytest.fixture(scope="session")
def quick() -> list[str]:
    """Settings that make a generator's training trivial."""
    generator = {
        "size": 32, "style_dim": 4, "part_hidden": 4, "part_channels": 4, "features": 4, "grid": 16,
        "render_channels": [8, 4],
    }  # fmt: skip
    encoder = {"size": 32, "style_dim": 4, "widths": [4, 4, 8, 8], "part_channels": 4, "shared_channels": 4}
    settings = {
        "steps": 2,
        "batch": 8,
        "perceptual": 0,
        "features": 0,
        "discriminator_width": 8,
        "adversarial_from": 1,
    }
    settings |= {f"generator.{k}": v for k, v in generator.items()} | {
        f"encoder.{k}": v for k, v in encoder.items()
    }
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
