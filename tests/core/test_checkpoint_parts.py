# SPDX-License-Identifier: Apache-2.0
"""One network out of a checkpoint that holds several."""

from argparse import Namespace
from pathlib import Path

import pytest
import torch

from semveil.core.checkpoint_parts import read_part
from semveil.core.checkpoints import BadCheckpoint

WEIGHTS = {"E.bias": torch.ones(1), "G.weight": torch.zeros(2), "D.bias": torch.zeros(1)}


def test_a_training_file_gives_the_part_and_leaves_its_neighbours(tmp_path: Path) -> None:
    path = tmp_path / "epoch.ckpt"
    torch.save({"state_dict": WEIGHTS, "epoch": 3, "hyper_parameters": Namespace(size=256)}, path)
    part, name = read_part(path, "G", beside=("E", "D"))
    assert list(part) == ["weight"] and name == "G of epoch.ckpt"
    assert list(read_part(WEIGHTS, "E", beside=("G", "D"))[0]) == ["bias"]


def test_no_key_is_silently_ignored() -> None:
    with pytest.raises(BadCheckpoint, match=r"unknown D\.bias; expected keys E\.\*, G\.\*"):
        read_part(WEIGHTS, "E", beside="G")
    with pytest.raises(BadCheckpoint, match="unknown Gweight"):
        read_part({**WEIGHTS, "Gweight": torch.zeros(1)}, "G", beside=("E", "D"))
    with pytest.raises(BadCheckpoint, match=r"holds no keys Z\.\*"):
        read_part(WEIGHTS, "Z", beside=("E", "G", "D"))
    with pytest.raises(BadCheckpoint, match="state_dict is a int"):
        read_part({"state_dict": 5}, "E", beside=())
