# SPDX-License-Identifier: Apache-2.0
"""Pseudonymous identities of subjects: fixed under one key, unrelated under another."""

import json
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from semveil.keys.keystream import KeyStream
from semveil.keys.schedule import hkdf_sha256
from semveil.keys.secret import Secret
from semveil.privacy.ledger import subject_name

LABEL, VERSION = "semveil pseudonym", 1


class Pseudonyms:
    """Unit vectors for subjects, by HKDF-SHA256 of a secret key and the subject's name.

    They do not depend on photos. A normal vector from the derived key's stream, divided by its length, is
    uniform on the sphere, so without the key nobody can distinguish these vectors from random people. With
    the key anybody can compute them from a list of names: the names are not secret.

    Args:
        secret: the key; its holder can link vectors to subjects.

    Example:
        >>> desk, again = Pseudonyms(Secret(bytes(32))), Pseudonyms(Secret(bytes(32)))
        >>> torch.equal(desk.identities(["Ada", "Bo"], 8), again.identities(["ada ", "Bo"], 8))
        True
    """

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    @property
    def key_id(self) -> str:
        """Identifier of the key, 64 hex digits, which reveals nothing about it."""
        return self._derive("key id").hex()

    def identities(self, subjects: Sequence[str], dimension: int) -> Tensor:
        """Unit vectors (B, dimension) in float32, one per subject, determined by the key and the name.

        Args:
            subjects: names; case, spacing and Unicode form make no difference.
            dimension: length of a vector.

        Raises:
            ValueError: a subject without a name.
        """
        rows = [
            KeyStream(self._derive("identity", subject_name(s), dimension)).normals(dimension)
            for s in subjects
        ]
        vectors = np.stack([row / math.sqrt(math.fsum(row * row)) for row in rows])
        return torch.from_numpy(vectors).float()

    def _derive(self, *what: str | int) -> bytes:
        info = json.dumps([LABEL, VERSION, *what], separators=(",", ":")).encode("ascii")
        return hkdf_sha256(self._secret.value, salt=None, info=info)
