# SPDX-License-Identifier: Apache-2.0
"""Channel coding of digital headers: convolutional code with QPSK, CRC-32 and soft Viterbi decoding.

The code has rate 1/2 and constraint length 7.
"""

import zlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]
Complex = NDArray[np.complex128]
GENERATORS = (0o171, 0o133)
MEMORY = 6
CRC_BYTES = 4


def coded_symbols(size: int) -> int:
    """Number of QPSK symbols that carry a byte string with its CRC-32.

    Args:
        size: bytes, without the checksum.

    Example:
        >>> coded_symbols(7) == len(modulate_bytes(b"semveil"))
        True
    """
    return 8 * (size + CRC_BYTES) + MEMORY


def modulate_bytes(data: bytes) -> Complex:
    """Append a CRC-32, encode, interleave, and map two coded bits to each QPSK symbol.

    Args:
        data: bytes of any length.

    Returns:
        (`coded_symbols(len(data))`,) complex128, of power 1.

    Example:
        >>> demodulate_bytes(modulate_bytes(b"semveil"), 7, noise_power=0.1)
        b'semveil'
    """
    checked = data + zlib.crc32(data).to_bytes(CRC_BYTES, "big")
    coded = _encode(np.unpackbits(np.frombuffer(checked, np.uint8)))
    signs = 1.0 - 2.0 * coded[_interleaver(len(coded))]
    return np.asarray((signs[0::2] + 1j * signs[1::2]) / np.sqrt(2))


def demodulate_bytes(symbols: Complex, size: int, *, noise_power: float) -> bytes | None:
    """Decode QPSK symbols to bytes; None if the checksum does not match.

    Args:
        symbols: equalised symbols, (`coded_symbols(size)`,).
        size: number of bytes, without the checksum.
        noise_power: noise power per complex symbol.
    """
    soft = np.empty(2 * len(symbols))
    order = _interleaver(len(soft))
    soft[order] = np.stack([symbols.real, symbols.imag], 1).ravel() / max(noise_power, 1e-6)
    checked = np.packbits(_viterbi(soft)).tobytes()
    data, crc = checked[:size], checked[size:]
    return data if zlib.crc32(data).to_bytes(CRC_BYTES, "big") == crc else None


def _encode(bits: Bits) -> Bits:
    """Convolutional encoding, (n,) bits -> (2 (n + 6),) coded bits; six zeros terminate the trellis."""
    padded = np.concatenate([np.zeros(MEMORY, np.uint8), bits, np.zeros(MEMORY, np.uint8)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, MEMORY + 1)  # oldest bit first
    taps = np.array([[(g >> shift) & 1 for shift in range(MEMORY + 1)] for g in GENERATORS], np.uint8)
    return np.asarray((windows @ taps.T % 2).ravel(), np.uint8)


def _viterbi(soft: NDArray[np.float64]) -> Bits:
    """Most likely bits for soft values, positive for 0.

    There are two soft values for each bit and for each of the six terminating zeros.
    """
    before, outputs = _trellis()
    steps = len(soft) // 2
    metric = np.full(1 << MEMORY, -np.inf)
    metric[0] = 0.0
    chosen = np.empty((steps, 1 << MEMORY), np.uint8)
    states = np.arange(1 << MEMORY)
    for step in range(steps):
        branch = outputs @ soft[2 * step : 2 * step + 2]  # (state, predecessor)
        ways = metric[before] + branch
        chosen[step] = ways.argmax(1)
        metric = ways[states, chosen[step]]
    state, bits = 0, np.empty(steps, np.uint8)
    for step in range(steps - 1, -1, -1):
        bits[step] = state >> (MEMORY - 1)
        state = before[state, chosen[step, state]]
    return bits[: steps - MEMORY]


@cache
def _trellis() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Predecessors of each state (64, 2), and signs of the coded bits of these transitions (64, 2, 2).

    A state holds the last six bits, with the newest as the most significant.
    """
    before, outputs = np.empty((1 << MEMORY, 2), np.int64), np.empty((1 << MEMORY, 2, 2))
    for state in range(1 << MEMORY):
        for way in range(2):
            window = state << 1 | way  # seven bits, the newest most significant
            before[state, way] = window & ((1 << MEMORY) - 1)
            outputs[state, way] = [1 - 2 * ((window & g).bit_count() % 2) for g in GENERATORS]
    return before, outputs


def _interleaver(count: int) -> NDArray[np.int64]:
    """Public permutation that separates neighbours: column by column through a nearly square rectangle."""
    columns = max(1, int(np.sqrt(count)))
    return np.concatenate([np.arange(first, count, columns) for first in range(columns)])
