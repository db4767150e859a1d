# SPDX-License-Identifier: Apache-2.0
"""Trained pair with a learnt noise pattern, after the abstract of arXiv 2510.23274 [LDP].

Chen, Yang and others perturb private codes "with approximate DP noise" that has "a learnable pattern, instead
of traditional white Gaussian or Laplace noise, achieved through adversarial training of neural networks".
Guessed: that the pattern is a function of the private codes alone, the networks' shapes, the discriminator
(`training.learned_pair`) and its weight.
"""

from torch import Tensor, nn

from semveil.protection.pair import PairSettings, TrainedPair

HIDDEN = 512
SLOPE = 0.5  # of the leaky ReLU: steep enough for Bob to invert it under noise


class LearnedPair(TrainedPair):
    """Pair with a learnt pattern: Z -> Z + pattern(Z) for Alice, another network for Bob.

    Both networks have one hidden layer.

    Example:
        >>> import torch
        >>> pair = LearnedPair(
        ...     PairSettings((0, 1), 8, 10.0, "as_published", 1.0, noise="fresh", protection="learned")
        ... )
        >>> block = torch.randn(3, 2, 8)
        >>> torch.allclose(pair.protect(block), block + pair.imitation(block))
        True
    """

    def __init__(self, settings: PairSettings) -> None:
        super().__init__()
        self.settings = settings
        size = len(settings.codes) * settings.style_dim
        self.pattern, self.deprotection = _network(size), _network(size)

    def protect(self, private: Tensor) -> Tensor:
        """Private block with the pattern, Z + pattern(Z).

        Args:
            private: (B, m, D) private block.
        """
        return private + self.imitation(private)

    def deprotect(self, received: Tensor) -> Tensor:
        """Apply Bob's network to the flattened block.

        Args:
            received: (B, m, D) received block, denormalised.
        """
        self.check(received)
        return self.deprotection(received.flatten(1)).view_as(received)

    def imitation(self, private: Tensor) -> Tensor:
        """The pattern, pattern(Z).

        Args:
            private: (B, m, D) private block.
        """
        self.check(private)
        return self.pattern(private.flatten(1)).view_as(private)


def _network(size: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, HIDDEN), nn.LeakyReLU(SLOPE), nn.Linear(HIDDEN, size))
