# SPDX-License-Identifier: Apache-2.0
"""A distinguishing game: two neighbouring inputs, their release, statistics of it, the claim, and faults to detect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from semveil.audit.bounds import Floats
from semveil.privacy.guarantee import Guarantee

Draw = Callable[[int, int], Floats]
Change = Callable[[int, Floats], Floats]
Measure = Callable[[Floats], Mapping[str, Floats]]


@dataclass(frozen=True, eq=False)
class Fault:
    """A protection broken on purpose. A game that would not catch it says nothing about the sound one.

    Exactly one of `draw` and `change` is given.

    Attributes:
        name: the fault in words.
        draw: as `Game.draw`, but of the broken protection.
        change: (input 0 or 1, outputs of the sound protection) -> what the broken one gives for the same
            randomness; it costs no draws.

    Raises:
        ValueError: both or neither are given.
    """

    name: str
    draw: Draw | None = None
    change: Change | None = None

    def __post_init__(self) -> None:
        if (self.draw is None) == (self.change is None):
            raise ValueError(
                f"the fault {self.name!r} needs either its own draws or a modification of sound outputs, not "
                "both"
            )


@dataclass(frozen=True, eq=False)
class Law:
    """The distribution that a claim rests on, by code that is independent of what is audited.

    Attributes:
        words: the law, for the finding.
        measure: (input 0 or 1, outputs) -> statistics by name, each (count,).
        reference: (input 0 or 1, count, rng) -> the same statistics of outputs that follow the law; each
            value is independent of the others.
        same: whether they are distributed alike for both inputs, so that one reference serves.
    """

    words: str
    measure: Callable[[int, Floats], Mapping[str, Floats]]
    reference: Callable[[int, int, np.random.Generator], Mapping[str, Floats]]
    same: bool = False


@dataclass(frozen=True, eq=False)
class Game:
    """Tell from one output which of two inputs it came from.

    Attributes:
        target: what is audited, as the user names it.
        pair: the two inputs, in words.
        claim: what is said to hold for them; with epsilon None the auditor looks for perfect separation.
        draw: (input 0 or 1, count) -> (count, n) float64 outputs, each of an independent release.
        measure: outputs -> real statistics by name, each (count,). Events are half-lines of one statistic.
        faults: all must be caught by so many draws before `pass` is said. One of them doubles epsilon; for
            claims of 0 they reuse the nonce, show the norm, or mix the photo in.
        law: what the outputs should be distributed as, where it is known.
        width: numbers that one draw holds in memory, for the size of the parts.
        gaussian: the claim is one of normal noise, whose whole trade-off curve it then stands for.
        share: of the asked number of draws that this game plays, in (0, 1]: costly outputs play fewer.
    """

    target: str
    pair: str
    claim: Guarantee
    draw: Draw
    measure: Measure
    faults: tuple[Fault, ...] = ()
    law: Law | None = None
    width: int = 1
    gaussian: bool = False
    share: float = 1.0
