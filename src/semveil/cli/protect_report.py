# SPDX-License-Identifier: Apache-2.0
"""Final report of `semveil protect`: what is hidden and what is not, the guarantee, and next commands."""

from pathlib import Path
from typing import TYPE_CHECKING

from semveil.cli.console import Line, note, show
from semveil.cli.method_options import USUAL
from semveil.cli.terminal import pasted
from semveil.privacy.strength import STRENGTHS, in_a_word

if TYPE_CHECKING:
    from semveil.bulk.sealing import Sealing
    from semveil.bulk.settings import Settings
    from semveil.bulk.summary import Summary
    from semveil.methods.listing import Listed
    from semveil.privacy.guarantee import Guarantee

SHOWN = 20  # refusals listed individually
# outputs of photos and clips, without certificates and sealed parts
SHOWN_FILES = (".png", ".mp4")
LISTED = 50  # largest number of photos with a line each
_BECAME = {"done_before": "done before", "skipped": "skipped", "copied": "copied", "refused": "refused"}


def report(
    summary: "Summary",
    settings: "Settings",
    out: Path,
    *,
    defaults: tuple[bool, bool],
    review: Path | None = None,
    ledger: Path | None = None,
    as_json: bool,
) -> None:
    """Print the result of a run.

    Args:
        summary: summary of the run.
        settings: settings of the run.
        out: the output folder.
        defaults: whether the method and the folder are the defaults.
        review: the page with all photos that was written, if any.
        ledger: the ledger, where it is not the default one.
        as_json: print one JSON object.
    """
    assert settings.layout is not None
    result = {
        "method": settings.method,
        "layout": settings.layout.value,
        "out": str(out),
        **summary.as_dict(),
    }
    if as_json:
        show(result, as_json=True)
        return
    lines = [
        *_lines_of_photos(summary),
        ("Done", _done(summary, settings)),
        *_hidden(summary, settings, by_default=defaults[0]),
        *_missed(summary, settings, reviewed=review is not None),
        *_written(summary, settings, out, by_default=defaults[1]),
        *(
            []
            if review is None
            else [("Review", f"{review} shows all photos, and frames of clips; look at each.")]
        ),
        *_next(summary, settings, out, reviewed=review is not None, ledger=ledger),
    ]
    if summary.recognised:
        _note_recognised(summary)
    refusals = [f"refused: {refused.reason}" for refused in (*summary.refused, *summary.small_faces)]
    for texts, kind in ((summary.notes, "notes"), (refusals, "refusals")):
        for text in texts[:SHOWN]:
            note(text)
        if len(texts) > SHOWN:
            note(f"and {len(texts) - SHOWN} more {kind}; --json lists all")
    show(result, lines, as_json=False)


def _lines_of_photos(summary: "Summary") -> list[Line]:
    """One line per photo; in a long run only for photos with an unprotected or oversize face."""
    accounts = summary.accounts
    if len(accounts) <= LISTED:
        return [account.line() for account in accounts]
    lines: list[Line] = [
        account.line() for account in accounts if not account.all_protected or account.oversize
    ]
    return [
        *lines,
        f"In {len(accounts) - len(lines)} more photos every face that was found is protected; --json lists "
        "all.",
    ]


def _done(summary: "Summary", settings: "Settings") -> str:
    from semveil.methods.release import Layout

    counts = summary.as_dict()
    photos, faces = counts["photos"], counts["faces"]
    became = [f"{photos['protected']} protected"]
    became += [f"{photos[name]} {words}" for name, words in _BECAME.items() if photos[name]]
    kinds = ((photos["found"] - summary.clips, "photo"), (summary.clips, "clip"))
    text = f"{' and '.join(_count(number, kind) for number, kind in kinds if number)}: {', '.join(became)}."
    if settings.layout != Layout.PICTURE:
        text += (
            f" {_count(faces['found'], 'face')} found, {faces['protected']} protected, "
            f"{faces['refused']} refused."
        )
    if summary.faces_covered:
        text += f" {summary.faces_covered} covered by a mosaic (too small, or they cannot be aligned)."
    if summary.strangers:
        text += f" {_count(summary.strangers, 'protected face')} of people who are not enrolled."
    if summary.others:
        text += f" {_count(summary.others, 'other file')} skipped: not photos by name or content."
    return text


