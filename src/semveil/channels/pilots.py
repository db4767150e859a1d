# SPDX-License-Identifier: Apache-2.0
"""Known symbols among the payload, from which a receiver estimates the channel."""

import torch
from torch import Tensor

from semveil.channels.channel import MOST_COUNT


class Pilots:
    """Pilots at every `every`-th position of a frame, starting at position 0.

    Args:
        every: spacing, from 2 to `MOST_COUNT`.

    Raises:
        ValueError: the spacing is out of range or not an integer.

    Example:
        >>> pilots = Pilots(3)
        >>> frame = pilots.insert(torch.tensor([[5j, 6j, 7j]]))
        >>> frame
        tensor([[1.+0.j, 0.+5.j, 0.+6.j, 1.+0.j, 0.+7.j]])
        >>> pilots.payload(frame)
        tensor([[0.+5.j, 0.+6.j, 0.+7.j]])
    """

    value = 1.0  # unit power, like the payload on average

    def __init__(self, every: int) -> None:
        if type(every) is not int or not 2 <= every <= MOST_COUNT:
            raise ValueError(f"pilots need a spacing of 2 to {MOST_COUNT} symbols, got {every}")
        self.every = every

    def frame(self, symbols: int) -> int:
        """Length of the frame that carries a number of payload symbols.

        Args:
            symbols: payload symbols per row.
        """
        return symbols + -(-symbols // (self.every - 1))

    def places(self, length: int) -> Tensor:
        """Ascending pilot positions, counted from 0, (P,) int64.

        Args:
            length: symbols per frame, pilots included.
        """
        return torch.arange(0, length, self.every)

    def insert(self, symbols: Tensor) -> Tensor:
        """Insert pilots into the payload.

        Args:
            symbols: (B, N) complex payload.

        Returns:
            (B, `frame(N)`) complex.
        """
        length = self.frame(symbols.shape[1])
        frame = torch.full((len(symbols), length), self.value, dtype=symbols.dtype, device=symbols.device)
        return frame.index_copy(1, self._others(length).to(symbols.device), symbols)

    def payload(self, frame: Tensor) -> Tensor:
        """Remove the pilot positions.

        Args:
            frame: (B, length); a value (B, 1) that is constant over the frame is returned unchanged.

        Returns:
            (B, N).
        """
        return frame if frame.shape[1] == 1 else frame[:, self._others(frame.shape[1]).to(frame.device)]

    def _others(self, length: int) -> Tensor:
        return torch.arange(length)[torch.arange(length) % self.every != 0]
