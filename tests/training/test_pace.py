# SPDX-License-Identifier: Apache-2.0
"""How fast a training goes: the last minute counts, and steps of an earlier run do not."""

from semveil.training.pace import Pace


def at(seconds: list[float], reached: list[int], **given: int) -> list[str]:
    clock = iter(seconds)
    pace = Pace(clock=lambda: next(clock), **given)
    return [pace.at(step) for step in reached]


def test_rate_and_time_left() -> None:
    assert at([0, 10], [5], batch=8, steps=1005, done=0) == ["4.0 photos/s, 0:33:20 left"]


def test_steps_of_an_earlier_run_do_not_count() -> None:
    assert at([0, 10], [905], batch=8, steps=1005, done=900) == ["4.0 photos/s, 0:03:20 left"]


def test_a_training_that_slows_down_says_so_within_a_minute() -> None:
    found = at([0, 10, 20, 80, 140], [100, 200, 206, 212], batch=1, steps=312, done=0)
    assert found[1] == "10.0 photos/s, 0:00:11 left" and found[-1] == "0.1 photos/s, 0:16:40 left"


def test_nothing_is_said_before_time_passed() -> None:
    assert at([0, 0], [1], batch=1, steps=2, done=0) == ["-"]
