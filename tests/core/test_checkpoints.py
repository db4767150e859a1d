# SPDX-License-Identifier: Apache-2.0
"""Weight files are read without running code, and loaded without guessing."""

import os
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from semveil.core.checkpoints import (
    BadCheckpoint,
    build_to_fit,
    load_strictly,
    read_checkpoint,
    read_metadata,
)


class Malicious:
    """Runs a command when it is unpickled the unsafe way."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.marker}",)


def test_both_formats_give_the_saved_tensors(tmp_path: Path) -> None:
    state = {"a.weight": torch.randn(3, 2), "a.bias": torch.randn(3)}
    torch.save(state, tmp_path / "x.pt")
    save_file(state, tmp_path / "x.safetensors")
    for file in ("x.pt", "x.safetensors"):
        read = read_checkpoint(tmp_path / file)
        assert read.keys() == state.keys()
        assert all(torch.equal(read[key], state[key]) for key in state)


def test_malicious_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "was_run"
    torch.save({"weight": Malicious(marker)}, tmp_path / "x.pt")
    with pytest.raises(BadCheckpoint, match=r"x\.pt holds more than weights"):
        read_checkpoint(tmp_path / "x.pt")
    assert not marker.exists()


def test_namespace_needs_to_be_allowed(tmp_path: Path) -> None:
    torch.save({"args": Namespace(size=64)}, tmp_path / "x.pt")
    with pytest.raises(BadCheckpoint):
        read_checkpoint(tmp_path / "x.pt")
    assert read_checkpoint(tmp_path / "x.pt", allow=[Namespace])["args"].size == 64
    with pytest.raises(BadCheckpoint):  # the permission ends with the call
        read_checkpoint(tmp_path / "x.pt")


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 cut", b"\x80\x02}q\x00"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_damaged_files_give_one_clear_error(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(BadCheckpoint, match=rf"x\{suffix}") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_truncated_torch_file(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"weight": torch.randn(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(BadCheckpoint, match="damaged"):
        read_checkpoint(path)


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="no weight file"):
        read_checkpoint(tmp_path / "x.pt")
    with pytest.raises(BadCheckpoint, match=r"no weight file .*: it is a folder; name a file in it"):
        read_checkpoint(tmp_path)


def test_a_list_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "x.pt")
    with pytest.raises(BadCheckpoint, match="holds a list"):
        read_checkpoint(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("0.bias"), "missing 0.bias"),
        (lambda s: s.update(extra=torch.zeros(1)), "unknown extra"),
        (lambda s: s.update({"0.bias": torch.zeros(5)}), r"0.bias is \(5,\), expected \(3,\)"),
        (lambda s: s.update({"0.bias": "three"}), "0.bias is str"),
        (lambda s: s.update({"0.bias": torch.zeros(3, dtype=torch.int64)}), "0.bias holds torch.int64"),
        (lambda s: s["0.bias"].fill_(float("nan")), "NaN or infinite values in 0.bias"),
    ],
)
def test_wrong_state_is_refused(change, message: str) -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    state = {key: value.clone() for key, value in network.state_dict().items()}
    change(state)
    with pytest.raises(BadCheckpoint, match=message):
        load_strictly(network, state, name="x.pt")


def test_exact_state_is_loaded_and_the_counter_may_be_absent() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    state = {
        key: torch.randn(value.shape)
        for key, value in network.state_dict().items()
        if "num_batches" not in key
    }
    load_strictly(network, state, name="x.pt")
    assert torch.equal(network[0].weight, state["0.weight"])
    assert torch.equal(network[1].running_var, state["1.running_var"])


class Watched:
    """Builds a network and notes on which devices its weights would have been."""

    def __init__(self, width: int, depth: int = 1) -> None:
        self.width, self.depth, self.devices = width, depth, []

    def __call__(self) -> nn.Module:
        layers = []
        for _ in range(self.depth):
            layers.append(nn.Linear(self.width, self.width))
            nn.init.normal_(layers[-1].weight)  # draws on the meta device too
            self.devices.append(layers[-1].weight.device.type)
        return nn.Sequential(*layers)


STATE = {"0.weight": torch.ones(4, 4), "0.bias": torch.ones(4)}


@pytest.mark.parametrize(
    ("width", "depth", "words"),
    [(2**20, 1, "more than its 20 numbers"), (4, 10**9, "more than its"),
        (3, 1, r"is \(4, 4\), expected \(3, 3\)"),
     (0, 0, "unknown 0.weight"), (-1, 1, "describe no network")],
)  # fmt: skip
def test_settings_that_ask_for_another_network_never_take_memory(width: int, depth: int, words: str) -> None:
    make = Watched(width, depth)
    with pytest.raises(BadCheckpoint, match=words):
        build_to_fit(make, STATE, name="x.pt")
    assert set(make.devices) <= {"meta"} and len(make.devices) <= 1


def test_a_network_that_fits_is_built_filled_and_frozen() -> None:
    make = Watched(4)
    network = build_to_fit(make, STATE, name="x.pt")
    assert make.devices == ["meta", "cpu"]
    assert torch.equal(network(torch.ones(1, 4)), torch.full((1, 4), 5.0))
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    nn.Linear(100, 100)  # the watch over sizes ended with the call


def test_building_a_network_leaves_torchs_global_stream_alone() -> None:
    before = torch.get_rng_state()
    build_to_fit(Watched(4), STATE, name="x.pt")
    assert torch.equal(before, torch.get_rng_state())
    Watched(4)()  # negative control: its constructor draws
    assert not torch.equal(before, torch.get_rng_state())


def test_what_is_beside_weights_is_read_or_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", {"key": "value"})
    assert read_metadata(tmp_path / "a.safetensors") == {"key": "value"}
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    for name in ("a.pt", "absent.safetensors"):
        with pytest.raises(BadCheckpoint, match=name):
            read_metadata(tmp_path / name)
