# SPDX-License-Identifier: Apache-2.0
"""Guarantee of a protected clip: the claim for one tracked face, and what stays in clear."""

from collections.abc import Sequence
from dataclasses import replace

from semveil.bulk.account import Fate
from semveil.bulk.pictures import only_the_face, outline_passes
from semveil.data.sealed_clip import SIZE_IN_CLEAR
from semveil.methods.release import ImageMethod, Release
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import Certificate, ReleaseKind
from semveil.privacy.composition import compose
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Guarantee, post_process
from semveil.privacy.sealed_claim import with_sealed_part

NEIGHBOURS = (
    "two clips are compared that have the same faces in the same places of the same frames, and agree, in "
    "every frame, in all that is not covered"
)
ONE_DRAW = (
    "each face has one draw, from the sharpest frame in which it can be aligned, and all its frames show "
    "it; how often it is shown costs nothing"
)
NEW_DRAWS = (
    "each face is drawn anew in every frame, at most {frames} times, and the epsilons of its frames add up"
)
IN_EVERY_FRAME = " in every frame, how it moves, and when it is seen"


def clip_certificate(
    method: ImageMethod,
    release: Release,
    *,
    frames: int | None,
    fates: Sequence[Fate],
    sound: bool,
) -> Certificate:
    """Certificate of a clip, not bound to a file yet.

    Args:
        method: method that made the release.
        release: one picture of each protected face, with the claim for one draw.
        frames: largest number of draws of any face; None if each was drawn once for all frames.
        fates: fates of all faces.
        sound: whether the sound is kept.
    """
    certificate = method.certificate(release)
    claim = certificate.guarantee if frames is None else compose(certificate.guarantee, times=[frames])
    claim = _of_every_frame(only_the_face(claim))
    reads = _in_clear(fates, sound) + (
        [Part(Kind.OUTLINE, note=" in every frame")] if outline_passes(claim) else []
    )
    claim = post_process(claim, "putting faces back into every frame", also_reads=reads)
    drawn = ONE_DRAW if frames is None else NEW_DRAWS.format(frames=frames)
    if claim.epsilon is not None:
        claim = replace(claim, assumptions=(*claim.assumptions, NEIGHBOURS, drawn))
    return replace(
        certificate,
        release=ReleaseKind.CLIP,
        guarantee=claim,
        caveats=(*certificate.caveats, Caveat.PASTE_BACK, Caveat.CLIP),
    )


def bare_certificate(
    method: str, protection: str, reason: str, *, fates: Sequence[Fate], sound: bool
) -> Certificate:
    """Certificate of a clip in which no face is protected: it claims nothing.

    Args:
        method: name of the requested method.
        protection: what was done instead, such as `mosaic`, or `none`.
        reason: why no face is protected.
        fates: fates of the clip's faces.
        sound: whether the audio track is kept.
    """
    claim = Guarantee.none("nothing", reason=reason)
    claim = claim.about(Coverage((Part(Kind.NOTHING),), tuple(_in_clear(fates, sound))))
    caveats = (Caveat.PASTE_BACK, Caveat.CLIP)
    return Certificate(
        release=ReleaseKind.CLIP, method=method, protection=protection, guarantee=claim, caveats=caveats
    )


def with_original(certificate: Certificate, *, passphrase: bool) -> Certificate:
    """Certificate of a clip whose original file is sealed and stored with it.

    Args:
        certificate: certificate of the clip.
        passphrase: whether the key is derived from a passphrase.
    """
    joint = post_process(certificate.guarantee, "sealing the original file", also_reads=[SIZE_IN_CLEAR])
    return replace(certificate, sealed=with_sealed_part(joint, passphrase=passphrase))


def _of_every_frame(claim: Guarantee) -> Guarantee:
    """Extend a claim for one picture to a clip: attributes left in clear are those of every frame."""
    clear = (
        replace(part, note=f"{part.note}, of every frame") if part.kind == Kind.ATTRIBUTES else part
        for part in claim.coverage.clear
    )
    return claim.about(Coverage(claim.coverage.covered, tuple(clear)))


def _in_clear(fates: Sequence[Fate], sound: bool) -> list[Part]:
    parts = [Part(Kind.SURROUNDINGS, note=IN_EVERY_FRAME), Part(Kind.OTHER_FACES)]
    parts += [Part(Kind.COVERED_FACES)] if Fate.COVERED in fates else []
    return parts + ([Part(Kind.SOUND)] if sound else [])
