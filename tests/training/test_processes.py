# SPDX-License-Identifier: Apache-2.0
"""Several processes train what one would: same weights in all, gradients of the whole batch."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from training import two_processes

from semveil.core.device import DeviceError
from semveil.training.draws import Draws
from semveil.training.processes import ALONE, Processes, joined

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What two processes leave that torchrun started."""
    out = tmp_path_factory.mktemp("runs")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}",
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, two_processes.__file__, str(out)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    with two_processes.doubles():
        return {name: two_processes.once(name, ALONE) for name in two_processes.TRAININGS}


@pytest.mark.parametrize("training", two_processes.TRAININGS)
def test_all_processes_hold_the_same_weights(training: str, runs: list[dict[str, Any]]) -> None:
    first, second = (run[training] for run in runs)
    for part in ("state", "averages", "gradients"):
        assert first[part].keys() == second[part].keys()
        assert all(torch.equal(first[part][name], second[part][name]) for name in first[part]), part


@pytest.mark.parametrize("training", two_processes.TRAININGS)
def test_their_gradients_are_those_of_one_process(
    training: str, runs: list[dict[str, Any]], alone: dict[str, Any]
) -> None:
    """But for rounding, in double precision: 1e-14 is found."""
    for name, expected in alone[training]["gradients"].items():
        found = runs[0][training]["gradients"][name]
        assert (found - expected).norm() < 1e-10 * expected.norm(), name
        half = expected.view(-1)[torch.randperm(expected.numel(), generator=torch.Generator().manual_seed(0))]
        assert (half - expected).norm() > 0.1 * expected.norm(), "the check sees other gradients"


@pytest.mark.parametrize("training", two_processes.TRAININGS)
def test_their_statistics_are_those_of_the_whole_batch(
    training: str, runs: list[dict[str, Any]], alone: dict[str, Any]
) -> None:
    names = [name for name in alone[training]["state"] if "running_" in name]
    assert names
    for name in names:
        torch.testing.assert_close(
            runs[0][training]["state"][name], alone[training]["state"][name], rtol=1e-5, atol=1e-8
        )
    assert runs[0][training]["state"].keys() == alone[training]["state"].keys()


def test_shares_are_the_batch_and_keep_its_halves_and_every_second_row() -> None:
    rows = torch.arange(32)
    shares = [Processes(rank, 4).share(rows) for rank in range(4)]
    assert torch.cat(shares).sort().values.tolist() == rows.tolist()
    assert all((share[:4] < 16).all() and (share[::2] % 2 == 0).all() for share in shares)


def test_draws_of_several_processes_are_those_of_one() -> None:
    rng = lambda: torch.Generator().manual_seed(0)  # noqa: E731
    whole = Draws(rng()).normal(8, 3)
    for rank in range(2):
        mine = Draws(rng(), processes=Processes(rank, 2)).normal(4, 3)
        assert torch.equal(mine, Processes(rank, 2).share(whole))


@pytest.mark.parametrize(("batch", "count"), [(12, 2), (8, 4), (24, 2), (16, 3)])
def test_a_batch_that_cannot_be_shared_is_refused(batch: int, count: int) -> None:
    if batch % 8 or batch % (4 * count):
        with pytest.raises(ValueError, match=f"a batch of {batch} cannot be shared by {count} processes"):
            Processes(0, count).check_batch(batch)
    else:
        Processes(0, count).check_batch(batch)


def test_a_process_that_nobody_started_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("cpu") as (here, place):
        assert (here, place.type) == (ALONE, "cpu")
        assert here.first and here.agreed(False) is False


def test_one_gpu_for_several_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with mock.patch.multiple(torch.cuda, is_available=lambda: True, device_count=lambda: 1):
        for device, words in (("cuda:0", "each of 2 processes needs a GPU"), ("auto", "no device 'cuda:1'")):
            with pytest.raises(DeviceError, match=words), joined(device):
                pass
