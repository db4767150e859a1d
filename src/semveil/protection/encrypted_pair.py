# SPDX-License-Identifier: Apache-2.0
"""Trained pair with trained encryption of all codes, after the abstract of arXiv 2504.18581 [ESC].

Chen, Tang and Yang write that "an NN-based encryption scheme is introduced to strengthen the security of
channel inputs", in addition to the protection and deprotection networks of [DPSC]; only the abstract was
available. Guessed: that encryption acts on all codes after protection, its shape, its losses, and that the
trained networks are the secret, without a key for each message.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.protection.linear_pair import LinearPair
from semveil.protection.pair import PairSettings, TrainedPair

SLOPE = 0.5  # of the leaky ReLU: steep enough for Bob to invert it under noise


class CodeMixer(nn.Module):
    """Network on codes (B, K, D): within each code, across codes, within each code; leaky ReLU between.

    It has 2 K D^2 + D K^2 weights, compared with (K D)^2 of a full layer. Its maps are initialised as
    orthogonal, so that channel noise is not amplified.

    Example:
        >>> CodeMixer(3, 4)(torch.zeros(2, 3, 4)).shape
        torch.Size([2, 3, 4])
    """

    def __init__(self, codes: int, size: int) -> None:
        super().__init__()
        self.first, self.last = _orthogonal(codes, size), _orthogonal(codes, size)
        self.across = _orthogonal(size, codes)
        self.offsets = nn.Parameter(torch.zeros(3, codes, size))

    @torch.no_grad()
    def invert(self, other: "CodeMixer") -> None:
        """Initialise as the inverse of an untrained mixer.

        The maps of the untrained mixer are orthogonal, and -f(-x) / slope inverts the leaky ReLU f.

        Args:
            other: untrained mixer of the same shape.
        """
        self.first.copy_(-other.last.mT)
        self.across.copy_(other.across.mT / SLOPE)
        self.last.copy_(-other.first.mT / SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """Mixed codes (B, K, D).

        Args:
            x: (B, K, D).
        """
        x = F.leaky_relu(torch.einsum("bkd,kde->bke", x, self.first) + self.offsets[0], SLOPE)
        x = F.leaky_relu(torch.einsum("bkd,dkl->bld", x, self.across) + self.offsets[1], SLOPE)
        return torch.einsum("bkd,kde->bke", x, self.last) + self.offsets[2]


class EncryptedPair(TrainedPair):
    """Pair of [DPSC] on the noised codes, followed by an encryption network on all codes.

    Bob has an inverse network for each. Training starts with a decryption network that inverts the encryption
    network exactly.

    Example:
        >>> settings = PairSettings(
        ...     (0, 1, 2), 4, 10.0, "as_published", 1.0, protection="nn-encrypted", noised=(0,)
        ... )
        >>> pair = EncryptedPair(settings)
        >>> pair.deprotect(pair.protect(torch.randn(2, 3, 4))).shape
        torch.Size([2, 3, 4])
    """

    def __init__(self, settings: PairSettings) -> None:
        super().__init__()
        self.settings = settings
        self._noised = [settings.codes.index(code) for code in settings.noised_codes]
        self.inner = LinearPair(replace(settings, codes=settings.noised_codes, noised=()))
        shape = len(settings.codes), settings.style_dim
        self.encryption, self.decryption = CodeMixer(*shape), CodeMixer(*shape)
        self.decryption.invert(self.encryption)

    def protect(self, private: Tensor) -> Tensor:
        """Add the imitated noise to the noised codes, then encrypt all codes.

        Args:
            private: (B, m, D) private block.
        """
        self.check(private)
        merged = private.clone()
        merged[:, self._noised] = self.inner.protect(private[:, self._noised])
        return self.encryption(merged)

    def deprotect(self, received: Tensor) -> Tensor:
        """Decrypt all codes, then restore the noised ones.

        Args:
            received: (B, m, D) received block, denormalised.
        """
        self.check(received)
        decrypted = self.decryption(received)
        restored = decrypted.clone()
        restored[:, self._noised] = self.inner.deprotect(decrypted[:, self._noised])
        return restored

    def imitation(self, private: Tensor) -> Tensor:
        """Contribution of the inner pair to the noised codes, without the encryption.

        Args:
            private: (B, m, D) private block.
        """
        return self.inner.imitation(private[:, self._noised])


def _orthogonal(count: int, size: int) -> nn.Parameter:
    return nn.Parameter(torch.stack([nn.init.orthogonal_(torch.empty(size, size)) for _ in range(count)]))
