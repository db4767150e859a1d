# SPDX-License-Identifier: Apache-2.0
"""Search for worst-case inputs: the pair of records that a game distinguishes best is sought before the game is played.

As in DP-Auditorium (Kong et al., 2023) the search and the test are separate: the search only proposes a pair,
by scores from few draws, and the game is played with fresh draws, so its bounds need no correction.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from semveil.audit.bounds import Floats
from semveil.audit.events import choose_events
from semveil.audit.game import Game

Pair = tuple[Floats, Floats]

ROUNDS, SCORING_DRAWS = 40, 1_000
_ERROR = 0.05  # of the bounds that pairs are compared by


def searched_game(
    make: Callable[[Pair], Game],
    lower: Floats,
    upper: Floats,
    *,
    rounds: int = ROUNDS,
    draws: int = SCORING_DRAWS,
    rng: np.random.Generator,
) -> Game:
    """The game of the pair in a box of records that `rounds` proposals found worst.

    The first proposals are opposite corners, and corners that differ in one coordinate; then pairs are drawn
    at random or made from the best so far, with some coordinates moved to an end of the box, to the other
    record's value or anywhere.

    Args:
        make: a pair of records (n,) -> its game.
        lower: bounds of the records (n,).
        upper: likewise.
        rounds: pairs to score.
        draws: of each input, for a score.
        rng: source of the randomness.
    """
    best: tuple[float, Game, Pair] | None = None
    opening = _opening(lower, upper, rng)
    for turn in range(rounds):
        if turn < len(opening):
            pair = opening[turn]
        elif best is None or turn % 4 == 0:
            pair = _anywhere(lower, upper, rng), _anywhere(lower, upper, rng)
        else:
            pair = _varied(best[2], lower, upper, rng)
        if np.array_equal(*pair):
            continue
        game = make(pair)
        score = _score(game, draws)
        if best is None or score > best[0]:
            best = score, game, pair
    assert best is not None
    return replace(best[1], pair="worst pair found by search")


def _score(game: Game, draws: int) -> float:
    """How far the game's outputs can be told apart: ln of the odds of its best event, on few draws."""
    measured = [game.measure(np.asarray(game.draw(world, draws), np.float64)) for world in (0, 1)]
    events = choose_events((measured[0], measured[1]), error=_ERROR, delta=game.claim.delta, gaussian=False)
    found = []
    for event in events:
        hits = [event.hits(side[event.statistic]) + 0.5 for side in measured]
        spread = np.sqrt(1 / hits[0] + 1 / hits[1])
        found.append(abs(np.log(hits[0] / hits[1])) - 2 * spread)
    return float(max(found))


def _opening(lower: Floats, upper: Floats, rng: np.random.Generator) -> Sequence[Pair]:
    pairs = [(lower, upper), (upper, lower)]
    for i in rng.permutation(len(lower))[:4]:
        other = lower.copy()
        other[i] = upper[i]
        pairs.append((lower, other))
    return pairs


def _anywhere(lower: Floats, upper: Floats, rng: np.random.Generator) -> Floats:
    """A corner, or any point of the box."""
    if rng.random() < 0.5:
        return np.where(rng.random(len(lower)) < 0.5, lower, upper)
    return rng.uniform(lower, upper)


def _varied(pair: Pair, lower: Floats, upper: Floats, rng: np.random.Generator) -> Pair:
    changed = [pair[0].copy(), pair[1].copy()]
    which = int(rng.integers(2))
    moved = rng.random(len(lower)) < max(0.25, 1 / len(lower))
    moved[rng.integers(len(lower))] = True
    for i in np.flatnonzero(moved):
        changed[which][i] = rng.choice(
            [lower[i], upper[i], changed[1 - which][i], rng.uniform(lower[i], upper[i])]
        )
    return changed[0], changed[1]
