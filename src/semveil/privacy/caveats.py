# SPDX-License-Identifier: Apache-2.0
"""Limitations of an epsilon, as fixed terms in certificates."""

from enum import StrEnum

from semveil.core.registry import suggest


class Caveat(StrEnum):
    """Relevant limitation outside a release's guarantee."""

    REPEATED_RELEASES = "repeated-releases"
    CODES_IN_CLEAR = "codes-in-clear"
    ATTRIBUTES = "attributes"
    GENERATOR_TUNING = "generator-tuning"
    PASTE_BACK = "paste-back"
    KEY = "key"
    MALLEABLE = "malleable"
    DENIABLE = "deniable"
    LINKABLE = "linkable"
    SEALED = "sealed"
    CLIP = "clip"

    @property
    def meaning(self) -> str:
        """Explanation in plain words, for a release other than a clip."""
        return _MEANINGS[self]

    def meaning_for(self, *, clip: bool) -> str:
        """Explanation in plain words, for a given kind of release.

        Args:
            clip: whether the release is a clip.
        """
        return _OF_CLIPS.get(self, self.meaning) if clip else self.meaning


_MEANINGS = {
    Caveat.REPEATED_RELEASES: (
        "every further release about the same person adds its epsilon and delta to these, whatever photo it "
        "is made from; a certificate does not know about the others, but a ledger adds them up (`semveil "
        "ledger show`)"
    ),
    Caveat.CODES_IN_CLEAR: (
        "the codes that are not private were computed from the same photo and are sent unchanged; they "
        "show their own parts of the face, and correlated parts (the hair of a face) can be guessed from "
        "them"
    ),
    Caveat.ATTRIBUTES: (
        "attributes of the person, such as age or expression, are kept or sent in the clear on purpose"
    ),
    Caveat.GENERATOR_TUNING: (
        "the generator was tuned on this very photo, so its weights carry the photo past the noise"
    ),
    Caveat.PASTE_BACK: (
        "the picture around the face is pasted back from the photo, with hair, body, clothes and place"
    ),
    Caveat.KEY: (
        "whoever has the key, or gets it later, sees the photo as Bob does; how the key is kept is not "
        "certified"
    ),
    Caveat.MALLEABLE: (
        "the symbols are analogue and not authenticated: even without reading them, anyone in between can "
        "change what Bob sees"
    ),
    Caveat.DENIABLE: (
        "the side information is not authenticated, so any key decodes it to something: a wrong key and "
        "changes to it go unnoticed"
    ),
    Caveat.LINKABLE: (
        "pictures of one person show the same new face on purpose, so they can be linked to each other; "
        "whoever has the key can tell which subject a face stands for"
    ),
    Caveat.SEALED: (
        "the original pixels of the altered faces travel with this picture, sealed: whoever gets the key, "
        "now or later, sees them as they were; handing over the key of one face opens that face alone"
    ),
    Caveat.CLIP: (
        "all frames and all faces of a clip can be linked to each other; a person whose face was lost and "
        "found again has several draws in it, whose epsilons add up; when and where each face is seen, how "
        "it moves, and how long the clip is are in the clear"
    ),
}
_OF_CLIPS = {
    Caveat.PASTE_BACK: (
        "every frame around the faces is pasted back from the original clip, with hair, body, clothes and "
        "place"
    ),
    Caveat.SEALED: (
        "the whole original file travels with this clip, sealed under one key: whoever gets the key, now or "
        "later, has all its frames, faces and sound; there are no keys for single faces"
    ),
}
VOID_WHOLE_PHOTO = (Caveat.CODES_IN_CLEAR, Caveat.ATTRIBUTES, Caveat.GENERATOR_TUNING, Caveat.PASTE_BACK)


def caveat_named(name: str) -> Caveat:
    """Return the caveat with a given name.

    Args:
        name: its value, such as `paste-back`.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> caveat_named("pasteback")
        Traceback (most recent call last):
        ...
        ValueError: no caveat named 'pasteback' (did you mean 'paste-back'?); see
        semveil.privacy.caveats.Caveat
    """
    names = [caveat.value for caveat in Caveat]
    if name not in names:
        raise ValueError(
            f"no caveat named {name!r}{suggest(str(name), names)}; see semveil.privacy.caveats.Caveat"
        )
    return Caveat(name)
