# SPDX-License-Identifier: Apache-2.0
"""Transmission of bytes by the LDPC codes and Gray-mapped QAM of 5G NR, as implemented in Sionna.

Needs the extra `channels`.
"""

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.channels import ChannelState
from semveil.channels.sionna import import_sionna
from semveil.radio.mcs import Scheme

LARGEST_BLOCK, LEAST_BLOCK = 8448, 24  # information bits of a code block
ITERATIONS = 30


def sionna() -> Any:
    """Import Sionna's physical layer.

    Raises:
        SionnaMissing: it is not installed.
    """
    return import_sionna("fec.ldpc", "mapping", needed="5G codes need")


@dataclass(frozen=True)
class CodedModem:
    """Modem for a block of symbols with one modulation and code rate.

    The message is split into code blocks of nearly equal size. Their symbols are spread over the frame by a
    public permutation, so that fades affect all of them equally. There is no checksum, since the data are
    authenticated by encryption.

    Attributes:
        scheme: modulation and rate.
        symbols: number of symbols.

    Example:
        >>> from semveil.radio.mcs import Scheme
        >>> CodedModem(Scheme(4, 0.5), 896).capacity
        224
    """

    scheme: Scheme
    symbols: int

    @property
    def blocks(self) -> int:
        """Number of code blocks."""
        return max(1, math.ceil(self.symbols * self.scheme.efficiency / LARGEST_BLOCK))

    @property
    def capacity(self) -> int:
        """Bytes that the symbols carry; 0 if there are too few symbols for a code block."""
        block = self._information
        return self.blocks * block // 8 if block >= LEAST_BLOCK else 0

    @property
    def _used(self) -> int:
        """Symbols per code block; some at the end of the frame may be left over."""
        return self.symbols // self.blocks

    @property
    def _information(self) -> int:
        return int(self._used * self.scheme.efficiency)

    def modulate(self, data: bytes) -> Tensor:
        """Encode bytes and map them to symbols.

        Args:
            data: `capacity` bytes.

        Returns:
            (symbols,) complex64, of mean power 1.

        Raises:
            ValueError: empty data, or another number of bytes.
            SionnaMissing: the extra `channels` is not installed.
        """
        if len(data) != self.capacity or not data:
            raise ValueError(f"the symbols carry {self.capacity} bytes, got {len(data)}")
        encoder, _, mapper, _ = _parts(self._information, self._used * self.scheme.bits, self.scheme.bits)
        bits = np.zeros(self.blocks * self._information, np.float32)
        bits[: 8 * len(data)] = np.unpackbits(np.frombuffer(data, np.uint8))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sent = mapper(encoder(torch.from_numpy(bits).view(self.blocks, -1))).flatten()
        frame = torch.ones(self.symbols, dtype=torch.complex64)
        frame[self._order()] = sent.cpu().to(torch.complex64)
        return frame

    def demodulate(self, received: Tensor, state: ChannelState) -> bytes:
        """Decode equalised symbols to the most likely bytes, possibly with errors.

        Args:
            received: (symbols,) output of a `Link`.
            state: residual gain and noise power after equalisation, (symbols,) or broadcastable to it.
        """
        _, decoder, _, demapper = _parts(self._information, self._used * self.scheme.bits, self.scheme.bits)
        gain, noise = (part.reshape(-1).expand(self.symbols) for part in (state.gain, state.noise_power))
        # undo the shrinkage of an MMSE equaliser, since the demapper expects an unscaled constellation
        scale = gain.abs().clamp_min(1e-9)
        order = self._order()
        heard, power = (
            (received.flatten() / scale)[order],
            (noise / scale.square())[order].float().clamp(1e-6, 1e6),
        )
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            soft = demapper(heard.to(torch.complex64).view(self.blocks, -1), power.view(self.blocks, -1))
            bits = decoder(soft).cpu().numpy().astype(np.uint8).ravel()
        return np.packbits(bits[: 8 * self.capacity]).tobytes()

    def _order(self) -> Tensor:
        """Positions of the blocks' symbols within the frame."""
        shuffled = torch.randperm(self.symbols, generator=torch.Generator().manual_seed(0))
        return shuffled[: self.blocks * self._used]


@lru_cache(maxsize=16)
def _parts(information: int, coded: int, bits: int) -> tuple[Any, Any, Any, Any]:
    """Encoder, decoder, mapper and demapper."""
    phy = sionna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoder = phy.fec.ldpc.LDPC5GEncoder(information, coded, num_bits_per_symbol=bits)
        decoder = phy.fec.ldpc.LDPC5GDecoder(encoder, num_iter=ITERATIONS)
        mapper = phy.mapping.Mapper("qam", bits)
        demapper = phy.mapping.Demapper("app", "qam", bits)
    return encoder, decoder, mapper, demapper
