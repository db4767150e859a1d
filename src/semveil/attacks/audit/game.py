"""A distinguishing game: two neighbouring inputs, what one release shows of either, and the claim it must not break."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from semveil.attacks.audit.bounds import Floats
from semveil.core.privacy import Guarantee

Draw = Callable[[int, int], Floats]
Measure = Callable[[Floats], Mapping[str, Floats]]


@dataclass(frozen=True, eq=False)
class Game:
    """Tell from one output which of two inputs it came from.

    Attributes:
        target: what is audited, as the user names it.
        pair: the two inputs, in words.
        claim: what is said to hold for them; with epsilon None the auditor looks for perfect separation.
        draw: (input 0 or 1, count) -> (count, n) float64 outputs, each of an independent release.
        measure: outputs -> real statistics by name, each (count,). Events are half-lines of one statistic.
        width: numbers that one draw holds in memory, for the size of the parts.
        noise_on: the two inputs, where the first columns of an output minus them are the noise: then the auditor also says how
            much too small noise it would have noticed.
        gaussian: the claim is one of normal noise, whose whole trade-off curve it then stands for.
        share: of the asked number of draws that this game plays, in (0, 1]: costly outputs play fewer.
    """

    target: str
    pair: str
    claim: Guarantee
    draw: Draw
    measure: Measure
    width: int = 1
    noise_on: tuple[Floats, Floats] | None = None
    gaussian: bool = False
    share: float = 1.0
