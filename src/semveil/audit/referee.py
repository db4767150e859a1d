# SPDX-License-Identifier: Apache-2.0
"""Referee of a distinguishing game: one half of the draws selects events, the other half counts them.

The planted faults are played in the same way, with as many draws, which gives the power of the test against
them.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from semveil.audit.bounds import (
    Floats,
    at_least,
    at_most,
    epsilon_of_mu,
    error_of_a_bound,
    forced_epsilon,
    forced_mu,
    max_detectable_epsilon,
)
from semveil.audit.events import Event, choose_events
from semveil.audit.finding import Finding
from semveil.audit.fit import FIT_DRAWS, FitTest, Samples
from semveil.audit.game import Change, Draw, Game
from semveil.audit.power import DOUBT, Power, event_power

DRAWS = 1_000_000
FEWEST_DRAWS = 200
FALSE_ALARM = 1e-6
LARGEST_CHOICE = 500_000  # draws held in memory to choose events; all others are counted and discarded
PART = 2**20  # numbers drawn at a time
_SOUND = ""  # key of the sound protection among the faults

Progress = Callable[[int, int], None]


def play(
    game: Game,
    *,
    draws: int = DRAWS,
    false_alarm: float = FALSE_ALARM,
    progress: Progress = lambda done, total: None,
) -> Finding:
    """Play a game and return its finding, with a lower bound on epsilon.

    For an event S, epsilon >= ln((P[S] - delta) / Q[S]), with Clopper-Pearson bounds on P[S] and Q[S]. Half
    of the draws choose one event for each statistic and direction; the other half counts them, so the bounds
    need no correction for the choice. Where the outputs' law is known, its goodness of fit is a second test,
    and each of the two has half of the false-alarm probability.

    Args:
        game: game to play.
        draws: number of draws of each input, before the game's own fraction is applied.
        false_alarm: upper bound on the probability of reporting a true claim as violated, in (0, 1).
        progress: callback with the number of draws done and their total.

    Raises:
        ValueError: fewer draws than a test needs, or a probability out of range.
    """
    if draws < FEWEST_DRAWS:
        raise ValueError(f"a test needs at least {FEWEST_DRAWS} draws of each input, got {draws}")
    started = time.process_time()
    draws = max(int(draws * game.share), FEWEST_DRAWS)
    choosing = min(draws // 2, LARGEST_CHOICE)
    faults = game.faults if game.claim.epsilon is not None else ()
    fitted = game.law is not None and game.claim.epsilon is not None
    size = _Size(choosing, draws - choosing, false_alarm / 2 if fitted else false_alarm, fitted)

    own_draws: dict[str, Draw] = {fault.name: fault.draw for fault in faults if fault.draw is not None}
    changes: dict[str, Change] = {fault.name: fault.change for fault in faults if fault.change is not None}
    tick = _Ticker(progress, 2 * draws * (1 + len(own_draws)))
    watched = _watch(game, game.draw, {_SOUND: _unchanged, **changes}, size, tick)
    sound = watched[_SOUND]
    strongest = max(sound.bounds, key=lambda bound: bound.epsilon)
    test = _fit_test(game, sound, size) if fitted else None
    fit = test.compare(sound.samples) if test else None
    too_low = game.claim.epsilon is not None and strongest.epsilon > game.claim.epsilon
    refuted = too_low or (fit is not None and fit.refuted)
    # the power matters only for a `pass`
    for name, draw in () if refuted else own_draws.items():
        watched |= _watch(game, draw, {name: _unchanged}, size, tick)
    powers = [
        Power(f.name, watched[f.name].power(), test.power(watched[f.name].samples) if test else None)
        for f in faults
        if f.name in watched
    ]
    return Finding(
        target=game.target,
        pair=game.pair,
        claim=game.claim,
        draws=draws,
        counted=size.counting,
        false_alarm=false_alarm,
        lower=strongest.epsilon,
        max_detectable_epsilon=max_detectable_epsilon(
            size.counting, sound.error, game.claim.delta, gaussian=game.gaussian
        ),
        separated=any(bound.hits == (size.counting, 0) for bound in sound.bounds),
        event=str(strongest.event) if strongest.epsilon > 0 else None,
        hits=strongest.hits if strongest.epsilon > 0 else None,
        fit=fit,
        powers=tuple(powers),
        cpu_seconds=time.process_time() - started,
    )


@dataclass(frozen=True)
class _Size:
    """Number of draws that choose and count, false-alarm probability, and whether the fit is tested."""

    choosing: int
    counting: int
    false_alarm: float
    fitted: bool


@dataclass(frozen=True)
class _Bound:
    """Lower bound on epsilon from one event; `hits` of the likelier input first."""

    event: Event
    hits: tuple[int, int]
    epsilon: float

    @classmethod
    def of(cls, game: Game, event: Event, hits: list[int], draws: int, error: float) -> "_Bound":
        ordered = hits[event.likelier], hits[1 - event.likelier]
        likely, unlikely = at_least(ordered[0], draws, error), at_most(ordered[1], draws, error)
        epsilon = float(forced_epsilon(likely, unlikely, game.claim.delta))
        if game.gaussian:
            epsilon = max(epsilon, epsilon_of_mu(float(forced_mu(likely, unlikely)), game.claim.delta))
        return cls(event, ordered, epsilon)


class _Watcher:
    """Chooses and counts events of one protection, sound or broken, and stores samples for the fit."""

    def __init__(self, game: Game, change: Change, size: _Size) -> None:
        self.game, self.change, self.size = game, change, size
        self.error = 0.0  # of each bound; set when the number of statistics is known
        self.hits: dict[Event, list[int]] = {}
        self._measured: tuple[dict[str, list[Floats]], dict[str, list[Floats]]] = ({}, {})
        self._kept: tuple[dict[str, list[Floats]], dict[str, list[Floats]]] = ({}, {})

    def see(self, world: int, outputs: Floats, *, counting: bool) -> None:
        outputs = self.change(world, outputs)
        measured = self.game.measure(outputs)
        if counting:
            for event, hits in self.hits.items():
                hits[world] += event.hits(measured[event.statistic])
        else:
            _append(self._measured[world], measured)
        kept = self._kept[world]
        if self.size.fitted and self.game.law and sum(map(len, next(iter(kept.values()), []))) < FIT_DRAWS:
            _append(kept, self.game.law.measure(world, outputs))

    def choose(self) -> None:
        """Choose the events from the outputs so far."""
        measured = _joined(self._measured[0]), _joined(self._measured[1])
        self.error = error_of_a_bound(self.size.false_alarm, len(measured[0]))
        delta, gaussian = self.game.claim.delta, self.game.gaussian
        events = choose_events(measured, error=self.error, delta=delta, gaussian=gaussian)
        self.hits = {event: [0, 0] for event in events}
        self._measured = ({}, {})

    @property
    def bounds(self) -> list[_Bound]:
        return [_Bound.of(self.game, e, h, self.size.counting, self.error) for e, h in self.hits.items()]

    @property
    def samples(self) -> Samples:
        return _joined(self._kept[0]), _joined(self._kept[1])

    def power(self) -> float:
        """Lower bound on the probability that the game refutes the claim of a protection with this fault."""
        bounds = self.bounds
        best = max(bounds, key=lambda bound: bound.epsilon)
        return event_power(
            best.hits,
            self.size.counting,
            self.game.claim,
            error=self.error,
            doubt=DOUBT / len(bounds),  # the event is chosen by the same counts
            gaussian=self.game.gaussian,
        )


def _watch(
    game: Game, draw: Draw, changes: Mapping[str, Change], size: _Size, tick: "_Ticker"
) -> dict[str, _Watcher]:
    """Play with the given draws, once for each change of them."""
    watchers = {name: _Watcher(game, change, size) for name, change in changes.items()}
    for count, counting in ((size.choosing, False), (size.counting, True)):
        for world, outputs in _parts(draw, count, game.width):
            for watcher in watchers.values():
                watcher.see(world, outputs, counting=counting)
            tick(len(outputs))
        if not counting:
            for watcher in watchers.values():
                watcher.choose()
    return watchers


def _parts(draw: Draw, count: int, width: int) -> Iterator[tuple[int, Floats]]:
    rows = max(1, PART // width)
    for world in (0, 1):
        for start in range(0, count, rows):
            yield world, np.asarray(draw(world, min(rows, count - start)), np.float64)


def _fit_test(game: Game, sound: _Watcher, size: _Size) -> FitTest:
    assert game.law is not None
    count = len(next(iter(sound.samples[0].values())))
    return FitTest(game.law, count, size.false_alarm, np.random.default_rng())


class _Ticker:
    """Counts draws and reports progress."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, drawn: int) -> None:
        self._done += drawn
        self._progress(self._done, self._total)


def _unchanged(world: int, outputs: Floats) -> Floats:
    return outputs


def _append(lists: dict[str, list[Floats]], values: Mapping[str, Floats]) -> None:
    for name, found in values.items():
        lists.setdefault(name, []).append(found)


def _joined(lists: Mapping[str, list[Floats]]) -> dict[str, Floats]:
    return {name: np.concatenate(parts) for name, parts in lists.items()}
