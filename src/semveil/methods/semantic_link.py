# SPDX-License-Identifier: Apache-2.0
"""dp-semcom's link as one torch module, differentiable from Bob's image to Alice's latents and networks."""

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from semveil.channels.links import channel_of
from semveil.channels.wiretap import AnyChannel, over
from semveil.core.device import full_precision
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.protectors import Trained
from semveil.methods.transmission import Transmission


@dataclass(frozen=True, eq=False)
class Linked:
    """Result of one pass over the link.

    Attributes:
        images: (B, 3, H, W), Bob's images.
        codes: (B, K, D), Bob's estimate.
        transmission: Alice's transmission.
    """

    images: Tensor
    codes: Tensor
    transmission: Transmission


class SemanticLink(nn.Module):
    """Latents -> protection -> power, packing -> channel -> Bob's codes -> image, for end-to-end training.

    Symbols and received images equal those of `DPSemCom`. Keyed protection and release noise are still
    computed in integers and doubles on the CPU; gradients pass through them by their linear maps. The
    generator and the trained pair are submodules, so that `.to(device)`, `.double()` and `parameters()`
    include them. They are copies: a conversion or an optimiser changes the link alone, never the given method
    or a model that `load_method` keeps. Read trained networks from `generator` and `pair`; `method` is the
    given one with these networks, and its model has the digest from before training: for messages, wrap a
    trained generator with `Model.of`. Under autocast only the generator computes in half precision.

    Args:
        method: method with protection, model and key.
        channel: any `channel(symbols, snr_db, rng) -> received, state`, or a description for `parse_link`; a
            submodule if it is a module, and not copied; AWGN where None.

    Example:
        >>> link = SemanticLink(DPSemCom(protection="rotation"))
        >>> codes = link.method.model.public_latents(1, rng=torch.Generator().manual_seed(0)).requires_grad_()
        >>> link(codes, snr_db=20.0).images.square().mean().backward()
        >>> codes.grad.shape
        torch.Size([1, 28, 64])
    """

    def __init__(self, method: DPSemCom, *, channel: AnyChannel | str | None = None) -> None:
        super().__init__()
        with torch.inference_mode(False):  # the copies must be usable in autograd later
            self.generator, self.pair = copy.deepcopy((method.model.generator, method.pair))
        self.method, self.channel = copy.copy(method), channel_of(channel)
        self.method.model, self.method.pair = replace(method.model, generator=self.generator), self.pair
        if self.pair is not None:
            self.method.protector = Trained(self.pair)

    def forward(
        self,
        codes: Tensor,
        *,
        snr_db: float | Tensor = 20.0,
        rng: torch.Generator | None = None,
        noise_rng: torch.Generator | None = None,
    ) -> Linked:
        """Transmit latents to Bob.

        Args:
            codes: (B, K, D) on the device of the module, in its precision, single or double.
            snr_db: SNR in dB, one number or (B,).
            rng: source of the channel noise.
            noise_rng: source of simulated genuine noise, whose guarantee then has basis `simulation`; see
                `DPSemCom.send_codes`.
        """
        with full_precision(codes.device):
            sent = self.method.send_codes(codes, rng=noise_rng)
            heard = over(self.channel, sent.symbols, snr_db, rng=rng)
            received = self.method.receive_codes(replace(sent, symbols=heard))
        return Linked(self.generator.synthesize(received), received, sent)
