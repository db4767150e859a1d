# SPDX-License-Identifier: Apache-2.0
"""Coverage of a claim within a photo: its parts as values, their dependencies, and their names in words."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from semveil.faces.parts import BASE_CODES, CODES, PARTS, describe_codes


class Kind(StrEnum):
    """Kind of a part of a person's record, the photo."""

    PHOTO = "photo"
    PICTURE = "picture"  # the central square of an image without face detection
    # of the faces, unchanged in whole photos; includes the corners of the crops
    SURROUNDINGS = "surroundings"
    OTHER_FACES = "other-faces"
    OUTLINE = "outline"  # of the face, where the pasted region follows it
    COVERED_FACES = "covered-faces"  # of others, as far as a mosaic reveals them
    SOUND = "sound"
    CROP = "crop"
    FACE = "face"  # the pasted region of a crop
    CODES = "codes"
    IDENTITY = "identity"
    ATTRIBUTES = "attributes"
    SINGULAR_VALUES = "singular-values"
    SINGULAR_VECTORS = "singular-vectors"
    NOTHING = "nothing"
    OTHER = "other"  # identified by its words alone


_WORDS = {
    Kind.PHOTO: "the whole photo",
    Kind.PICTURE: "the whole picture",
    Kind.SURROUNDINGS: "the photo around the faces, and where each face lies, how large and how tilted it is",
    Kind.OTHER_FACES: "faces that were not found or not chosen",
    Kind.COVERED_FACES: "faces that were found and only covered by a mosaic",
    Kind.OUTLINE: "the outline of the old face",
    Kind.SOUND: "the sound, with the voices in it, which name people",
    Kind.CROP: "all pixels of the crop",
    Kind.FACE: "the face without what is around it",
    Kind.ATTRIBUTES: (
        "the attributes (pose, expression, hair, light, background), with what they tell of who it is"
    ),
    Kind.SINGULAR_VECTORS: "the singular vectors, which hold the shapes of the picture",
    Kind.NOTHING: "nothing",
}
_ALWAYS_SAID_ALIKE = {words: kind for kind, words in _WORDS.items() if kind != Kind.ATTRIBUTES}

_CODES_OF_PARTS = {"shared": tuple(range(BASE_CODES))} | {
    part: (BASE_CODES + 2 * i, BASE_CODES + 2 * i + 1) for i, part in enumerate(PARTS)
}

_AROUND = frozenset({Kind.SURROUNDINGS, Kind.OTHER_FACES, Kind.COVERED_FACES, Kind.SOUND})
_WITH_SURROUNDINGS = frozenset({Kind.CROP, Kind.OTHER, *_AROUND})
_SHOWS_ALL = frozenset({Kind.PHOTO, Kind.PICTURE, Kind.CROP, Kind.FACE})
_BESIDE = {  # complementary parts of a face: one can change while the other stays
    Kind.ATTRIBUTES: Kind.IDENTITY,
    Kind.IDENTITY: Kind.ATTRIBUTES,
    Kind.SINGULAR_VECTORS: Kind.SINGULAR_VALUES,
    Kind.SINGULAR_VALUES: Kind.SINGULAR_VECTORS,
}


