# SPDX-License-Identifier: Apache-2.0
"""The thirteen semantic parts of a face and the latent codes that belong to them."""

from collections.abc import Sequence

from semveil.core.registry import suggest

PARTS = (
    "background", "skin", "eyes", "brows", "mouth", "nose", "ears",
    "hair", "neck", "cloth", "glasses", "hat", "earring",
)  # fmt: skip
BASE_CODES = 2  # codes 0 and 1: shared by all parts but the background
CODES = BASE_CODES + 2 * len(PARTS)
PRIVATE_CODES = (0, 1, 4, 5, 6, 7, 8)  # [DPSC]: the shared codes and "the 4th to 8th", read 0-based

# CelebAMask-HQ's 19 classes -> our 13 parts (left/right and the lips are merged, necklace counts as neck).
CELEBAMASK_TO_PART = (0, 1, 5, 10, 2, 2, 3, 3, 6, 6, 4, 4, 4, 7, 11, 12, 8, 8, 9)


def codes_of_parts(parts: Sequence[str]) -> tuple[int, ...]:
    """Private codes of a list of face parts: the shared codes 0 and 1, and the codes of each part.

    Part i has shape code 2 + 2i and texture code 3 + 2i (0-based, SemanticStyleGAN's order).

    Args:
        parts: names from `PARTS`; order and repeats do not matter.

    Returns:
        Sorted 0-based code indices.

    Raises:
        ValueError: a name is not in `PARTS`.

    Example:
        >>> codes_of_parts(["skin", "eyes"])
        (0, 1, 4, 5, 6, 7)
    """
    codes = set(range(BASE_CODES))
    for part in parts:
        if part not in PARTS:
            raise ValueError(f"no face part named {part!r}{suggest(part, PARTS)}; parts: {', '.join(PARTS)}")
        index = PARTS.index(part)
        codes |= {BASE_CODES + 2 * index, BASE_CODES + 2 * index + 1}
    return tuple(sorted(codes))


def parse_codes(text: str) -> tuple[int, ...]:
    """Parse a list of code indices.

    Args:
        text: 0-based indices and ranges, such as `0,1,4-8`.

    Returns:
        Ascending indices without duplicates.

    Raises:
        ValueError: an item is not an index or a range, an index lies outside 0..27, or the list is empty.

    Example:
        >>> parse_codes("0,1,4-8")
        (0, 1, 4, 5, 6, 7, 8)
    """
    codes: set[int] = set()
    for item in text.split(","):
        first, _, last = item.strip().partition("-")
        try:
            codes |= set(range(int(first), int(last or first) + 1))
        except ValueError:
            raise ValueError(
                f"cannot read {item!r} as a code index or range; write for example 0,1,4-8"
            ) from None
    outside = [c for c in codes if not 0 <= c < CODES]
    if outside or not codes:
        raise ValueError(f"code indices must lie in 0..{CODES - 1}, got {text!r}")
    return tuple(sorted(codes))


def describe_codes(codes: Sequence[int]) -> list[str]:
    """Names of codes for display.

    Args:
        codes: 0-based indices in 0..27.

    Example:
        >>> describe_codes([0, 4])
        ['shared 0', 'skin shape']
    """
    names = [f"shared {c}" if c < BASE_CODES else None for c in codes]
    return [
        n or f"{PARTS[(c - BASE_CODES) // 2]} {('shape', 'texture')[c % 2]}"
        for n, c in zip(names, codes, strict=True)
    ]
