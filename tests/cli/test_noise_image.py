# SPDX-License-Identifier: Apache-2.0
"""`semveil train noise-image`, `protect --method noise-image`, `classify`: the paper's three phases on the
command line.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TINY = (
    "--set", "width=2", "--set", "explainer.epochs=1", "--set", "service.epochs=1",
    "--set", "conversion.steps=2",
    "--set", "conversion.generator.width=2", "--set", "conversion.generator.blocks=1",
    "--set", "conversion.discriminator_width=2", "--set", "conversion.discriminator_halvings=2",
)  # fmt: skip


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes of 16 px, in folders."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("test", 2)):
        for name in ("cat", "dog"):
            folder = tmp_path / "data" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{i}.png")
    return tmp_path / "data"


def test_networks_are_trained_pictures_converted_and_classified(
    semveil: Callable, pictures: Path, tmp_path: Path
) -> None:
    mine, out = tmp_path / "mine", tmp_path / "converted"
    trained = semveil("train", "noise-image", pictures, "--out", mine, *TINY, "--json")
    assert trained.code == 0, trained.stderr
    assert json.loads(trained.stdout)["accuracy"]["chance"] == 0.5

    Image.new("RGB", (40, 30), "red").save(pictures / "test" / "cat" / "large.png")
    converted = semveil(
        "protect", pictures / "test", "--method", "noise-image", "--model", mine, "--out", out, "--json"
    )
    assert converted.code == 0, converted.stderr
    answer = json.loads(converted.stdout)
    assert (answer["photos"]["protected"], answer["guarantee"]["epsilon"]) == (5, None)
    again = semveil("protect", pictures / "test", "--method", "noise-image", "--model", mine, "--out", out)
    (following,) = [line for line in again.stdout.splitlines() if line.startswith("Next: ")]
    assert Path(following.removeprefix("Next: semveil certify ")).is_file()
    with Image.open(out / "cat" / "large.png") as large:
        assert large.size == (16, 16)
    assert "nothing is guaranteed about this picture" in semveil("certify", out / "cat" / "large.png").stdout

    said = semveil("classify", out, "--model", "service", "--networks", mine, "--json")
    assert said.code == 0, said.stderr
    result = json.loads(said.stdout)
    assert [one["class"] in ("cat", "dog") for one in result["pictures"]] == [True] * 5
    right = sum(one["class"] == Path(one["picture"]).parent.name for one in result["pictures"])
    assert result["accuracy"] == right / 5
    assert "Accuracy over 5 pictures" in semveil("classify", out, "--networks", mine).stdout

    (out / "bad.png").write_bytes(b"no picture")
    rest = semveil("classify", out, "--networks", mine, "--json")
    result = json.loads(rest.stdout)
    assert (rest.code, len(result["pictures"]), len(result["refused"])) == (3, 5, 1)
    assert "left out: " in semveil("classify", out, "--networks", mine).stderr

    refused = semveil("classify", pictures / "test", "--networks", mine)
    assert refused.code == 2 and "convert it with: semveil protect --method noise-image" in refused.stderr
    assert semveil("classify", pictures / "test", "--networks", mine, "--model", "explainer").code == 0
    assert "did you mean 'service'" in semveil("classify", out, "--model", "servce").stderr


def test_a_picture_can_be_converted_with_a_guarantee(
    semveil: Callable, pictures: Path, tmp_path: Path
) -> None:
    mine, out = tmp_path / "mine", tmp_path / "private"
    assert semveil("train", "noise-image", pictures, "--out", mine, *TINY).code == 0
    picture = pictures / "test" / "cat" / "0.png"
    answer = semveil(
        "protect", picture, "--method", "noise-image", "--model", mine, "--epsilon", 3, "--out", out, "--json"
    )
    guarantee = json.loads(answer.stdout)["guarantee"]
    assert (guarantee["basis"], round(guarantee["epsilon"], 3)) == ("proved", 3.0)
    assert (
        "with epsilon 3 and delta 1e-05: limited (basis: proved)" in semveil("certify", out / "0.png").stdout
    )


def test_a_data_set_that_is_not_there_is_named(semveil: Callable, tmp_path: Path) -> None:
    answer = semveil("train", "noise-image", tmp_path / "nothing", "--out", tmp_path / "mine")
    assert answer.code == 3 and "name a folder of CIFAR-10 or CIFAR-100" in answer.stderr
