# SPDX-License-Identifier: Apache-2.0
"""Face privacy with differential privacy, carried over a wiretap channel.

Functions take paths, arrays or images and return results with certificates: `protect` photos; `send`,
`receive` or `eavesdrop` messages; `transmit` simulates all three; `attack` a message; `certify` returns the
guarantee of any written output. `load_faces`, `FaceDataset`, `load_method`, `load_model` and `Model` are the
building blocks.

Example:
    >>> import semveil
    >>> method = semveil.load_method("dp-semcom", protection="none")
    >>> method.name
    'dp-semcom'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from semveil.core import moved

if TYPE_CHECKING:
    from semveil.bulk.protect import protect
    from semveil.core.errors import SemveilError
    from semveil.core.rng import streams
    from semveil.data.dataset import FaceDataset
    from semveil.data.load_faces import load_faces
    from semveil.link.attack import attack
    from semveil.link.certify import certify
    from semveil.link.receive import eavesdrop, receive
    from semveil.link.send import send
    from semveil.link.transmit import transmit
    from semveil.methods.registry import load_method
    from semveil.models.face import FaceModel as Model
    from semveil.models.face import load_model
    from semveil.privacy.guarantee import Basis, Guarantee, Sensitivity

moved.install()

__version__ = "0.1.0"
__all__ = [
    "Basis",
    "FaceDataset",
    "Guarantee",
    "Model",
    "SemveilError",
    "Sensitivity",
    "attack",
    "certify",
    "eavesdrop",
    "load_faces",
    "load_method",
    "load_model",
    "protect",
    "receive",
    "send",
    "streams",
    "transmit",
]

# Importing semveil must stay cheap: torch is loaded with the first name that needs it.
_HOMES = {
    "Basis": "privacy.guarantee",
    "FaceDataset": "data.dataset",
    "Guarantee": "privacy.guarantee",
    "Model": "models.face",
    "Sensitivity": "privacy.guarantee",
    "SemveilError": "core.errors",
    "attack": "link.attack",
    "certify": "link.certify",
    "eavesdrop": "link.receive",
    "load_faces": "data.load_faces",
    "load_method": "methods.registry",
    "load_model": "models.face",
    "protect": "bulk.protect",
    "receive": "link.receive",
    "send": "link.send",
    "streams": "core.rng",
    "transmit": "link.transmit",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'semveil' has no attribute {name!r}")
    return getattr(import_module(f"semveil.{_HOMES[name]}"), {"Model": "FaceModel"}.get(name, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
