# SPDX-License-Identifier: Apache-2.0
"""Which options of dp-semcom go with which protection; what does not is refused, so that nothing asked for is dropped."""

from collections.abc import Mapping
from typing import Any

from semveil.core.registry import suggest
from semveil.methods.protections import PROTECTIONS, using

# Option -> what to say where a protection is asked for that does not use it.
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
    """Refuse options that a protection would not use, and those that contradict each other.

    Args:
        protection: by name.
        given: options by the names of `UNUSED`, and `private_codes`; None (or False) where not given.

    Raises:
        ValueError: no such protection, or an option that does not go with it or with another one.

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
