# SPDX-License-Identifier: Apache-2.0
"""Names of the pictures that `protect` writes for a photo."""

import re

_WHOLE = "covered|partly-unprotected|unprotected"  # what happened to the faces of a whole photo
_OF_WHOLE = re.compile(rf"\.({_WHOLE})$")
_OF_ANY = re.compile(rf"\.(face-\d+|{_WHOLE})$")


def photo_of(output: str, *, whole: bool = False) -> str:
    """Name of the photo that an output shows: without the ending that tells what happened to its faces.

    Args:
        output: name or path, without the suffix of its format.
        whole: remove only endings of whole photos, and not the number of a single face.

    Example:
        >>> photo_of("a.covered"), photo_of("a.face-1"), photo_of("a.face-1", whole=True), photo_of("a.b")
        ('a', 'a', 'a.face-1', 'a.b')
    """
    return (_OF_WHOLE if whole else _OF_ANY).sub("", output)
