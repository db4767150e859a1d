# SPDX-License-Identifier: Apache-2.0
"""Methods with a fault that their claim does not know of."""

from collections.abc import Callable
from typing import Any

Make = Callable[[Any, Any], Any]
"""Called with a model and an epsilon."""


def with_fault(make: Make, fault: Callable[[Any], None]) -> Make:
    """`make`, whose methods have the fault but claim what they claimed without it."""

    def broken(model: Any, epsilon: float | None) -> Any:
        method = make(model, epsilon)
        claim = method.guarantee()
        fault(method)
        object.__setattr__(method, "guarantee", lambda simulated=False: claim)
        return method

    return broken
