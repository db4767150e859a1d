# SPDX-License-Identifier: Apache-2.0
"""Guarantee that holds for every picture of a run: the weakest."""

import math
from collections.abc import Sequence
from pathlib import Path

from semveil.bulk.manifest import PhotoEntry
from semveil.data.certified import SUFFIX, read_certificate
from semveil.privacy.guarantee import Guarantee


def weaker(one: Guarantee | None, other: Guarantee | None) -> Guarantee | None:
    """The guarantee with the larger epsilon, or with none; the first of equal ones.

    Args:
        one: None where nothing was protected.
        other: likewise.
    """
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda claim: math.inf if claim.epsilon is None else claim.epsilon)


def with_kept(
    made: Guarantee | None, kept: Sequence[PhotoEntry], out: Path, *, drawn_anew: bool
) -> Guarantee | None:
    """Weakest guarantee of a run and of the pictures that earlier runs made with the same settings.

    Args:
        made: weakest guarantee of the run's own pictures; None without one.
        kept: pictures of earlier runs.
        out: the output folder.
        drawn_anew: whether clips are drawn anew in each frame, so that their guarantees differ; all others
            are alike.
    """
    for entry in kept:
        if entry.protected and (made is None or (drawn_anew and entry.clip is not None)):
            for name in entry.outputs:
                if name.endswith(SUFFIX):
                    made = weaker(made, read_certificate(out / name).guarantee)
    return made
