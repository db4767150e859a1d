# SPDX-License-Identifier: Apache-2.0
"""Options of dp-semcom by protection; options that a protection does not use are refused."""

from collections.abc import Mapping
from typing import Any

from semveil.core.registry import suggest
from semveil.methods.protections import PROTECTIONS, using

# Option -> error text for a protection that does not use it.
UNUSED: Mapping[str, str] = {
    "epsilon": "has no epsilon to set",
    "calibration": "has no noise to calibrate",
    "delta": "has no delta",
    "guard": "has no guard band",
    "key": "uses no key",
    "deniable": "seals nothing that could be deniable",
    "pair": "uses no trained pair",
    "budget": "has no budget by part, which is for Laplace noise",
}


def check_options(protection: str, given: Mapping[str, Any]) -> None:
    """Refuse options that a protection does not use, and options that contradict each other.

    Args:
        protection: name of the protection.
        given: option values by the names of `UNUSED`, and `private_codes`; None (or False) where not given.

    Raises:
        ValueError: unknown protection, or an option that it does not use or that contradicts another one.

    Example:
        >>> check_options("laplace", {"delta": 1e-5})
        Traceback (most recent call last):
        ...
        ValueError: protection 'laplace' has no delta; leave delta out, or use one of gaussian
    """
    if protection not in PROTECTIONS:
        known = tuple(PROTECTIONS)
        raise ValueError(
            f"no protection named {protection!r}{suggest(protection, known)}; use one of {known}"
        )
    asked = {name for name, value in given.items() if value is not None and value is not False}
    for name, words in UNUSED.items():
        if name in asked and name not in PROTECTIONS[protection].options:
            raise ValueError(
                f"protection {protection!r} {words}; leave {name} out, or use one of {', '.join(using(name))}"
            )
    if "budget" in asked:
        for name in ("epsilon", "private_codes"):
            if name in asked:
                raise ValueError(
                    f"a budget by part names the private codes and their epsilons itself; leave {name} out"
                )
        if given.get("calibration") == "as_published":
            raise ValueError("the paper publishes no calibration of a budget by part; use 'corrected'")
    if (
        PROTECTIONS[protection].genuine_noise
        and protection != "laplace"
        and given.get("calibration") == "as_published"
    ):
        raise ValueError(f"the paper publishes no calibration of {protection}; use 'corrected'")
