# SPDX-License-Identifier: Apache-2.0
"""Shell completion of names; what is no list of networks is completed without importing torch."""

from collections.abc import Callable, Iterable


def completing(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return a completion function for an option.

    Args:
        names: returns all names that the option takes.
    """

    def complete(incomplete: str) -> list[str]:
        return [name for name in dict.fromkeys(names()) if name.startswith(incomplete)]

    return complete


def _folders(*cards: str) -> list[str]:
    from semveil.core.model_folders import folders_with

    return [name for card in cards for name in folders_with(card)]


def _face_models() -> list[str]:
    from semveil.core.model_folders import FACE_CARD, OFFICIAL_MODEL

    return [*_folders(FACE_CARD), OFFICIAL_MODEL]


def _identity_models() -> list[str]:
    from semveil.core.model_folders import IDENTITY_CARD

    return _folders(IDENTITY_CARD)


def _all_models() -> list[str]:
    from semveil.core.model_folders import KINDS

    return [*_face_models(), *_folders(*KINDS.values())]


def _weights() -> list[str]:
    from semveil.core.weights import CATALOGUE

    return list(CATALOGUE)


def _methods() -> list[str]:
    from semveil.methods.registry import METHODS

    return list(METHODS)


def _image_methods() -> list[str]:
    from semveil.methods.registry import image_method_names

    return image_method_names()


def _attacks() -> list[str]:
    from semveil.attacks import ATTACKS

    return list(ATTACKS)


def _audited() -> list[str]:
    from semveil.audit.target import targets

    return list(targets())


face_model = completing(_face_models)
any_model = completing(_all_models)
identity_model = completing(_identity_models)
weights = completing(_weights)
model_or_weights = completing(lambda: [*_all_models(), *_weights()])
method = completing(_methods)
image_method = completing(_image_methods)
attack = completing(_attacks)
audited = completing(_audited)
