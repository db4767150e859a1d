"""Games for protection that hides its input by a key: what is sent should look alike for all inputs."""

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from semveil.attacks.audit.bounds import Floats
from semveil.attacks.audit.game import Game
from semveil.attacks.audit.noise import draw_rows
from semveil.attacks.audit.statistics import coarse, contrasts, table_ratio
from semveil.core.privacy import Guarantee


def looks(outputs: Floats, first: Floats, second: Floats) -> dict[str, Floats]:
    """Statistics of outputs (N, n) that are no known noise on the input: contrasts, length, correlation, a coordinate."""
    apart = first - second
    return {
        **contrasts(outputs, first, second),
        "norm": coarse(np.linalg.norm(outputs, axis=1)),
        "correlation": coarse(np.abs(outputs @ apart) / np.linalg.norm(apart)),
        "first coordinate": coarse(outputs[:, 0]),
    }


def hidden_game(
    target: str,
    pair: str,
    protect: Callable[[Tensor], Tensor],
    inputs: Sequence[Floats],
    claim: Guarantee,
    *,
    ratio: Callable[[Floats], Floats] | None = None,
    share: float = 1.0,
) -> Game:
    """Two inputs under keys that are new for every row.

    Args:
        protect: (B, n) -> what is sent (B, n).
        inputs: two records (n,).
        ratio: the exact log-likelihood ratio of what is sent, where it is known.
    """
    first, second = (np.asarray(x, np.float64) for x in inputs)

    def measure(outputs: Floats) -> dict[str, Floats]:
        exact = {} if ratio is None else {"likelihood ratio": ratio(outputs)}
        return {**looks(outputs, first, second), **exact}

    return Game(target, pair, claim, draw_rows(protect, inputs), measure, width=len(first), share=share)


def circle_game(
    target: str, draw: Callable[[int], np.ndarray], log_table: Floats, claim: Guarantee, *, share: float = 1.0
) -> Game:
    """Noise modulo L added to 0 or to L/2, of which the exact log-likelihood ratio is known.

    Args:
        draw: count -> noise (count,) in 0..L-1.
        log_table: (L,) log-probability of each value.
        claim: what holds for one number on the circle.
    """
    size = len(log_table)
    values = np.array([0]), np.array([size // 2])

    def ratio(outputs: Floats) -> dict[str, Floats]:
        points = outputs.astype(np.int64)
        return {"likelihood ratio": coarse(table_ratio(points, *values, log_table)), "value": outputs[:, 0]}

    return Game(
        target,
        "opposite points of the circle",
        claim,
        lambda world, count: (draw(count)[:, None] + values[world]) % size,
        ratio,
        share=share,
    )
