"""The methods by name."""

from typing import Any

from semveil.core.registry import Registry
from semveil.methods.dp_semcom import DPSemCom

METHODS: Registry[type[DPSemCom]] = Registry("method")
METHODS.add(DPSemCom.name, DPSemCom)


def load_method(name: str, model: str | None = None, **options: Any) -> DPSemCom:
    """Build a method by name.

    Args:
        name: `dp-semcom`.
        model: name or folder of a face model; the method's default where None.
        options: the method's own keyword arguments.

    Raises:
        ValueError: no such method, or a wrong option's value.

    Example:
        >>> load_method("dp-semcon")
        Traceback (most recent call last):
        ...
        ValueError: no method named 'dp-semcon' (did you mean 'dp-semcom'?); available: dp-semcom
    """
    method = METHODS[name]
    return method(**options) if model is None else method(model, **options)
