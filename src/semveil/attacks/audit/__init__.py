"""Distinguishing games that bound epsilon from below: what a claim of privacy must survive."""

from semveil.attacks.audit.bounds import Floats
from semveil.attacks.audit.finding import Finding, Verdict
from semveil.attacks.audit.game import Game
from semveil.attacks.audit.hidden import circle_game, hidden_game, looks
from semveil.attacks.audit.noise import bits_game, draw_rows, law_game
from semveil.attacks.audit.referee import DRAWS, FALSE_ALARM, play
from semveil.attacks.audit.repeats import repeat_game
from semveil.attacks.audit.statistics import contrasts, finest_bit, table_ratio

__all__ = [
    "DRAWS",
    "FALSE_ALARM",
    "Finding",
    "Floats",
    "Game",
    "Verdict",
    "bits_game",
    "circle_game",
    "contrasts",
    "draw_rows",
    "finest_bit",
    "hidden_game",
    "law_game",
    "looks",
    "play",
    "repeat_game",
    "table_ratio",
]
