# SPDX-License-Identifier: Apache-2.0
"""Search for the pair of inputs that a distinguishing game separates best.

As in DP-Auditorium (Kong et al., 2023) search and test are separate: the search only proposes a pair, with
scores from few draws, and the game is played with fresh draws, so its bounds need no correction.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from semveil.audit.bounds import Floats
from semveil.audit.events import choose_events
from semveil.audit.game import Game

Pair = tuple[Floats, Floats]

ROUNDS, SCORING_DRAWS = 40, 1_000
_ERROR = 0.05  # error of the bounds by which pairs are compared


def searched_game(
    make: Callable[[Pair], Game],
    lower: Floats,
    upper: Floats,
    *,
    rounds: int = ROUNDS,
    draws: int = SCORING_DRAWS,
    rng: np.random.Generator,
) -> Game:
    """Return the game for the worst of `rounds` proposed pairs of records in a box.

    The first proposals are opposite corners, and corners that differ in one coordinate. Later pairs are
    random or modify the best one so far: some coordinates move to an end of the box, to the other record's
    value or to a random value.

    Args:
        make: function that builds the game for a pair of records (n,).
        lower: (n,) lower bounds of the records.
        upper: (n,) upper bounds of the records.
        rounds: number of pairs to score.
        draws: number of draws of each input per score.
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
    """Log odds of the game's best event, minus two standard errors, from few draws."""
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
    """Random corner or point of the box."""
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
