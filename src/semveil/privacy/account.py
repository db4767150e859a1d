# SPDX-License-Identifier: Apache-2.0
"""Composition of all recorded releases about one person, per part of the photo and for the whole record."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from semveil.privacy.composition import compose
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Guarantee, weakest

WHOLE = Part(Kind.PHOTO)
_NO_SET = (Kind.PHOTO, Kind.PICTURE, Kind.NOTHING)


@dataclass(frozen=True)
class Released:
    """One release about a person.

    Attributes:
        views: guarantees of the outputs made from it.
        times: number of its images that show the person, each with its own noise.
    """

    views: tuple[Guarantee, ...]
    times: int = 1


@dataclass(frozen=True)
class Account:
    """Composition of releases about one person.

    Attributes:
        whole: for the whole record; epsilon is None as soon as one release shows any part of it in clear.
        sets: for each part that a release covers or shows, for photos that agree in everything shown in
            clear.
    """

    whole: Guarantee
    sets: tuple[Guarantee, ...]


def account(releases: Sequence[Released]) -> Account | None:
    """Compose all releases about one person; None for no releases.

    Every release counts for every part. Its guarantee applies to a part about which its unprotected content
    reveals nothing; a part that any release leaves open has no finite epsilon.

    Args:
        releases: about the same person.

    Example:
        >>> from semveil.privacy.guarantee import Basis
        >>> a = Guarantee(1.0, "x", Basis.PROVED).about(Coverage.of_codes("0f" * 32, (0, 1), 3))
        >>> b = Guarantee(1.0, "x", Basis.PROVED).about(Coverage.of_codes("0f" * 32, (0, 2), 3))
        >>> together = account([Released((a,)), Released((b,))])
        >>> together.whole.epsilon, [(part.covers, part.epsilon) for part in together.sets]
        (None, [('the private codes (0)', 2.0), ('the private codes (1, 2)', None)])
    """
    if not releases:
        return None
    return Account(_total(WHOLE, releases), tuple(_total(part, releases) for part in _parts(releases)))


def _total(part: Part, releases: Sequence[Released]) -> Guarantee:
    """Joint claim of all releases for a part."""
    claims = [_claim(part, release) for release in releases]
    clear = tuple(p for release in releases for view in release.views for p in view.coverage.clear)
    coverage = Coverage((part,), () if part == WHOLE else clear)
    reasons = tuple(dict.fromkeys(claim.reason for claim in claims if claim.epsilon is None))
    if reasons:
        return Guarantee.none(coverage.words, reason="; ".join(reasons)).about(coverage)
    return compose(*claims, times=[release.times for release in releases]).about(coverage)


def _claim(part: Part, release: Released) -> Guarantee:
    """Claim of one release for a part: the weakest of its views."""
    basis = weakest(*(view.basis for view in release.views))
    reasons = dict.fromkeys(reason for view in release.views if (reason := _why_none(part, view)))
    if reasons:
        return Guarantee(None, str(part), basis, reason="; ".join(reasons))
    costliest = max(release.views, key=lambda view: (view.epsilon or 0.0, view.delta))
    laws = {view.gaussian for view in release.views}
    assumptions = tuple(dict.fromkeys(text for view in release.views for text in view.assumptions))
    claim = costliest.about(Coverage.of(part))
    return replace(
        claim,
        basis=basis,
        delta=max(view.delta for view in release.views),
        assumptions=assumptions,
        metric=claim.metric if len(release.views) == 1 else None,
        gaussian=claim.gaussian if len(laws) == 1 else None,
    )


def _why_none(part: Part, view: Guarantee) -> str:
    """Reason why a view has no finite epsilon for a part; empty if it has one."""
    if view.epsilon is None:
        return view.reason
    words = dict.fromkeys(clear.in_clear() for clear in view.coverage.telling(part))
    return f"a release shows in clear: {'; '.join(words)}" if words else ""


def _parts(releases: Iterable[Released]) -> list[Part]:
    """Parts that have a separate total; codes of a model with equal protection form one part."""
    coverages = [view.coverage for release in releases for view in release.views]
    named = dict.fromkeys(part for coverage in coverages for part in (*coverage.covered, *coverage.clear))
    parts: dict[Part, None] = {}
    for part in named:
        if part.kind == Kind.CODES:
            parts |= dict.fromkeys(_codes_alike([p for p in named if p.space == part.space], coverages))
        elif part.kind not in _NO_SET:
            parts[part] = None
    return list(parts)


def _codes_alike(parts: Sequence[Part], coverages: Sequence[Coverage]) -> list[Part]:
    """All codes in the given parts, split into those that every release protects and the others."""
    codes = sorted({code for part in parts for code in part.codes})
    singles = {code: replace(parts[0], codes=(code,)) for code in codes}
    open_codes = {
        c for c, single in singles.items() if any(coverage.leaves_open(single) for coverage in coverages)
    }
    groups = [tuple(c for c in codes if (c in open_codes) == opened) for opened in (False, True)]
    return [replace(parts[0], codes=group) for group in groups if group]
