# SPDX-License-Identifier: Apache-2.0
"""Distinguishing game: two neighbouring inputs, their release, test statistics, claim and planted faults."""

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
    """A protection broken on purpose; a game that does not detect it says nothing about the sound one.

    Exactly one of `draw` and `change` is given.

    Attributes:
        name: the fault in words.
        draw: as `Game.draw`, but of the broken protection.
        change: function from (input 0 or 1, outputs of the sound protection) to the outputs of the broken one
            for the same randomness; it costs no draws.

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
    """Claimed distribution of the outputs, implemented independently of the audited code.

    Attributes:
        words: the law, for the finding.
        measure: function from (input 0 or 1, outputs) to statistics by name, each (count,).
        reference: function from (input 0 or 1, count, rng) to the same statistics of independent outputs that
            follow the law.
        same: whether they have the same distribution for both inputs, so that one reference suffices.
    """

    words: str
    measure: Callable[[int, Floats], Mapping[str, Floats]]
    reference: Callable[[int, int, np.random.Generator], Mapping[str, Floats]]
    same: bool = False


@dataclass(frozen=True, eq=False)
class Game:
    """Game in which one output must be assigned to one of two inputs.

    Attributes:
        target: name of the audited target.
        pair: the two inputs, in words.
        claim: claimed guarantee; with epsilon None the auditor looks for perfect separation.
        draw: function from (input 0 or 1, count) to (count, n) float64 outputs, each of an independent
            release.
        measure: function from outputs to real statistics by name, each (count,). Events are half-lines of one
            statistic.
        faults: planted faults, all of which must be detected with the same number of draws for a `pass`. One
            of them doubles epsilon; for claims of 0 they reuse the nonce, reveal the norm, or mix the photo
            in.
        law: distribution of the outputs; None where it is not known.
        width: number of values that one draw holds in memory, which determines the batch size.
        gaussian: whether the claim is one of normal noise, whose whole trade-off curve is then tested.
        share: fraction in (0, 1] of the requested draws that this game plays; games with costly outputs play
            fewer.
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
