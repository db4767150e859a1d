"""Face privacy with differential privacy, carried over a wiretap channel.

Example:
    >>> import semveil
    >>> method = semveil.load_method("dp-semcom", protection="none")
    >>> method.name
    'dp-semcom'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semveil.core.errors import SemveilError
    from semveil.core.privacy import Basis, Guarantee, Sensitivity
    from semveil.core.rng import streams
    from semveil.methods.face_model import load_model
    from semveil.methods.registry import load_method

__version__ = "0.1.0"
__all__ = ["Basis", "Guarantee", "SemveilError", "Sensitivity", "load_method", "load_model", "streams"]

# Importing semveil must stay cheap: torch is loaded with the first name that needs it.
_HOMES = {
    "Basis": "core.privacy",
    "Guarantee": "core.privacy",
    "Sensitivity": "core.privacy",
    "SemveilError": "core.errors",
    "load_method": "methods.registry",
    "load_model": "methods.face_model",
    "streams": "core.rng",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'semveil' has no attribute {name!r}")
    return getattr(import_module(f"semveil.{_HOMES[name]}"), name)
