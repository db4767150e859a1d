"""Which options of dp-semcom go with which protection; what does not is refused, so that nothing asked for is dropped."""

from collections.abc import Mapping
from typing import Any

from semveil.core.registry import suggest

KEYED = ("rotation", "modulo")
NOISY = ("laplace", "l2-laplace", "gaussian")
PROTECTIONS = ("nn", *KEYED, *NOISY, "none")

# Option -> the protections that use it, and what to say where another one is asked for.
USED_BY: Mapping[str, tuple[tuple[str, ...], str]] = {
    "epsilon": (("nn", "modulo", *NOISY), "has no epsilon to set"),
    "calibration": (("nn", *NOISY), "has no noise to calibrate"),
    "delta": (("gaussian",), "has no delta"),
    "guard": (("modulo",), "has no guard band"),
    "key": (KEYED, "uses no key"),
    "deniable": (KEYED, "seals nothing that could be deniable"),
    "pair": (("nn",), "uses no trained pair"),
    "budget": (("laplace",), "has no budget by part, which is for Laplace noise"),
}


def check_options(protection: str, given: Mapping[str, Any]) -> None:
    """Refuse options that a protection would not use, and those that contradict each other.

    Args:
        protection: by name.
        given: options by the names of `USED_BY`, and `private_codes`; None (or False) where not given.

    Raises:
        ValueError: no such protection, or an option that does not go with it or with another one.

    Example:
        >>> check_options("laplace", {"delta": 1e-5})
        Traceback (most recent call last):
        ...
        ValueError: protection 'laplace' has no delta; leave delta out, or use one of gaussian
    """
    if protection not in PROTECTIONS:
        raise ValueError(f"no protection named {protection!r}{suggest(protection, PROTECTIONS)}; use one of {PROTECTIONS}")
    asked = {name for name, value in given.items() if value is not None and value is not False}
    for name, (users, words) in USED_BY.items():
        if name in asked and protection not in users:
            raise ValueError(f"protection {protection!r} {words}; leave {name} out, or use one of {', '.join(users)}")
    if "budget" in asked:
        for name in ("epsilon", "private_codes"):
            if name in asked:
                raise ValueError(f"a budget by part names the private codes and their epsilons itself; leave {name} out")
        if given.get("calibration") == "as_published":
            raise ValueError("the paper publishes no calibration of a budget by part; use 'corrected'")
    if protection in NOISY[1:] and given.get("calibration") == "as_published":
        raise ValueError(f"the paper publishes no calibration of {protection}; use 'corrected'")
