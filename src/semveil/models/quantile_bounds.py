# SPDX-License-Identifier: Apache-2.0
"""Public clip bounds of every coordinate for latent-dp: quantiles of the latents of public photos."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.files import write_whole
from semveil.core.text import parse_json
from semveil.mechanisms import ClipBox, observed_pairwise_sensitivity
from semveil.privacy.guarantee import Basis, Norm, Sensitivity

SHARES = (0.0, 10.0, 12.5, 15.0, 25.0, 30.0, 40.0)  # percent cut off at either end: all values used in [LDP]
PAPER_LATENTS = 3500  # number of photos behind the quantiles of [LDP]
FILE = "quantiles.safetensors"


@dataclass(frozen=True, eq=False)
class QuantileBounds:
    """Lower and upper bounds of every coordinate of a record (K, D), for several shares.

    Attributes:
        shares: percent of the public latents that each bound cuts off: share s bounds a coordinate by its s %
            and (100 - s) % quantiles; share 0 by its minimum and maximum.
        lower, upper: (len(shares), K, D) half precision, rounded outwards.
        count: number of public latents.
        of: origin of the latents, in words.
        observed: largest L1 distance between any two of the latents, by the name of the set of codes
            measured.

    Raises:
        ValueError: the shapes are inconsistent.

    Example:
        >>> bounds = QuantileBounds.fit(torch.arange(11.0).view(11, 1, 1), of="an example")
        >>> box = bounds.box(10)
        >>> box.lower.item(), box.upper.item()
        (1.0, 9.0)
    """

    shares: tuple[float, ...]
    lower: Tensor
    upper: Tensor
    count: int
    of: str
    observed: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {tuple(self.lower.shape), tuple(self.upper.shape)}
        if len(shapes) != 1 or self.lower.ndim != 3 or len(self.lower) != len(self.shares):
            raise ValueError(f"bounds for {len(self.shares)} shares must be (shares, K, D), got {shapes}")

    @classmethod
    def fit(
        cls,
        latents: Tensor,
        *,
        of: str,
        shares: tuple[float, ...] = SHARES,
        observe: Mapping[str, tuple[int, ...]] | None = None,
    ) -> "QuantileBounds":
        """Compute bounds from public latents.

        Args:
            latents: (N, K, D), N >= 2.
            of: origin of the latents, in words.
            shares: percent of the latents to cut off at either end, 0 to below 50.
            observe: sets of codes, by name, whose largest pairwise L1 distance is recorded.

        Raises:
            ValueError: fewer than two latents, another shape, non-finite values, or a share out of range.
        """
        if latents.ndim != 3 or len(latents) < 2 or not latents.isfinite().all():
            raise ValueError(
                f"quantiles need at least two finite latents (N, K, D), got {tuple(latents.shape)}"
            )
        if any(not 0 <= share < 50 for share in shares):
            raise ValueError(f"shares are percent from 0 to below 50, got {shares}")
        latents = latents.cpu()  # quantiles of doubles on the CPU are the same on every machine
        points = torch.tensor([*shares, *(100 - share for share in shares)], dtype=torch.float64) / 100
        found = torch.cat(
            [torch.quantile(code.double(), points, dim=0)[:, None] for code in latents.unbind(1)], 1
        )
        lower, upper = found[: len(shares)], found[len(shares) :]
        observed = {
            name: observed_pairwise_sensitivity(latents[:, list(codes)].flatten(1).numpy(), Norm.L1).value
            for name, codes in (observe or {}).items()
        }
        return cls(
            shares, _outwards(lower, down=True), _outwards(upper, down=False), len(latents), of, observed
        )

    def box(self, share: float) -> ClipBox:
        """Clip box (K, D) of one share.

        Args:
            share: percent of public latents cut off at either end of every coordinate, one of `shares`.

        Raises:
            ValueError: there are no bounds for this share.
        """
        if share not in self.shares:
            raise ValueError(
                f"no public bounds that cut off {share:g} %; available: "
                f"{', '.join(f'{s:g}' for s in self.shares)}"
            )
        i = self.shares.index(share)
        source = (
            f"{share:g} % and {100 - share:g} % quantiles of every coordinate over {self.count} {self.of}"
        )
        return ClipBox(self.lower[i].double(), self.upper[i].double(), source=source)

    def observed_sensitivity(self, name: str, dimension: int) -> Sensitivity:
        """Largest L1 distance observed between public latents; not a bound for other photos.

        Args:
            name: set of codes, such as `all` or `identity`.
            dimension: number of coordinates of these codes.

        Raises:
            ValueError: no distance was recorded for this set.
        """
        if name not in self.observed:
            raise ValueError(
                f"no distances between public latents were measured for {name!r}; run: semveil train "
                "quantiles"
            )
        source = f"largest pairwise l1 distance of {self.count} {self.of}"
        return Sensitivity(self.observed[name], Norm.L1, dimension, source, Basis.OBSERVED_SENSITIVITY)

    @property
    def digest(self) -> str:
        """SHA-256 over the bounds and their description."""
        numbers = [bound.contiguous().numpy().astype("<f2").tobytes() for bound in (self.lower, self.upper)]
        return hashlib.sha256(b"".join([self._about().encode(), *numbers])).hexdigest()

    def save(self, path: Path) -> None:
        """Write the bounds atomically.

        Args:
            path: path of the `.safetensors` file.
        """
        tensors = {"lower": self.lower.contiguous(), "upper": self.upper.contiguous()}
        write_whole(path, save(tensors, metadata={"about": self._about()}))

    def _about(self) -> str:
        about = {
            "format": "semveil quantiles 1",
            "shares": self.shares,
            "count": self.count,
            "of": self.of,
            "observed": dict(self.observed),
        }
        return json.dumps(about, sort_keys=True)

    @classmethod
    def load(cls, path: Path, shape: tuple[int, int]) -> "QuantileBounds":
        """Read a file written by `save`.

        Args:
            path: path of the file.
            shape: (K, D) of the model that the bounds must fit.

        Raises:
            BadCheckpoint: the file is missing, damaged, or belongs to another model.
        """
        try:
            with safe_open(path, "pt") as file:
                about = parse_json((file.metadata() or {})["about"])
                lower, upper = file.get_tensor("lower"), file.get_tensor("upper")
            shares, observed = (
                tuple(map(float, about["shares"])),
                {k: float(v) for k, v in about["observed"].items()},
            )
            found = cls(shares, lower, upper, int(about["count"]), str(about["of"]), observed)
            if lower.shape[1:] != shape or not (lower.isfinite() & upper.isfinite() & (lower <= upper)).all():
                raise ValueError(f"bounds of shape {tuple(lower.shape)} for latents {shape}, or not in order")
        except (SafetensorError, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadCheckpoint(
                f"{path.name} holds no bounds of this model's latents, or is damaged ({error})"
            ) from error
        return found


def _outwards(bounds: Tensor, *, down: bool) -> Tensor:
    """Round bounds outwards to half precision."""
    half = bounds.half()
    outside = half.double() > bounds if down else half.double() < bounds
    return torch.where(
        outside, torch.nextafter(half, torch.full_like(half, -torch.inf if down else torch.inf)), half
    )
