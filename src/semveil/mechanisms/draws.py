# SPDX-License-Identifier: Apache-2.0
"""What it costs to draw several times and show one: choosing by the outputs is paid for, whatever the rule."""

from dataclasses import replace

from semveil.core.composition import compose
from semveil.core.privacy import Guarantee

OUTPUT_ONLY = "which draw is shown is decided by a fixed public rule from the draws alone, never by comparing with the photo"


def best_of(guarantee: Guarantee, draws: int) -> Guarantee:
    """The guarantee where up to `draws` releases are made and any public rule decides which of them is shown.

    The rule is post-processing of all draws together, and k draws cost k epsilon. That also holds if the rule stops early, if
    a last draw is shown that nothing accepts, and if all draws are shown.

    Example:
        >>> from semveil.core.privacy import Basis
        >>> best_of(Guarantee(1.0, "all codes", Basis.PROVED), 3).epsilon
        3.0
    """
    if draws < 1:
        raise ValueError(f"the number of draws must be at least 1, got {draws}")
    if draws == 1:
        return guarantee
    several = compose(*[guarantee] * draws)
    return replace(several, assumptions=(*several.assumptions, OUTPUT_ONLY))


def until_accepted(guarantee: Guarantee) -> Guarantee:
    """The guarantee where draws are repeated until a public test accepts one, without a limit, and the count stays hidden.

    P[S | accepted] = P[S and accepted] / P[accepted]; from one record to another the numerator changes by at most
    exp(epsilon) and the denominator by at most exp(-epsilon): 2 epsilon. With a limit, running into it would show, and k draws
    cost k epsilon (`best_of`).

    Raises:
        ValueError: the guarantee has a delta, for which this does not hold.

    Example:
        >>> from semveil.core.privacy import Basis
        >>> until_accepted(Guarantee(1.0, "all codes", Basis.PROVED)).epsilon
        2.0
    """
    if guarantee.delta:
        raise ValueError("redrawing until a test accepts keeps no (epsilon, delta) guarantee; limit the number of draws")
    twice = best_of(guarantee, 2)
    return replace(
        twice,
        assumptions=(*guarantee.assumptions, OUTPUT_ONLY, "how many draws it took stays hidden, also in the running time"),
    )
