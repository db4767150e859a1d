# SPDX-License-Identifier: Apache-2.0
# %% [markdown]
# # A channel of your own
#
# A channel is any callable `channel(symbols, snr_db, rng)` that returns the received symbols and a
# `ChannelState`. This one adds bursts of interference to some of the symbols.

# %%
from dataclasses import dataclass

import torch
from skimage.data import astronaut
from torch import Tensor

import semveil
from semveil.channels.awgn import awgn, noise_power
from semveil.channels.channel import ChannelState, Heard
from semveil.metrics import psnr


@dataclass(frozen=True)
class Bursts:
    """y = s + n, where the noise is `excess_db` stronger in a random share of blocks of symbols.

    Args:
        share: of the blocks that are hit, in [0, 1].
        excess_db: how much stronger the noise is there.
        block: symbols in a block.
    """

    share: float
    excess_db: float = 20.0
    block: int = 32

    def __call__(self, symbols: Tensor, snr_db: float, rng: torch.Generator | None = None) -> Heard:
        blocks = -(-symbols.shape[1] // self.block)
        hit = torch.rand(len(symbols), blocks, generator=rng) < self.share  # (B, blocks)
        hit = hit.repeat_interleave(self.block, 1)[:, : symbols.shape[1]]  # (B, N)
        quiet, loud = awgn(symbols, snr_db, rng=rng), awgn(symbols, snr_db - self.excess_db, rng=rng)
        power = torch.where(hit, noise_power(snr_db - self.excess_db), noise_power(snr_db)).float()
        return Heard(torch.where(hit, loud, quiet), ChannelState(torch.ones_like(symbols), power))


# %% [markdown]
# First check that the noise power stated by the state is the actual one.

# %%
ones = torch.ones(64, 896, dtype=torch.complex64)
heard = Bursts(share=0.25)(ones, 10.0, torch.Generator().manual_seed(0))
measured, stated = (heard.received - ones).abs().square().mean().item(), heard.state.noise_power.mean().item()
print(f"noise power: measured {measured:.3f}, stated {stated:.3f}")
assert abs(measured / stated - 1) < 0.05

# %% [markdown]
# Then use it in the link. Bob receives the bursts; Eve has the plain channel.

# %%
method = semveil.load_method("dp-semcom", protection="rotation")
face = semveil.load_faces([astronaut()]).images
codes = method.invert(face).codes  # once; the channel does not change it
for share in (0.0, 0.1, 0.5):
    result = method.transmit(face, codes=codes, snr_db=20.0, run=1, bob_channel=Bursts(share))
    print(f"bursts on {share:.0%}: bob {psnr(result.bob, result.inverted).item():.1f} dB of the encoded face")
