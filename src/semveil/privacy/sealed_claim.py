# SPDX-License-Identifier: Apache-2.0
"""Guarantee against an adversary who also has the sealed originals of an image."""

from dataclasses import replace

from semveil.privacy.guarantee import Basis, Guarantee, weakest

NO_FORWARD_SECRECY = (
    "nobody but its holders gets the key of the sealed part, now or ever: with the key the photo is open, "
    "and there is no forward secrecy"
)
GUESSABLE = (
    "the passphrase of the sealed part is never guessed; whoever has the sealed part can try guesses "
    "without limit"
)


def with_sealed_part(claim: Guarantee, *, passphrase: bool) -> Guarantee:
    """Guarantee of an image together with its sealed part: the same epsilon, at best `computational`.

    The length of the sealed part is a function of the boxes and the depth and reveals nothing more; its
    content is indistinguishable from random for anybody who cannot break the cipher.

    Args:
        claim: of the image alone.
        passphrase: whether the key is derived from a passphrase.

    Example:
        >>> joint = with_sealed_part(Guarantee(1.0, "the face", Basis.PROVED), passphrase=False)
        >>> joint.epsilon, joint.basis.value
        (1.0, 'computational')
    """
    assumptions = (*claim.assumptions, NO_FORWARD_SECRECY, *((GUESSABLE,) if passphrase else ()))
    return replace(claim, basis=weakest(claim.basis, Basis.COMPUTATIONAL), assumptions=assumptions)
