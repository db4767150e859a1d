"""Plays a distinguishing game: chooses events on one half of the draws, counts them on the other, and bounds epsilon."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from semveil.attacks.audit.bounds import (
    Floats,
    at_least,
    at_most,
    epsilon_of_mu,
    error_of_a_bound,
    forced_epsilon,
    forced_mu,
    largest_visible,
)
from semveil.attacks.audit.events import Event, choose_events
from semveil.attacks.audit.finding import Finding
from semveil.attacks.audit.game import Game

DRAWS = 1_000_000
FEWEST_DRAWS = 200
FALSE_ALARM = 1e-6
FACTORS = (2.0, 4.0, 8.0, 16.0, 64.0, 256.0)  # noise that many times too small is what the test is tried on
LARGEST_CHOICE = 500_000  # draws held in memory to choose events; all others are counted and forgotten
PART = 2**20  # numbers drawn at a time

Progress = Callable[[int, int], None]


def play(
    game: Game,
    *,
    draws: int = DRAWS,
    false_alarm: float = FALSE_ALARM,
    factors: Sequence[float] = FACTORS,
    progress: Progress = lambda done, total: None,
) -> Finding:
    """Lower-bound epsilon: for an event S, epsilon >= ln((P[S] - delta) / Q[S]), with Clopper-Pearson bounds on P[S] and Q[S].

    Half of the draws choose one event for each statistic and direction; the other half counts them, so the bounds need no
    correction for the choice. All bounds of a game hold together with probability 1 - false_alarm.

    Args:
        draws: of each input, before the game's own share is taken of them.
        false_alarm: probability at most of calling a true claim violated, in (0, 1).
        factors: rising, above 1; where the game's noise is additive, the test is also tried on the same outputs with noise
            that many times too small, until one is caught.

    Raises:
        ValueError: fewer draws than a test needs, or a probability out of range.
    """
    if draws < FEWEST_DRAWS:
        raise ValueError(f"a test needs at least {FEWEST_DRAWS} draws of each input, got {draws}")
    draws = max(int(draws * game.share), FEWEST_DRAWS)
    choosing = min(draws // 2, LARGEST_CHOICE)
    counting = draws - choosing
    planted = game.noise_on is not None and game.claim.epsilon is not None
    sampler = _Sampler(game, total=2 * draws, progress=progress)

    measured = sampler.collect(choosing, (1.0, *factors) if planted else (1.0,))
    error = error_of_a_bound(false_alarm, len(measured[1.0][0]))
    rules = {
        factor: choose_events(sides, error=error, delta=game.claim.delta, gaussian=game.gaussian)
        for factor, sides in measured.items()
    }
    del measured
    hits = sampler.count(counting, rules)

    bounds = {factor: [_Bound.of(game, e, h, counting, error) for e, h in hits[factor].items()] for factor in hits}
    best = {factor: max(found, key=lambda bound: bound.epsilon) for factor, found in bounds.items()}
    claimed = game.claim.epsilon
    caught = [k for k in best if k > 1 and claimed is not None and best[k].epsilon > claimed]
    strongest = best[1.0]
    return Finding(
        target=game.target,
        pair=game.pair,
        claim=game.claim,
        draws=draws,
        counted=counting,
        false_alarm=false_alarm,
        lower=strongest.epsilon,
        visible=largest_visible(counting, error, game.claim.delta, gaussian=game.gaussian),
        separated=any(bound.hits == (counting, 0) for bound in bounds[1.0]),
        constant=sampler.constant,
        event=str(strongest.event) if strongest.epsilon > 0 else None,
        hits=strongest.hits if strongest.epsilon > 0 else None,
        caught_factor=min(caught, default=None),
        factors=tuple(factors) if planted else (),
    )


@dataclass(frozen=True)
class _Bound:
    """What one event forces; `hits` of the likelier input first."""

    event: Event
    hits: tuple[int, int]
    epsilon: float

    @classmethod
    def of(cls, game: Game, event: Event, hits: Sequence[int], draws: int, error: float) -> "_Bound":
        ordered = hits[event.likelier], hits[1 - event.likelier]
        likely, unlikely = at_least(ordered[0], draws, error), at_most(ordered[1], draws, error)
        epsilon = float(forced_epsilon(likely, unlikely, game.claim.delta))
        if game.gaussian:
            epsilon = max(epsilon, epsilon_of_mu(float(forced_mu(likely, unlikely)), game.claim.delta))
        return cls(event, ordered, epsilon)


class _Sampler:
    """Draws outputs part by part and keeps an eye on whether an input's outputs ever differ."""

    def __init__(self, game: Game, *, total: int, progress: Progress) -> None:
        self.game, self.total, self.progress = game, total, progress
        self.done = 0
        self._first: list[Floats | None] = [None, None]
        self._varied = [False, False]

    @property
    def constant(self) -> bool:
        """All outputs of an input were one and the same, and the two inputs' differed."""
        first, second = self._first
        return not any(self._varied) and not np.array_equal(np.asarray(first), np.asarray(second))

    def collect(self, count: int, factors: Sequence[float]) -> dict[float, tuple[Mapping[str, Floats], Mapping[str, Floats]]]:
        """Statistics of `count` draws from either input, by the factor that their noise is made smaller by."""
        parts: dict[float, tuple[dict[str, list[Floats]], dict[str, list[Floats]]]] = {k: ({}, {}) for k in factors}
        for world, outputs in self._draw(count):
            for factor in factors:
                for name, values in self._measure(outputs, world, factor).items():
                    parts[factor][world].setdefault(name, []).append(values)
        return {
            k: ({n: np.concatenate(v) for n, v in a.items()}, {n: np.concatenate(v) for n, v in b.items()})
            for k, (a, b) in parts.items()
        }

    def count(self, count: int, rules: Mapping[float, Sequence[Event]]) -> dict[float, dict[Event, list[int]]]:
        """Hits of every event among `count` draws from input 0 and from input 1."""
        hits = {factor: {event: [0, 0] for event in events} for factor, events in rules.items()}
        for world, outputs in self._draw(count):
            for factor, events in hits.items():
                measured = self._measure(outputs, world, factor)
                for event, found in events.items():
                    found[world] += event.hits(measured[event.statistic])
        return hits

    def _draw(self, count: int) -> Iterator[tuple[int, Floats]]:
        rows = max(1, PART // self.game.width)
        for world in (0, 1):
            for start in range(0, count, rows):
                outputs = np.asarray(self.game.draw(world, min(rows, count - start)), np.float64)
                first = self._first[world] = outputs[0] if self._first[world] is None else self._first[world]
                self._varied[world] = self._varied[world] or bool((outputs != first).any())
                self.done += len(outputs)
                self.progress(self.done, self.total)
                yield world, outputs

    def _measure(self, outputs: Floats, world: int, factor: float) -> Mapping[str, Floats]:
        if factor != 1.0:
            assert self.game.noise_on is not None
            clean = self.game.noise_on[world]
            outputs = outputs.copy()
            outputs[:, : len(clean)] = clean + (outputs[:, : len(clean)] - clean) / factor
        return self.game.measure(outputs)
