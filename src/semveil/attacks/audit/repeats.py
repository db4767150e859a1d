"""Two releases, one after the other: is it the same photo again, or another one?"""

from collections.abc import Callable

import numpy as np

from semveil.attacks.audit.bounds import Floats
from semveil.attacks.audit.game import Game
from semveil.attacks.audit.statistics import coarse, contrasts
from semveil.core.privacy import Guarantee

Once = Callable[[int], tuple[Floats, bytes]]


def repeat_game(
    target: str,
    once: Once,
    shift: Floats,
    claim: Guarantee,
    *,
    pair: str = "same record again, or another",
    share: float = 0.02,
) -> Game:
    """Releases of (x, x) against (x, x'): neighbours in the second release only, so one release's claim must hold.

    What is drawn anew blurs the difference of the two releases; noise, keys or nonces that come again leave it bare.
    Statistics: the contrasts of the difference, its length, the cosine of the two, and how many sealed bytes agree.

    Args:
        once: input 0 or 1 -> one release as a user makes it: what is heard (n,), and the sealed bytes beside it.
        shift: (n,) x' - x, as far as it shows in what is heard.
    """
    n = len(shift)
    length = float(np.linalg.norm(shift))

    def draw(world: int, count: int) -> Floats:
        rows = np.empty((count, 2 * n + 1))
        for row in rows:
            (row[:n], sealed), (row[n:-1], sealed_again) = once(0), once(world)
            row[-1] = sum(a == b for a, b in zip(sealed, sealed_again, strict=True))
        return rows

    def measure(outputs: Floats) -> dict[str, Floats]:
        before, after, alike = outputs[:, :n], outputs[:, n:-1], outputs[:, -1]
        lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
        return {
            **contrasts(after - before, np.zeros(n), shift),
            "gap": coarse(np.linalg.norm(after - before, axis=1) / length),
            "cosine": coarse((before * after).sum(1) / np.maximum(lengths, 1e-300)),
            "equal sealed bytes": alike,
        }

    return Game(target, pair, claim, draw, measure, width=2 * n + 1, share=share)
