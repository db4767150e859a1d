# SPDX-License-Identifier: Apache-2.0
"""Protection and deprotection networks of the paper: one fully connected layer each ([DPSC] Fig. 2)."""

import torch
from torch import Tensor, nn

from semveil.protection.pair import PairSettings, TrainedPair

__all__ = ["LinearPair", "PairSettings"]


class LinearPair(TrainedPair):
    """Affine maps of flattened blocks (m * D numbers), one for Alice and one for Bob ([DPSC] Eqs. 8, 12).

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
        """Apply Alice's layer to the flattened block: W Z + b.

        Args:
            private: (B, m, D) private block.
        """
        return self._transform(self.protection, private)

    def deprotect(self, received: Tensor) -> Tensor:
        """Apply Bob's layer to the flattened block.

        Args:
            received: (B, m, D) received block, denormalised.
        """
        return self._transform(self.deprotection, received)

    def imitation(self, private: Tensor) -> Tensor:
        """Change of the block by Alice's layer: W Z + b - Z.

        Args:
            private: (B, m, D) private block.
        """
        return self.protect(private) - private

    def _transform(self, layer: nn.Linear, block: Tensor) -> Tensor:
        self.check(block)
        return layer(block.flatten(1)).view_as(block)

    @torch.no_grad()
    def distance_from_identity(self) -> float:
        """Relative distance of the weights from the identity: ||W - I||_F / ||I||_F."""
        weight = self.protection.weight
        eye = torch.eye(len(weight)).to(weight)
        return float((weight - eye).norm() / eye.norm())
