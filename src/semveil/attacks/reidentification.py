# SPDX-License-Identifier: Apache-2.0
"""Re-identification of Eve's images in a gallery of people, by any face recogniser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from semveil.attacks.intervals import Score, rate


@dataclass(frozen=True)
class Reidentification:
    """Identification and verification rates.

    Attributes:
        found: rank k -> share of probes whose person is among the k best.
        accepted: false accept rate -> share of probes accepted as their person at it (TAR at FAR).
        people: number of people in the gallery; guessing succeeds with probability k / people at rank k.
    """

    found: Mapping[int, Score]
    accepted: Mapping[float, Score]
    people: int


def reidentify(
    scores: ArrayLike,
    probes: Sequence[str],
    gallery: Sequence[str],
    *,
    ranks: Sequence[int] = (1, 5, 10),
    false_accepts: Sequence[float] = (0.01,),
) -> Reidentification:
    """Closed-set identification and verification rates from recogniser scores.

    A person's score is the best over their gallery photos; ties count against the probe. The threshold for a
    false accept rate is the quantile of the probes' scores with other people. Intervals count people, not
    probes.

    Args:
        scores: (P, G), higher is more similar, e.g. cosines or negative distances of embeddings; never with
            the probe's own photo.
        probes: P names, each in the gallery.
        gallery: G names; a person may have several photos.
        ranks: ranks at which to report the hit rate.
        false_accepts: false accept rates at which to report the true accept rate.

    Raises:
        ValueError: names that do not match the scores, a probe that is not in the gallery, scores that are
            not finite, or a false accept rate too low for the number of scores.

    Example:
        >>> names = ["ann", "bob", "eve"]
        >>> scores = [[0.9, 0.1, 0.2], [0.3, 0.2, 0.1]]
        >>> result = reidentify(scores, names[:2], names, ranks=[1, 2], false_accepts=[0.5])
        >>> [score.value for score in result.found.values()]
        [0.5, 1.0]
    """
    table = np.asarray(scores, float)
    if table.shape != (len(probes), len(gallery)) or not np.isfinite(table).all() or not len(probes):
        raise ValueError(
            f"scores must be finite, of shape ({len(probes)}, {len(gallery)}) as the names, got {table.shape}"
        )
    people = sorted(set(gallery))
    missing = sorted(set(probes) - set(people))
    if missing:
        raise ValueError(
            f"closed-set probes must be people of the gallery; not in it: {', '.join(missing[:5])}"
        )
    columns = np.array([people.index(name) for name in gallery])
    best = np.stack([table[:, columns == person].max(1) for person in range(len(people))], 1)  # (P, people)
    own = np.zeros_like(best, dtype=bool)
    own[np.arange(len(probes)), [people.index(name) for name in probes]] = True
    genuine, impostor = best[own], best[~own]
    rank = (best >= genuine[:, None]).sum(1)  # counts the genuine score itself, so the best rank is 1
    units = len(set(probes))
    accepted = {}
    for allowed in false_accepts:
        if not 0 < allowed < 1 or allowed * impostor.size < 1:
            raise ValueError(
                f"{impostor.size} scores of other people cannot show a false accept rate of {allowed}"
            )
        threshold = np.quantile(impostor, 1 - allowed, method="higher")
        accepted[allowed] = rate(genuine > threshold, units=units)
    return Reidentification({k: rate(rank <= k, units=units) for k in ranks}, accepted, len(people))
