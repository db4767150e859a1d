# SPDX-License-Identifier: Apache-2.0
"""Empirical privacy auditing: distinguishing games that bound epsilon from below."""

from semveil.audit.bounds import Floats
from semveil.audit.faults import (
    at_twice_the_budget,
    less_noise,
    noise_for_twice,
    nonce_reused,
    norm_in_clear,
    photo_mixed_in,
)
from semveil.audit.finding import Finding, Verdict
from semveil.audit.game import Fault, Game, Law
from semveil.audit.hidden import circle_game, comparison_statistics, hidden_game
from semveil.audit.noise import bits_game, draw_rows, law_game
from semveil.audit.one_run import TrainingGame, play_training
from semveil.audit.referee import DRAWS, FALSE_ALARM, play
from semveil.audit.repeats import repeat_game
from semveil.audit.statistics import coarse, contrasts, finest_bit, table_ratio

__all__ = [
    "DRAWS",
    "FALSE_ALARM",
    "Fault",
    "Finding",
    "Floats",
    "Game",
    "Law",
    "TrainingGame",
    "Verdict",
    "at_twice_the_budget",
    "bits_game",
    "circle_game",
    "coarse",
    "comparison_statistics",
    "contrasts",
    "draw_rows",
    "finest_bit",
    "hidden_game",
    "law_game",
    "less_noise",
    "noise_for_twice",
    "nonce_reused",
    "norm_in_clear",
    "photo_mixed_in",
    "play",
    "play_training",
    "repeat_game",
    "table_ratio",
]
