# SPDX-License-Identifier: Apache-2.0
"""Stored numbers of every measurement on a small input: whoever changes them must raise its revision.

To store those of a raised or new revision: `SEMVEIL_STORE_NUMBERS=1 pytest tests/experiments`. At the same
revision stored numbers are never replaced.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

STORED = Path(__file__).with_name("revisions.json")
# What says how a run was made, and times: no measured numbers.
NOT_NUMBERS = {
    "config",
    "paper",
    "versions",
    "key",
    "revision",
    "seeds",
    "threads",
    "cpu_seconds",
    "seconds_per_image",
}
RELATIVE, ABSOLUTE = 0.01, 0.002  # processors round differently; a corrected metric moves its mean by more


def numbers(result: Any, path: str = "") -> dict[str, list[float]]:
    """All numbers of a result by where they stand, places in lists left out."""
    if isinstance(result, bool) or result is None or isinstance(result, str):
        return {}
    if isinstance(result, int | float):
        return {path: [float(result)]}
    found: dict[str, list[float]] = {}
    items = result.items() if isinstance(result, dict) else (("", item) for item in result)
    for name, item in items:
        if name not in NOT_NUMBERS:
            for place, values in numbers(item, f"{path}.{name}" if name else path).items():
                found.setdefault(place, []).extend(values)
    return found


def summary(result: dict[str, Any]) -> dict[str, list[float]]:
    """Count, mean and mean square root of absolute values of the numbers in each place."""
    return {
        place.removeprefix("."): [
            len(values),
            *(float(f"{v:.6g}") for v in (np.mean(values), np.mean(np.abs(values) ** 0.5))),
        ]
        for place, values in sorted(numbers(result).items())
    }


def differences(
    stored: dict[str, list[float]], now: dict[str, list[float]], absolute: float = ABSOLUTE
) -> list[str]:
    """Places where the numbers are others."""
    return [
        place
        for place in sorted({*stored, *now})
        if place not in stored
        or place not in now
        or not np.allclose(stored[place], now[place], rtol=RELATIVE, atol=absolute)
    ]


def check(result: dict[str, Any], stored_in: Path = STORED, *, absolute: float = ABSOLUTE) -> None:
    """Hold a result, made of the small input, against the stored numbers of its measurement's revision.

    `absolute` is the tolerance: wider where a key is drawn anew in each run, so that what Eve hears varies.
    """
    name, revision, now = result["experiment"], result["revision"], summary(result)
    stored = json.loads(stored_in.read_text()) if stored_in.is_file() else {}
    known = stored.get(name)
    if known is not None and known["revision"] == revision:
        changed = differences(known["numbers"], now, absolute)
        assert not changed, (
            f"numbers of {name} changed at {changed[:5]}: raise its revision, so that kept results are "
            "measured anew"
        )
        return
    assert os.environ.get("SEMVEIL_STORE_NUMBERS"), (
        f"no numbers are stored for revision {revision} of {name}, see revisions.py"
    )
    stored[name] = {"revision": revision, "numbers": now}
    stored_in.write_text(json.dumps(dict(sorted(stored.items())), indent=1) + "\n")