@dataclass(frozen=True)
class Part:
    """Part of a photo.

    Args:
        kind: of the part.
        model: for codes, identity and attributes: SHA-256 of the networks that compute it. Parts of different
            models are different functions of the photo and comparable only for the photo as a whole.
        codes: for codes: 0-based indices, sorted.
        size: number of codes of the model, of components of the identity vector, or of singular values for
            each colour.
        note: remark appended to the words; it does not distinguish parts.
        words: for kind `other`: its only name.

    Raises:
        ValueError: a field that the kind does not use is set, or a required one is missing.

    Example:
        >>> str(Part(Kind.CODES, "0f" * 32, (4, 5), 28)), str(Part(Kind.CODES, "0f" * 32, (0, 1, 2), 3))
        ('the private codes (skin shape, skin texture)', 'all codes')
    """

    kind: Kind
    model: str = ""
    codes: tuple[int, ...] = ()
    size: int = field(default=0, compare=False)
    note: str = field(default="", compare=False)
    words: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", Kind(self.kind))
        object.__setattr__(self, "codes", tuple(sorted(set(self.codes))))
        codes = self.kind == Kind.CODES
        if codes != bool(self.codes) or (codes and not 0 <= self.codes[0] <= self.codes[-1] < self.size):
            raise ValueError(
                f"codes are indices from 0 to below their number, {self.size}, got {self.codes} for "
                f"{self.kind.value}"
            )
        if self.model and not re.fullmatch("[0-9a-f]{64}", self.model):
            raise ValueError(f"a model is named by its SHA-256, 64 hex digits, got {self.model!r}")
        if bool(self.words) != (self.kind == Kind.OTHER):
            raise ValueError(f"words name what has no other name, got {self.words!r} for {self.kind.value}")

    @classmethod
    def of(cls, words: str) -> "Part":
        """Return the part with a given name, of kind `other` if the name is not that of a fixed part.

        Args:
            words: its name.
        """
        kind = _ALWAYS_SAID_ALIKE.get(words)
        return cls(Kind.OTHER, words=words) if kind is None else cls(kind)

    @property
    def space(self) -> tuple[str, str]:
        """Space in which parts are comparable.

        The codes of one model, the identities of one model, or the part alone.
        """
        return self.kind.value, self.model

    def __str__(self) -> str:
        if self.kind == Kind.OTHER:
            return self.words
        if self.kind == Kind.CODES:
            whole = len(self.codes) == self.size
            said = "all codes" if whole else f"the private codes ({', '.join(self._named())})"
        elif self.kind == Kind.IDENTITY:
            said = f"the identity vector of {self.size} numbers"
        elif self.kind == Kind.SINGULAR_VALUES:
            said = f"the {self.size} largest singular values of each colour"
        else:
            said = _WORDS[self.kind]
        return said + self.note

    def in_clear(self) -> str:
        """Name of the part where it is shown unprotected."""
        if self.kind != Kind.CODES:
            return str(self)
        return "the other codes, sent in clear and computed from the same photo" + self.note

    def briefly(self) -> str:
        """Name in short form, without "private" for codes."""
        if self.kind != Kind.CODES or len(self.codes) == self.size:
            return str(self)
        left = tuple(code for code in range(self.size) if code not in self.codes)
        if len(left) < len(self.codes):
            return f"all codes but {', '.join(replace(self, codes=left)._grouped())}"
        return f"the codes {', '.join(self._grouped())}"

    def _grouped(self) -> list[str]:
        """Names of the codes, with one name for a face part if all its codes are included."""
        if self.size != CODES:
            return self._named()
        names: list[str] = []
        for part, own in _CODES_OF_PARTS.items():
            there = [code for code in own if code in self.codes]
            names += [part] if len(there) == len(own) else describe_codes(there)
        return names

    def _named(self) -> list[str]:
        return describe_codes(self.codes) if self.size == CODES else [str(code) for code in self.codes]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        return {
            "kind": self.kind.value,
            "model": self.model or None,
            "codes": list(self.codes) or None,
            "size": self.size or None,
            "note": self.note or None,
            "words": self.words or None,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Part":
        """Parse the result of `as_dict`.

        Args:
            content: decoded JSON.

        Raises:
            ValueError: it is not an object, or a field is missing, unknown, of another type or invalid.
        """
        if not isinstance(content, dict) or set(content) != {
            "kind",
            "model",
            "codes",
            "size",
            "note",
            "words",
        }:
            raise ValueError(
                "a part of a photo has the fields kind, model, codes, size, note and words, got "
                f"{ascii(content)[:200]}"
            )
        codes, size = content["codes"] or [], content["size"] or 0
        texts = [content[name] or "" for name in ("kind", "model", "note", "words")]
        numbers = isinstance(codes, list) and all(type(number) is int for number in (*codes, size))
        if not numbers or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"a part of a photo has fields of other types, got {ascii(content)[:200]}")
        return cls(Kind(texts[0]), texts[1], tuple(codes), size, texts[2], texts[3])


