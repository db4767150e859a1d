"""The paper's protection and deprotection networks: one fully connected layer each ([DPSC] Fig. 2)."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class PairSettings:
    """What a pair was trained for; it serves nothing else.

    Attributes:
        codes: private code indices, 0-based.
        style_dim: length D of a code.
        epsilon: nominal privacy budget of the noise that the pair imitates.
        calibration: `as_published` or `corrected`, how the scale follows from epsilon.
        scale: of the imitated Laplace noise, in latent units.
        noise: `frozen` (one draw per training photo) or `fresh` (a new draw every time).
        start: `default` (torch's initialisation) or `identity`.
        snr_db: of the channel in training.
        trained_on: which latents, in words.
    """

    codes: tuple[int, ...]
    style_dim: int
    epsilon: float
    calibration: str
    scale: float
    noise: str = "frozen"
    start: str = "default"
    snr_db: float = 20.0
    trained_on: str = ""

    def __post_init__(self) -> None:
        for name in ("epsilon", "scale", "snr_db"):  # 10 and 10.0 ask for the same pair, and so for the same file
            object.__setattr__(self, name, float(getattr(self, name)))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PairSettings":
        return cls(**{**values, "codes": tuple(values["codes"])})


class LinearPair(nn.Module):
    """Z_private -> W Z + b for Alice, and the like for Bob, on the flattened block of m * D numbers ([DPSC] Eqs. 8, 12).

    Deterministic and affine: the same photo gives the same block, and whoever knows the pair undoes it. It is no
    differentially private mechanism (`docs/methods/dp-semcom.md`).

    Example:
        >>> pair = LinearPair(PairSettings((0, 1), 8, 10.0, "as_published", 1.0, start="identity"))
        >>> block = torch.randn(3, 2, 8)
        >>> torch.equal(pair.protect(block), block)
        True
    """

    def __init__(self, settings: PairSettings) -> None:
        super().__init__()
        self.settings = settings
        size = len(settings.codes) * settings.style_dim
        self.protection, self.deprotection = nn.Linear(size, size), nn.Linear(size, size)
        if settings.start == "identity":
            for layer in (self.protection, self.deprotection):
                nn.init.eye_(layer.weight)
                nn.init.zeros_(layer.bias)
        elif settings.start != "default":
            raise ValueError(f"start must be 'default' or 'identity', got {settings.start!r}")

    def protect(self, private: Tensor) -> Tensor:
        """Private block (B, m, D) -> what is sent, same shape."""
        return self._transform(self.protection, private)

    def deprotect(self, received: Tensor) -> Tensor:
        """Received block (B, m, D) -> Bob's estimate of the private block."""
        return self._transform(self.deprotection, received)

    def _transform(self, layer: nn.Linear, block: Tensor) -> Tensor:
        expected = (len(self.settings.codes), self.settings.style_dim)
        if block.shape[1:] != expected:
            raise ValueError(f"the pair works on blocks (B, {expected[0]}, {expected[1]}), got {tuple(block.shape)}")
        return layer(block.flatten(1)).view_as(block)

    @torch.no_grad()
    def distance_from_identity(self) -> float:
        """Relative size of what protection changes in the weights: ||W - I||_F / ||I||_F."""
        weight = self.protection.weight
        eye = torch.eye(len(weight)).to(weight)
        return float((weight - eye).norm() / eye.norm())
