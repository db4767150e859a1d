# SPDX-License-Identifier: Apache-2.0
"""Stored latents come back exactly, belong to one model, and damaged files are refused."""

from pathlib import Path

import pytest
import torch

from semveil.core.checkpoints import BadCheckpoint
from semveil.data.latents import LatentSet

DIGEST = "a" * 64


def test_round_trip_is_exact(tmp_path: Path) -> None:
    codes = torch.randn(3, 28, 8, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "latents.safetensors"
    LatentSet(codes[:1], ("x",), DIGEST).extended(codes[1:], ["y", "ü"]).save(path)
    read = LatentSet.load(path, model_digest=DIGEST)
    assert torch.equal(read.codes, codes)
    assert (read.ids, read.model_digest) == (("x", "y", "ü"), DIGEST)


def test_latents_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "latents.safetensors"
    LatentSet(torch.zeros(0, 28, 8), (), DIGEST).save(path)
    with pytest.raises(BadCheckpoint, match="another model"):
        LatentSet.load(path, model_digest="b" * 64)


@pytest.mark.parametrize("content", [None, b"", b"no latents", b"\x10" + bytes(40)])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "latents.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadCheckpoint, match="no file of latents"):
        LatentSet.load(path)


@pytest.mark.parametrize(
    ("codes", "ids"),
    [
        (torch.zeros(2, 28, 8), ("a",)),
        (torch.zeros(2, 28, 8), ("a", "a")),
        (torch.zeros(2, 28), ("a", "b")),
        (torch.full((1, 2, 2), torch.nan), ("a",)),
    ],
)
def test_inconsistent_sets_cannot_be_made(codes: torch.Tensor, ids: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"codes must be|latents"):
        LatentSet(codes, ids, DIGEST)
