# SPDX-License-Identifier: Apache-2.0
"""Interface of methods that transmit latents, independent of the networks that encode them."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from semveil.mechanisms import ClipBox
from semveil.methods.protections import Protection
from semveil.methods.protectors import Protector
from semveil.methods.transmission import Transmission


class LatentSpace(Protocol):
    """Latent space of a model.

    Attributes:
        box: public bounds of the latents.
        latent_shape: (K, D).
    """

    @property
    def box(self) -> ClipBox: ...

    @property
    def latent_shape(self) -> tuple[int, int]: ...


class LatentLink(Protocol):
    """Method on which eavesdroppers can be evaluated: `DPSemCom`, `DeepJSCCLink`."""

    @property
    def model(self) -> LatentSpace: ...

    @property
    def private_codes(self) -> Sequence[int]: ...

    @property
    def kind(self) -> Protection: ...

    @property
    def protector(self) -> Protector: ...

    def send_codes(self, codes: Tensor, *, rng: torch.Generator | None = None) -> Transmission:
        """Alice: protect latents and map them to symbols of unit mean power.

        Args:
            codes: (B, K, D).
            rng: source of simulated noise; genuine noise from the operating system where None.
        """
        ...

    def heard_codes(self, transmission: Transmission) -> Tensor:
        """Received latents (B, K, D), private codes still protected.

        Args:
            transmission: the received transmission.
        """
        ...

    def synthesize(self, codes: Tensor) -> Tensor:
        """Images (B, 3, S, S) from latents (B, K, D).

        Args:
            codes: (B, K, D).
        """
        ...
