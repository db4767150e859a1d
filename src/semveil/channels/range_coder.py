# SPDX-License-Identifier: Apache-2.0
"""Range coder: integers to bytes at their information content.

It uses integer arithmetic only, so results are reproducible on every machine.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TOTAL_BITS = 16
TOTAL = 1 << TOTAL_BITS
_WINDOW = 48  # bits of the interval, at least 40 after renormalisation
_LEAST = 1 << (_WINDOW - 8)


@dataclass(frozen=True)
class Table:
    """Cumulative frequencies of symbols 0..n-1.

    Symbol i has the counts `starts[i]` to `starts[i + 1]` of 65,536.

    Raises:
        ValueError: the counts do not run from 0 to 65,536, or a symbol has no count.

    Example:
        >>> table = Table((0, 60000, TOTAL))
        >>> data = encode([(0, table)] * 100 + [(1, table)])
        >>> len(data), decode(data, [table] * 101)[-1]
        (2, 1)
    """

    starts: tuple[int, ...]

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.starts, self.starts[1:], strict=False))
        if len(self.starts) < 2 or self.starts[0] != 0 or self.starts[-1] != TOTAL or not rising:
            raise ValueError(f"a table's counts must rise from 0 to {TOTAL}")


UNIFORM = Table(tuple(range(TOTAL + 1)))
"""Table for 16 equiprobable bits."""


def encode(symbols: Iterable[tuple[int, Table]]) -> bytes:
    """Arithmetic coding of a symbol sequence.

    Trailing zero bytes are omitted; the decoder restores them.

    Args:
        symbols: pairs of a symbol, counted from 0, and its frequency table.

    Raises:
        IndexError: a symbol is negative or not in its table.
    """
    low, span, shifted = 0, 1 << _WINDOW, 0
    for symbol, table in symbols:
        if symbol < 0:
            raise IndexError(f"symbols are counted from 0, got {symbol}")
        start, end = table.starts[symbol], table.starts[symbol + 1]
        span >>= TOTAL_BITS
        low += span * start
        span *= end - start
        while span < _LEAST:
            low <<= 8
            span <<= 8
            shifted += 1
    # any number of the interval would do; this one has the most trailing zeros
    keep = max(0, span.bit_length() - 1)
    value = -(-low >> keep) << keep
    return value.to_bytes(shifted + _WINDOW // 8 + 1, "big")[1:].rstrip(b"\0")


def decode(data: bytes, tables: Sequence[Table]) -> list[int]:
    """Decode one symbol per table; every byte string is the code of some symbols.

    Args:
        data: result of `encode`, possibly followed by zeros.
        tables: the tables used for encoding.
    """
    decoder = Decoder(data)
    return [decoder.next(table) for table in tables]


class Decoder:
    """Symbol-by-symbol decoder, for tables that depend on preceding symbols.

    Args:
        data: result of `encode`.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._place, self._span = data, _WINDOW // 8, 1 << _WINDOW
        self._code = int.from_bytes(data[: self._place].ljust(self._place, b"\0"), "big")

    def next(self, table: Table) -> int:
        """Decode the next symbol, counted from 0.

        Args:
            table: the table with which this symbol was encoded.
        """
        self._span >>= TOTAL_BITS
        symbol = bisect_right(table.starts, min(self._code // self._span, TOTAL - 1)) - 1
        start, end = table.starts[symbol], table.starts[symbol + 1]
        self._code -= self._span * start
        self._span *= end - start
        while self._span < _LEAST:
            byte = self._data[self._place] if self._place < len(self._data) else 0
            self._code = self._code << 8 | byte
            self._place += 1
            self._span <<= 8
        return symbol
