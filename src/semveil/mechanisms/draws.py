# SPDX-License-Identifier: Apache-2.0
"""Privacy cost of drawing several times and publishing one draw, for any public selection rule."""

from dataclasses import replace

from semveil.privacy.composition import compose
from semveil.privacy.guarantee import Guarantee

OUTPUT_ONLY = (
    "which draw is shown is decided by a fixed public rule from the draws alone, never by "
    "comparing with the photo"
)


def best_of(guarantee: Guarantee, draws: int) -> Guarantee:
    """Guarantee of publishing one of up to `draws` releases, selected by any public rule.

    Epsilon is multiplied by their number. The rule is post-processing of all draws together. The bound also
    holds if it stops early, if the last draw is published without being accepted, and if all draws are
    published.

    Args:
        guarantee: of one draw.
        draws: largest number of draws, >= 1.

    Raises:
        ValueError: fewer than one draw.

    Example:
        >>> from semveil.privacy.guarantee import Basis
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
    """Guarantee of redrawing without limit until a public test accepts, 2 epsilon.

    The number of draws must be hidden. P[S | accepted] = P[S and accepted] / P[accepted]; between two records
    the numerator changes by a factor of at most exp(epsilon), the denominator by one of at least
    exp(-epsilon). A limit would be visible when reached; k draws then cost k epsilon (`best_of`).

    Args:
        guarantee: of one draw, with delta 0.

    Raises:
        ValueError: the guarantee has a delta, for which the bound does not hold.

    Example:
        >>> from semveil.privacy.guarantee import Basis
        >>> until_accepted(Guarantee(1.0, "all codes", Basis.PROVED)).epsilon
        2.0
    """
    if guarantee.delta:
        raise ValueError(
            "redrawing until a test accepts keeps no (epsilon, delta) guarantee; limit the number of draws"
        )
    twice = best_of(guarantee, 2)
    return replace(
        twice,
        assumptions=(
            *guarantee.assumptions,
            OUTPUT_ONLY,
            "how many draws it took stays hidden, also in the running time",
        ),
    )