def _hidden(summary: "Summary", settings: "Settings", *, by_default: bool) -> list[Line]:
    from semveil.methods.listing import listed
    from semveil.methods.release import Layout

    method = listed(settings.method)
    lines: list[Line] = [
        ("Method", settings.method + (" (the default; semveil methods lists others)" if by_default else ""))
    ]
    if method.hides and (summary.protected or summary.done_before):
        lines += _hidden_by(
            method, summary.guarantee, drawn_anew=bool(summary.clips) and settings.draw_per == "frame"
        )
    if (settings.layout == Layout.WHOLE_PHOTO or summary.clips) and (
        summary.protected or summary.done_before
    ):
        around = f"{' and '.join(_made(summary))} are unchanged"
        left = (
            f"{_count(summary.faces_left, 'face')} left UNPROTECTED, as requested; "
            if summary.faces_left
            else ""
        )
        lines.append(("", f"Around the faces {around}: {left}faces that were not found are UNPROTECTED too."))
    if any(account.clip.sound for account in summary.accounts if account.clip):
        lines.append(
            (
                "",
                "The sound of clips is kept UNPROTECTED: a voice can identify a person (--audio drop removes "
                "it).",
            )
        )
    if summary.copied:
        lines.append(
            (
                "",
                f"{_count(summary.copied, 'file' if summary.clips else 'photo')} without a detected "
                "face copied to the output UNPROTECTED, as requested.",
            )
        )
    if summary.guarantee:
        made = _made(summary)
        thing = "face" if settings.layout == Layout.WHOLE_PHOTO or made == ["clips"] else "picture"
        record = "photo or clip" if len(made) > 1 else made[0].removesuffix("s")
        lines.append(("Promise", f"Each {thing}: {summary.guarantee.briefly(record)}."))
    return lines


def _missed(summary: "Summary", settings: "Settings", *, reviewed: bool) -> list[Line]:
    """What to do about known faces that a detector finds in a clip's output; nothing if there are none."""
    clips = [account.photo for account in summary.accounts if account.clip and account.clip.missed]
    if not clips:
        return []
    more = f" and {len(clips) - 1} more" if len(clips) > 1 else ""
    ways = [] if reviewed else ["--review look.html shows these frames"]
    if settings.detector != "union":
        ways.append("--detector union (extra `detect`) finds faces in more frames")
    guarantee = summary.guarantee
    if guarantee is not None and any(part.kind == "attributes" for part in guarantee.coverage.clear):
        ways.append("--method mosaic covers a disc, not the face alone")
    ways.append("cut out what still shows a face before you publish")
    return [("Missed", f"a known face is still found in {clips[0]}{more}: {'; '.join(ways)}.")]


def _made(summary: "Summary") -> list[str]:
    """Kinds of outputs, `photos` before `clips`; photos if there are none."""
    clips = sum(account.clip is not None for account in summary.accounts)
    photos = summary.protected + summary.done_before + summary.copied - clips
    return [*(["photos"] if photos > 0 or not clips else []), *(["clips"] if clips else [])]


def _hidden_by(method: "Listed", guarantee: "Guarantee | None", *, drawn_anew: bool) -> list[Line]:
    """What the method hides, unless the epsilon of this run promises nothing.

    Where a clip's frames were `drawn_anew`, their sum may be the reason.

    What recognisers say of this run is no part of it: that is computed from the originals, see
    `_note_recognised`.
    """
    if guarantee is None or in_a_word(guarantee.epsilon, guarantee.delta) != STRENGTHS[-1].word:
        hidden = method.hides.partition(", so that recognisers ")[0]
        return [("Hidden", f"{hidden}."), ("Not hidden", f"{method.leaves}.")]
    usual = "--draw-per track" if drawn_anew else USUAL.get(method.name)
    better = f"{usual} promises more" if usual else "methods that promise more"
    return [
        ("Hidden", f"nothing is promised; {better}: see docs/which-method.md."),
        ("Not hidden", f"{method.leaves.removesuffix(' where epsilon is large')}."),
    ]


