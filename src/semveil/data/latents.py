# SPDX-License-Identifier: Apache-2.0
"""Stored latents of a collection of photos, to be inverted once and reused."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.files import open_regular, write_whole
from semveil.core.text import parse_json


@dataclass(frozen=True, eq=False)
class LatentSet:
    """Latents with names; as private as the photos that they represent.

    Attributes:
        codes: (N, K, D) float32, not clipped.
        ids: N distinct names; no paths.
        model_digest: digest of the model whose generator they belong to.
        perceptual: perceptual term of the inversion; None if unknown.

    Raises:
        ValueError: shapes and names do not match, or a value is not finite.

    Example:
        >>> one = LatentSet(torch.zeros(1, 28, 8), ("a",), "0" * 64)
        >>> len(one.extended(torch.ones(2, 28, 8), ["b", "c"]))
        3
    """

    codes: Tensor
    ids: tuple[str, ...]
    model_digest: str
    perceptual: str | None = None

    def __post_init__(self) -> None:
        if self.codes.ndim != 3 or self.codes.dtype != torch.float32:
            raise ValueError(
                f"codes must be (N, K, D) float32, got {tuple(self.codes.shape)} {self.codes.dtype}"
            )
        if len(self.codes) != len(self.ids) or len(set(self.ids)) != len(self.ids):
            raise ValueError(
                f"{len(self.codes)} latents need as many different ids, got {len(set(self.ids))}"
            )
        if not self.codes.isfinite().all():
            raise ValueError("the latents hold NaN or infinite values")

    def __len__(self) -> int:
        return len(self.ids)

    def extended(self, codes: Tensor, ids: list[str]) -> "LatentSet":
        """Return a new set with further latents appended.

        Args:
            codes: (M, K, D) on any device and of any float dtype.
            ids: M names, distinct from each other and from those in the set.

        Raises:
            ValueError: the combined set is not valid, see `LatentSet`.
        """
        return replace(self, codes=torch.cat([self.codes, codes.float().cpu()]), ids=(*self.ids, *ids))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a `.safetensors` file atomically, readable by its owner only.

        Args:
            path: the file; its folder must exist.

        Raises:
            OutputError: the file cannot be written.
        """
        metadata = {
            "format": "semveil latents 1",
            "ids": json.dumps(self.ids),
            "model_digest": self.model_digest,
        }
        if self.perceptual is not None:
            metadata["perceptual"] = self.perceptual
        write_whole(path, save({"codes": self.codes.contiguous()}, metadata=metadata), private=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, model_digest: str | None = None) -> "LatentSet":
        """Read a set written by `save`.

        Args:
            path: the file.
            model_digest: digest of the model that the latents must belong to; None for any model.

        Raises:
            BadCheckpoint: the file is missing, damaged, no latent set, or of another model.
        """
        name = Path(path).name
        try:
            os.close(open_regular(path))  # safe_open would block on a pipe
            with safe_open(path, "pt") as file:
                metadata = dict(file.metadata() or {})
                ids, codes = tuple(map(str, parse_json(metadata["ids"]))), file.get_tensor("codes")
                latents = cls(codes, ids, metadata["model_digest"], metadata.get("perceptual"))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise BadCheckpoint(f"{name} is no file of latents, or a damaged one ({error})") from error
        if model_digest is not None and latents.model_digest != model_digest:
            raise BadCheckpoint(
                f"{name} holds latents of another model ({latents.model_digest[:12]}, expected "
                f"{model_digest[:12]}); invert the photos again into another file"
            )
        return latents
