# SPDX-License-Identifier: Apache-2.0
"""Strength of an epsilon in words, by the success rate of the best possible observer."""

import math
from dataclasses import dataclass

NO_GUARANTEE = "no guarantee"


@dataclass(frozen=True)
class Strength:
    """Range of epsilons with its name.

    Attributes:
        word: shown with an epsilon.
        meaning: explanation of the word, as a sentence.
        most: largest probability of a correct guess (see `best_guess`) in the range.
        reason: why the range ends there.
    """

    word: str
    meaning: str
    most: float
    reason: str


# The only definition of the thresholds; docs/guarantees.md has them as a table, which a test compares.
STRENGTHS = (
    Strength(
        "as good as it gets", "That is as good as it gets.",
        0.501, "one right guess in 1,000 more than by a coin: no observer notices",
    ),
    Strength("strong", "That is strong.", 0.75, "wrong at least half as often as a blind guess"),
    Strength(
        "limited",
        "That is limited: an observer who knows what to look for may often guess correctly.",
        0.99, "wrong at least once in 100",
    ),
    Strength(
        "weak",
        "That is weak: an epsilon this large bounds hardly anything, even though noise was added.",
        0.9999, "wrong at least once in 10,000: a bound that hardly any attack reaches",
    ),
    Strength(
        "protects nobody",
        "That protects nobody: an epsilon this large bounds nothing that matters.",
        1.0, "nothing is left to guarantee",
    ),
)  # fmt: skip


def best_guess(epsilon: float, delta: float = 0.0) -> float:
    """Largest probability of identifying which of two equally likely photos was released.

    It holds for any observer. (exp(epsilon) + delta) / (1 + exp(epsilon)): the intersection of the two bounds
    that (epsilon, delta) sets on the errors of a test (Kairouz, Oh and Viswanath 2015, Theorem 2.1).

    Args:
        epsilon: in nats, >= 0.
        delta: in [0, 1).

    Returns:
        Probability in [0.5, 1].

    Example:
        >>> best_guess(0.0), round(best_guess(1.0), 3)
        (0.5, 0.731)
    """
    shrunk = math.exp(-epsilon)
    return (1 + delta * shrunk) / (1 + shrunk)


def strength(epsilon: float, delta: float = 0.0) -> Strength:
    """Strength class of a guarantee by `best_guess`.

    Args:
        epsilon: in nats, finite.
        delta: in [0, 1).

    Example:
        >>> strength(1.0).word, strength(2000.0).word
        ('strong', 'protects nobody')
    """
    right = best_guess(epsilon, delta)
    return next(one for one in STRENGTHS if right <= one.most)


def in_a_word(epsilon: float | None, delta: float = 0.0) -> str:
    """Word for the strength of a guarantee.

    Args:
        epsilon: in nats; None where no finite epsilon holds.
        delta: in [0, 1).

    Example:
        >>> in_a_word(3.0), in_a_word(None)
        ('limited', 'no guarantee')
    """
    return NO_GUARANTEE if epsilon is None else strength(epsilon, delta).word


def largest_epsilon(share: float) -> float:
    """Epsilon at which `best_guess` with delta 0 equals a probability: ln(p / (1 - p)).

    Args:
        share: p, in [0.5, 1]; 1 gives infinity.

    Example:
        >>> round(largest_epsilon(0.75), 4), largest_epsilon(1.0)
        (1.0986, inf)
    """
    return math.inf if share >= 1 else math.log(share / (1 - share))
