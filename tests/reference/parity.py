# SPDX-License-Identifier: Apache-2.0
"""Read stored outputs of the public implementations, and rebuild the weights and inputs that gave them.

The weights are a function of key name, shape and salt: every tensor starts as
`r = randn(shape, Generator().manual_seed(crc32(key) ^ salt))` and is scaled by what kind of parameter its
name says it is.
"""

import json
import math
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

_EXCLUDED = {"kernel", "num_batches_tracked", "shift", "scale", "mean", "std"}
_UNIT_STARTS = ("convs_img.", "convs_seg.", "convs.", "final_conv.", "final_linear.")


def fill(shapes: Mapping[str, tuple[int, ...]], salt: int = 0, gain: float = 1.0) -> dict[str, Tensor]:
    """Weights for the keys of a network; resampling filters and counters are left out."""
    weights = {}
    for key, shape in shapes.items():
        if key.rpartition(".")[2] in _EXCLUDED:
            continue
        rng = torch.Generator().manual_seed(zlib.crc32(key.encode()) ^ salt)
        r = torch.randn(tuple(shape) or (1,), generator=rng).reshape(tuple(shape))
        weights[key] = _scale(key, r, shapes, gain)
    return weights


def _scale(key: str, r: Tensor, shapes: Mapping[str, Any], gain: float) -> Tensor:
    stem, _, last = key.rpartition(".")
    if re.search(r"(^|\.)noises\.noise_\d+$", key):
        return r
    if re.search(r"(^|\.)style\.\d+\.(weight|bias)$", key):
        return r * (100 if last == "weight" else 10)
    if key.endswith("modulation.bias") or last == "modulation":
        return 1 + 0.1 * r
    if key.endswith("noise.weight"):
        return 0.3 * r
    if last == "running_var":
        return 0.5 + r.abs()
    if last in ("bias", "running_mean"):
        return 0.1 * r
    if last == "weight" and r.ndim == 1:  # of a batch norm, else of a PReLU
        return 1 + 0.1 * r if f"{stem}.running_var" in shapes else 0.25 + 0.05 * r
    equalised = r.ndim == 5 or key.endswith("modulation.weight") or f"{stem}.modulation" in shapes
    if last != "weight" or equalised or key.startswith(_UNIT_STARTS):
        return r
    return r.mul_(gain).div_(math.sqrt(math.prod(r.shape[1:])))  # in place: hundreds of millions of values


def make_input(recipe: Mapping[str, Any]) -> Tensor:
    """A tensor drawn from the recipe's seed.

    `normal`, `unit_rows` (of length 1), `uniform01`, `blocks11` and `blocks01` (images of coarse cells and
    fine noise).
    """
    rng = torch.Generator().manual_seed(recipe["seed"])
    shape, kind = tuple(recipe["shape"]), recipe["kind"]
    if kind == "uniform01":
        return torch.rand(shape, generator=rng)
    if kind in ("blocks11", "blocks01"):
        cells = torch.rand(*shape[:2], 8, 8, generator=rng) * 2 - 1
        noise = torch.rand(shape, generator=rng) * 2 - 1
        image = (
            0.7 * cells.repeat_interleave(shape[2] // 8, 2).repeat_interleave(shape[3] // 8, 3) + 0.3 * noise
        )
        return image if kind == "blocks11" else (image + 1) / 2
    assert kind in ("normal", "unit_rows"), kind
    r = torch.randn(shape, generator=rng)
    return r / r.norm(dim=1, keepdim=True) if kind == "unit_rows" else r


class Fixture:
    """One file of stored outputs: `config`, complete official `state`, `inputs`, and `error` against the
    outputs.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            self._arrays = {key: file[key] for key in file.files}
        self.config: dict[str, Any] = self._json("config")
        self.shapes = {key: tuple(shape) for key, shape, _ in self._json("keys")}
        self.filters = {key: torch.tensor(value) for key, value in self._json("structural").items()}
        self.outputs: dict[str, Any] = self._json("outputs")
        self.inputs = {key: make_input(recipe) for key, recipe in self._json("inputs").items()}
        self.state = fill(self.shapes, int(self._arrays["salt"]), float(self._arrays["gain"])) | self.filters

    def _json(self, name: str) -> Any:
        return json.loads(str(self._arrays[f"{name}_json"]))

    def worst_fill(self) -> float:
        """Largest relative difference between the sums of |weight| here and where the fixture was made."""
        sums = self._json("fill_abssum")
        return max(
            abs(float(self.state[key].double().abs().sum()) / value - 1) for key, value in sums.items()
        )

    def stored(self, name: str) -> Tensor:
        """The stored samples of an output, flat where the fixture holds a part of them."""
        return torch.from_numpy(self._arrays[f"out__{name}"])

    def error(self, name: str, output: Tensor) -> float:
        """Largest difference, on the stored samples and of mean, spread and maximum,
        over the samples' rms.
        """
        row = self.outputs[name]
        stored = self.stored(name).double()
        output = output.detach().double()
        assert list(output.shape) == row["shape"], (name, list(output.shape), row["shape"])
        part = output if row["stored"] == "full" else output.reshape(-1)[:: row["stride"]]
        statistics = (
            (output.mean(), row["mean"]),
            (output.std(correction=0), row["std"]),
            (output.abs().max(), row["absmax"]),
        )
        worst = max(
            [float((part - stored).abs().max()), *(abs(float(own) - theirs) for own, theirs in statistics)]
        )
        return worst / max(float(stored.square().mean().sqrt()), 1e-12)