@dataclass(frozen=True)
class Coverage:
    """Protected parts of a claim, and unprotected parts shown by the same release.

    Args:
        covered: protected parts; the claim holds for all of them together.
        clear: parts shown unprotected; a claim compares photos that agree in them.

    Example:
        >>> model = "0f" * 32
        >>> rest = Part(Kind.CODES, model, (2, 3, *range(6, 28)), 28)
        >>> skin = Coverage.of(Part(Kind.CODES, model, (0, 1, 4, 5), 28), rest)
        >>> skin.leaves_open(Part(Kind.CODES, model, (0, 1), 28))
        False
        >>> skin.leaves_open(Part(Kind.CODES, model, (6, 7), 28))
        True
    """

    covered: tuple[Part, ...]
    clear: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        for name in ("covered", "clear"):
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))

    @classmethod
    def of(cls, covered: Part, *clear: Part) -> "Coverage":
        """Return the coverage of a single part.

        Args:
            covered: the protected part.
            *clear: parts that the release shows unprotected.
        """
        return cls((covered,), clear)

    @classmethod
    def of_codes(cls, model: str, private: Iterable[int], size: int) -> "Coverage":
        """Return the coverage of some codes of a model, with its other codes unprotected.

        Args:
            model: SHA-256 of the networks that compute the codes.
            private: 0-based indices of the protected codes.
            size: number of codes of the model.
        """
        codes = tuple(sorted(set(private)))
        common = tuple(code for code in range(size) if code not in codes)
        beside = [Part(Kind.CODES, model, common, size)] if common else []
        return cls.of(Part(Kind.CODES, model, codes, size), *beside)

    def leaves_open(self, part: Part) -> bool:
        """Whether the unprotected content reveals something about a part.

        Unprotected content is assumed to reveal everything computed from the photo, except where the two are
        known to vary independently: other codes of the same model, identity and attributes of the same model,
        identity and outline, the face and its surroundings.

        Args:
            part: of the photo.
        """
        return bool(self.telling(part))

    def telling(self, part: Part) -> tuple[Part, ...]:
        """Unprotected parts that reveal something about a part.

        Args:
            part: of the photo.
        """
        return tuple(clear for clear in self.clear if self._tells(clear, part))

    def _tells(self, clear: Part, part: Part) -> bool:
        if clear.kind in _SHOWS_ALL or part.kind in (Kind.PHOTO, Kind.PICTURE):
            return True
        if clear.kind == Kind.OUTLINE:
            return part.kind != Kind.IDENTITY
        if clear.kind in _AROUND:
            return part.kind in _WITH_SURROUNDINGS and part not in self.covered
        if clear.kind == Kind.CODES and clear.space == part.space:
            return not set(clear.codes).isdisjoint(part.codes)
        if clear.kind in _BESIDE and part.kind == _BESIDE[clear.kind]:
            return clear.model != part.model
        return not (clear.kind == Kind.OTHER and part in self.covered)  # the release's own claim

    @property
    def words(self) -> str:
        """Protected parts in plain words."""
        return " and ".join(dict.fromkeys(map(str, self.covered)))

    @property
    def clear_words(self) -> tuple[str, ...]:
        """Unprotected parts in plain words."""
        return tuple(dict.fromkeys(part.in_clear() for part in self.clear))

    @property
    def is_words_only(self) -> bool:
        """Whether the parts are identified by their words only."""
        parts = (*self.covered, *self.clear)
        return len(self.covered) == 1 and all(Part.of(str(part)) == part and not part.size for part in parts)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        return {
            "covered": [part.as_dict() for part in self.covered],
            "clear": [part.as_dict() for part in self.clear],
        }

    @classmethod
    def from_dict(cls, content: Any) -> "Coverage":
        """Parse the result of `as_dict`.

        Args:
            content: decoded JSON, of any type.

        Raises:
            ValueError: it is not an object with lists of valid parts.
        """
        if not isinstance(content, dict) or set(content) != {"covered", "clear"}:
            raise ValueError(f"a coverage has the fields covered and clear, got {ascii(content)[:200]}")
        if not all(isinstance(parts, list) for parts in content.values()):
            raise ValueError(f"a coverage has lists of parts, got {ascii(content)[:200]}")
        covered, clear = (
            tuple(Part.from_dict(part) for part in content[name]) for name in ("covered", "clear")
        )
        return cls(covered, clear)