def _written(summary: "Summary", settings: "Settings", out: Path, *, by_default: bool) -> list[Line]:
    from semveil.methods.release import Layout

    if not (summary.protected or summary.done_before):
        return []
    thing = "file" if summary.clips else "picture"
    what = "new faces" if settings.layout == Layout.WHOLE_PHOTO else "pictures"
    size = f"; {what} are made at {summary.size} x {summary.size} px" if summary.size else ""
    place = f"{out} (the default; --out DIR)" if by_default else str(out)
    lines: list[Line] = [("Written", f"{place}, each {thing} with its certificate{size}.")]
    if settings.layout == Layout.CROPS and summary.photos > summary.clips:
        pixels = f", {summary.size} x {summary.size} px" if summary.size else ""
        crops = f"a picture of each face{pixels}; --whole-photo pastes it back into the photo"
        if summary.clips:
            lines.append(("", f"Of photos: {crops}."))
        else:
            lines = [("Written", f"{place}, {crops}. Each picture has its certificate.")]
    if settings.sealing is not None:
        lines.append(("", _where_sealed(_made(summary), settings.sealing)))
    if summary.recorded:
        lines.append(
            ("", f"Recorded in the ledger: {summary.recorded}; several releases about a person add up.")
        )
    return lines


def _where_sealed(made: list[str], sealing: "Sealing") -> str:
    where = "in each picture" if sealing.inside else "beside each picture (FILE.png.sealed)"
    secret = "passphrase" if sealing.key is None else "key"
    of_clips = "original file of each clip"
    if made == ["clips"]:
        return f"The {of_clips} is sealed beside it (FILE.mp4.sealed); the {secret} opens it."
    faces = f"The original faces are sealed {where}"
    if "clips" in made:
        faces += f", the {of_clips} beside it (FILE.mp4.sealed)"
    return f"{faces}; the {secret} opens them."


def _next(
    summary: "Summary", settings: "Settings", out: Path, *, reviewed: bool, ledger: Path | None
) -> list[Line]:
    """Next commands."""
    if not (summary.protected or summary.done_before):
        return []
    shown = [name for name in summary.outputs if name.endswith(SHOWN_FILES)]
    file = pasted(out / min(shown)) if shown else f"{pasted(out)}/FILE"
    commands = [f"semveil certify {file}"]
    if settings.sealing is not None:
        opening = "--key KEY" if settings.sealing.key is not None else "--passphrase-file FILE"
        commands.append(f"semveil restore {file} {opening}")
    if summary.recorded:
        where = "" if ledger is None else f" --ledger {pasted(ledger)}"
        commands.append(f"semveil ledger show --subject NAME{where}")
    if summary.accounts and settings.sealing is None and not summary.recorded and not reviewed:
        commands.append("look at every picture; --review look.html shows them on one page")
    return [("Next" if i == 0 else "", command) for i, command in enumerate(commands)]


def _note_recognised(summary: "Summary") -> None:
    """Print faces still recognised, on the terminal only.

    This is computed from the originals, so no epsilon covers it.
    """
    from semveil.bulk.recognised import log_path

    for photo, faces in summary.recognised[:SHOWN]:
        found = ", ".join(f"face {number} by {' and '.join(judges)}" for number, judges in faces)
        note(f"still recognised in {photo}: {found}")
    note(
        f"{_count(len(summary.recognised), 'photo')} with faces that are still recognised; all are listed "
        f"in {log_path()}. This was computed from the originals: keep it private; covering or redrawing a "
        "face because of it reveals something about them"
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
