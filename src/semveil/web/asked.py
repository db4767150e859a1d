# SPDX-License-Identifier: Apache-2.0
"""Settings of a message on the page, as arguments of the library's calls."""

from dataclasses import dataclass
from typing import Any

from semveil.methods.dp_semcom import DEFAULT_EPSILON, PAPER_EPSILONS
from semveil.methods.protections import PROTECTIONS

WITH_KEY, WITHOUT_KEY = "Bob has a key", "no key"
KEYS = (WITH_KEY, WITHOUT_KEY)
EPSILONS = PAPER_EPSILONS  # the paper's networks are trained for these; noise takes any epsilon
LARGEST_FACE = "largest"
LARGEST_SNR = 40

WORDS = {
    "rotation": "rotation, secret and new for every photo",
    "modulo": "modulo, a secret uniform shift of every number",
    "nn": "nn, the paper's networks",
    "laplace": "laplace, noise that Bob keeps",
    "l2-laplace": "l2-laplace, noise that Bob keeps",
    "gaussian": "gaussian, noise that Bob keeps",
    "none": "none",
}
KEYED_CHOICES = tuple((words, name) for name, words in WORDS.items() if PROTECTIONS[name].keyed)
OPEN_CHOICES = tuple((words, name) for name, words in WORDS.items() if not PROTECTIONS[name].keyed)


@dataclass(frozen=True)
class Asked:
    """Settings of a message.

    Attributes:
        keys: one of `KEYS`.
        keyed: protection if Bob has a key.
        unkeyed: protection if he has none.
        epsilon: epsilon of an unkeyed protection that takes one.
        face: `largest`, or a number from 0.

    Example:
        >>> Asked(WITHOUT_KEY, "rotation", "laplace", 10, "0").options()
        {'protection': 'laplace', 'epsilon': 10.0}
    """

    keys: str = WITH_KEY
    keyed: str = "rotation"
    unkeyed: str = "nn"
    epsilon: float = DEFAULT_EPSILON
    face: str = LARGEST_FACE

    @property
    def protection(self) -> str:
        """The protection that applies."""
        return self.keyed if self.keys == WITH_KEY else self.unkeyed

    def options(self) -> dict[str, Any]:
        """Keyword arguments of `semveil.transmit`."""
        takes = takes_epsilon(self.keys, self.unkeyed)
        return {"protection": self.protection, **({"epsilon": float(self.epsilon)} if takes else {})}

    def chosen_face(self) -> int | str:
        """The face, in the form that `semveil.transmit` takes."""
        return one_face(self.face)


def one_face(face: str | None) -> int | str:
    """The face that the menu names; its field also takes what somebody types.

    Args:
        face: value of the menu; None if it was emptied.

    Raises:
        ValueError: neither `largest` nor a number.

    Example:
        >>> one_face("largest"), one_face("2")
        ('largest', 2)
    """
    if face == LARGEST_FACE:
        return LARGEST_FACE
    if face is None or not (face.isascii() and face.isdecimal()):
        raise ValueError(f"no face {face or ''!r}; choose one from the menu")
    return int(face)


def takes_epsilon(keys: str, unkeyed: str) -> bool:
    """Whether the chosen protection takes an epsilon; keyed protections take none on the page.

    Args:
        keys: the page's choice of key.
        unkeyed: name of the protection that applies without a key.
    """
    return keys == WITHOUT_KEY and PROTECTIONS[unkeyed].takes_epsilon
