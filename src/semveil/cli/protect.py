"""`semveil protect`: protected photos, clips and folders of them, by any method that makes pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.console import make_table, note, show, stages, when_interrupted
from semveil.cli.faces import Detector
from semveil.cli.ledger import LedgerFile, SpendingLimit, check_limit

if TYPE_CHECKING:
    from semveil.bulk.run import Summary
    from semveil.bulk.settings import Settings

SHOWN = 20  # refusals that are listed one by one
LISTED = 50  # photos up to which each gets a line

# What a method can be set to is its own matter: words that typer does not know are read by the method's declaration.
CONTEXT = {"ignore_unknown_options": True, "allow_extra_args": True}


def protect(
    words: Annotated[list[str] | None, typer.Argument(help="Photos, clips, or folders of them.", metavar="PATH...")] = None,
    method: Annotated[str | None, typer.Option(help="See --methods.", metavar="NAME")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; mirrors the structure of the photos' folder.", metavar="DIR")
    ] = None,
    model: options.Model = None,
    face: Annotated[
        str,
        typer.Option(help="Which faces of a photo: all, largest, or by size from 0, such as 0,2.", metavar="all|largest|N,..."),
    ] = "all",
    whole_photo: Annotated[
        bool | None,
        typer.Option(
            "--whole-photo/--crops",
            help="Paste protected faces back into the photo, or write a picture of each; the method's own way by default.",
            show_default=False,
        ),
    ] = None,
    on_no_face: Annotated[
        str,
        typer.Option(
            help="A photo in which no face is found is refused (error), left out (skip), or its pixels are copied UNPROTECTED "
            "(copy; the detector misses profiles and small faces).",
            metavar="error|skip|copy",
        ),
    ] = "error",
    detector: Detector = "auto",
    doubtful: Annotated[
        str,
        typer.Option(
            help="In whole photos, a face that is too small or cannot be aligned is covered by a mosaic, keeps the photo out "
            "(refuse), or is left UNPROTECTED (keep).",
            metavar="cover|refuse|keep",
        ),
    ] = "cover",
    oversize: Annotated[
        str,
        typer.Option(
            help="In whole photos, a new face that is enlarged to more than twice its model's size is kept, and said so, "
            "blurred (blur), or keeps the photo out (refuse).",
            metavar="keep|blur|refuse",
        ),
    ] = "keep",
    review: Annotated[
        Path | None, typer.Option(help="Write a page that shows all photos of the run as they are now.", metavar="FILE.html")
    ] = None,
    review_originals: Annotated[
        bool, typer.Option("--review-originals", help="Show the UNPROTECTED photos on that page too, before and after.")
    ] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Also write UNPROTECTED pictures to DIR/unprotected.", metavar="inverted|aligned"),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(help="Whom all photos show: for the ledger, and for methods that give a person a face.", metavar="NAME"),
    ] = None,
    enrolled: Annotated[
        Path | None,
        typer.Option(help="Photos of known people, NAME.jpg or NAME/*.jpg: faces are recognised by them.", metavar="DIR"),
    ] = None,
    ledger: LedgerFile = None,
    limit: SpendingLimit = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes on this machine (needs Dask).", metavar="N")] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler; its workers see the same files.", metavar="tcp://HOST:PORT"),
    ] = None,
    audio: Annotated[
        str,
        typer.Option(help="Of clips: keep the sound as it is, in which a voice names people, or drop it.", metavar="keep|drop"),
    ] = "keep",
    draw_per: Annotated[
        str,
        typer.Option(
            help="Of clips: one draw for each face that is followed, which all its frames show, or a new one in each frame: "
            "their epsilons add up.",
            metavar="track|frame",
        ),
    ] = "track",
    device: options.Device = "auto",
    certificate_in_png: options.CertificateInPng = False,
    reversible: Annotated[
        bool,
        typer.Option(
            "--reversible", help="Seal the original pixels of altered faces in whole photos; back by semveil restore."
        ),
    ] = False,
    key: options.Key = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File with a passphrase to seal by, instead of a key.", metavar="FILE")
    ] = None,
    sealed_in: Annotated[
        bool,
        typer.Option(
            "--sealed-in/--sealed-out",
            help="Put the sealed part into the PNG, or beside it as FILE.png.sealed (uploads drop what is inside).",
        ),
    ] = False,
    methods: Annotated[bool, typer.Option("--methods", help="List the methods and the options of each, then stop.")] = False,
    as_json: options.Json = False,
) -> None:
    """Protect the faces in photos and clips: detect, align, protect, write a picture of each, or the whole, with a certificate.

    Run it again to go on after a break: photos that are done are kept, new and changed ones are done. Photos that cannot be
    protected are refused, listed, and make the command fail at its end. Metadata never passes. Each method has options of its
    own, listed by --methods. In clips faces are followed from frame to frame; a clip is always kept whole.

    Example: semveil protect holiday/ --method dp-pix --epsilon 0.5 --out protected/

    Example: semveil protect holiday/ --method blur --sigma 12 --workers 4 --out protected/

    Example: semveil protect group.jpg --method blur --whole-photo --face 0,2 --out protected/

    Example: semveil protect clip.mp4 --method identity-dp --epsilon 6 --audio drop --workers 4 --out protected/
    """
    if methods:
        _list_methods(as_json=as_json)
        return
    if out is None:
        raise options.OptionError("name the output folder with --out DIR")
    options.check_output_folder(out)
    check_limit(limit)
    if review is not None:
        options.check_output_file(review, ".html")
    elif review_originals:
        raise options.OptionError("--review-originals goes with --review FILE.html")
    if reversible != (key is not None or passphrase_file is not None) or (sealed_in and not reversible):
        raise options.OptionError(
            "--reversible goes with --key FILE (make one: semveil keygen --out my.key) or --passphrase-file"
        )
    if workers is not None and cluster is not None:
        raise options.OptionError("give --workers or --cluster, not both: a cluster has workers of its own")

    options.check_device(device)

    from semveil.bulk.protect import protect as protect_files
    from semveil.bulk.protect import protection_settings
    from semveil.bulk.review import write_review
    from semveil.bulk.sealing import Sealing
    from semveil.bulk.sources import find_sources
    from semveil.data.detection import MISSED_WITHOUT
    from semveil.methods.options import declared_options, read_options
    from semveil.methods.registry import METHODS, image_method_names
    from semveil.methods.release import Layout

    known = image_method_names()
    if method is None:
        raise options.OptionError(f"name a method with --method: {', '.join(known)} (more by: semveil protect --methods)")
    switches = {}
    if method in known:
        switches = {d.flag: d.kind is bool for d in declared_options(METHODS[method]).values()}
    paths, texts = split_words(words or [], switches)
    if method in known and texts:
        chosen: dict[str, Any] = read_options(METHODS[method], texts)
    else:
        chosen = {}
    if not paths:
        raise options.OptionError("name photos or folders of photos: semveil protect PATH... --method NAME --out DIR")
    if whole_photo is False and any(source.is_clip for source in find_sources(paths, out).photos):
        raise options.OptionError("clips are kept whole; leave out --crops, or protect photos and clips in two runs")
    if whole_photo is None and reversible and all(source.is_clip for source in find_sources(paths, out).photos):
        whole_photo = True
    settings = protection_settings(
        method,
        model,
        layout=None if whole_photo is None else Layout.WHOLE_PHOTO if whole_photo else Layout.CROPS,
        face=face,
        on_no_face=on_no_face,
        detector=detector,
        doubtful=doubtful,
        oversize=oversize,
        keep=tuple(keep or ()),
        certificate_in_png=certificate_in_png,
        sealing=Sealing(_absolute(key), _absolute(passphrase_file), sealed_in) if reversible else None,
        subject=subject,
        enrolled=_absolute(enrolled),
        audio=audio,
        draw_per=draw_per,
        device=device,
        **chosen,
    )
    far = [0, 0, 0]

    def kept() -> str:
        kept_frames = f", and {far[2]} frames of the next clip" if far[2] else ""
        done = f"{far[0]} of {far[1]} photos and clips are done and kept in {out}{kept_frames}"
        return f"{done}; run the same command again to go on"

    with when_interrupted(kept), stages(quiet=as_json) as advance:

        def tell(*now: int) -> None:
            far[:] = [*now, 0]
            advance("Protecting", *now)

        def tell_of_clip(stage: str, done: int, total: int) -> None:
            far[2] = done
            advance(stage, done, total)

        summary = protect_files(
            paths,
            out,
            method=settings,
            ledger=ledger,
            limit=limit,
            workers=workers,
            cluster=cluster,
            progress=tell,
            clip_progress=tell_of_clip,
        )
    if detector == "auto" and settings.detector == "dlib" and not as_json and summary.accounts:
        note(f"only dlib looked for faces; {MISSED_WITHOUT}")
    if review is not None:
        places = {source.place: source.path for source in find_sources(paths, out).photos} if review_originals else None
        told = [f"{refused.photo}: {refused.reason}" for refused in summary.refused]
        write_review(review, summary.accounts, out, originals=places, refused=told)
    _report(summary, settings, out, as_json=as_json)
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def split_words(words: Sequence[str], switches: dict[str, bool]) -> tuple[list[str], dict[str, str]]:
    """Paths, and texts of a method's options by flag, from what stood on the command line besides the common options.

    Args:
        words: in order.
        switches: for each flag of the method whether it is a switch (`--name`, `--no-name`) that takes no value.

    Example:
        >>> split_words(["a.jpg", "--sigma", "-3", "--soft", "b.jpg", "--block=8"], {"--soft": True})
        (['a.jpg', 'b.jpg'], {'--sigma': '-3', '--soft': 'true', '--block': '8'})
    """
    paths: list[str] = []
    texts: dict[str, str] = {}
    left = iter(words)
    for word in left:
        if not word.startswith("-") or word == "-":
            paths.append(word)
            continue
        flag, sign, text = word.partition("=")
        positive = "--" + flag.removeprefix("--no-")
        if not sign and switches.get(flag):
            text = "true"
        elif not sign and flag.startswith("--no-") and switches.get(positive):
            flag, text = positive, "false"
        elif not sign:
            value = next(left, None)
            if value is None:
                raise options.OptionError(f"option {flag} needs a value (a path that starts with - is written ./{flag})")
            text = value
        if flag in texts:
            raise options.OptionError(f"option {flag} is given twice")
        texts[flag] = text
    return paths, texts


def _report(summary: "Summary", settings: "Settings", out: Path, *, as_json: bool) -> None:
    from semveil.methods.release import Layout

    layout = settings.layout
    assert layout is not None
    result = {"method": settings.method, "layout": layout.value, "out": str(out), **summary.as_dict()}
    photos, faces = result["photos"], result["faces"]
    told = [f"{photos['protected']} protected"]
    told += [f"{photos[name]} {words}" for name, words in _WORDS.items() if photos[name]]
    counts = ((photos["found"] - summary.clips, "photo"), (summary.clips, "clip"))
    lines = [f"{' and '.join(_count(number, kind) for number, kind in counts if number)}: {', '.join(told)}."]
    if layout != Layout.PICTURE:
        lines[0] += f" {_count(faces['found'], 'face')} found, {faces['protected']} protected, {faces['refused']} refused."
    if layout == Layout.WHOLE_PHOTO or summary.clips:
        if summary.faces_covered:
            lines[0] += f" {summary.faces_covered} covered by a mosaic (too small, or they cannot be aligned)."
        left = f"{_count(summary.faces_left, 'face')} left UNPROTECTED, as chosen; " if summary.faces_left else ""
        around = "photos and clips are as they were" if summary.clips else "photos are as they were"
        lines.append(f"Around the faces {around}: {left}faces that were not found are UNPROTECTED too.")
    if summary.clips and settings.audio == "keep":
        lines.append("The sound of clips, where there is any, is kept as it was: a voice names people (--audio drop drops it).")
    if summary.accounts:
        lines = [*_lines_of_photos(summary), *lines]
    if summary.strangers:
        lines.append(f"{_count(summary.strangers, 'face')} protected of nobody who is enrolled.")
    if summary.copied:
        lines.append(f"{_count(summary.copied, 'photo')} without a found face in the output UNPROTECTED, as asked.")
    if summary.others:
        lines.append(f"{_count(summary.others, 'other file')} left out: no photos by name or content.")
    if summary.guarantee:
        lines.append(f"Each {'face' if layout == Layout.WHOLE_PHOTO else 'picture'}: {summary.guarantee.summary()}")
    if summary.protected or summary.done_before:
        thing = "file" if summary.clips else "picture"
        lines.append(f"Written to {out}, each {thing} with its certificate; to read one: semveil certify FILE.")
    if settings.sealing is not None and (summary.protected or summary.done_before):
        where = "in each picture" if settings.sealing.inside else "beside each picture (FILE.png.sealed)"
        originals = "faces, and the files of clips," if summary.clips else "faces"
        lines.append(
            f"The original {originals} lie sealed {where}; whoever has the key gets them back: semveil restore FILE --key K."
        )
    if summary.recorded:
        lines.append(f"Recorded in the ledger: {summary.recorded}; to add up: semveil ledger show --subject NAME.")
    if summary.recognised and not as_json:
        _tell_recognised(summary)
    if not as_json:
        told = [f"refused: {refused.reason}" for refused in (*summary.refused, *summary.small_faces)]
        for texts, kind in ((summary.notes, "notes"), (told, "refusals")):
            for text in texts[:SHOWN]:
                note(text)
            if len(texts) > SHOWN:
                note(f"and {len(texts) - SHOWN} more {kind}; --json lists all")
    show(result, lines, as_json=as_json)


def _tell_recognised(summary: "Summary") -> None:
    """On the terminal only: it is computed from the originals, and no epsilon covers it."""
    from semveil.bulk.recognised import log_path

    for photo, faces in summary.recognised[:SHOWN]:
        told = ", ".join(f"face {number} by {' and '.join(judges)}" for number, judges in faces)
        note(f"still recognised in {photo}: {told}")
    note(
        f"{_count(len(summary.recognised), 'photo')} with faces that are still recognised; all are listed in {log_path()}. "
        "This was computed from the originals: keep it private; covering or redrawing a face because of it tells of them"
    )


def _lines_of_photos(summary: "Summary") -> list[str]:
    """A line for each photo; in a long run only for those in which a face is not protected, or too large for the model."""
    accounts = summary.accounts
    if len(accounts) <= LISTED:
        return [account.line() for account in accounts]
    told = [account.line() for account in accounts if not account.all_protected or account.oversize]
    return [*told, f"In {len(accounts) - len(told)} more photos every face that was found is protected; --json lists all."]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


_WORDS = {"done_before": "done before", "skipped": "skipped", "copied": "copied", "refused": "refused"}


def _list_methods(*, as_json: bool) -> None:
    from semveil.methods.options import declared_options
    from semveil.methods.registry import image_methods
    from semveil.methods.release import layout_of

    listed: list[dict[str, Any]] = [
        {
            "method": name,
            "layout": layout_of(kind).value,
            "about": (kind.__doc__ or "").strip().partition("\n")[0],
            "options": [
                {
                    "option": declared.flag,
                    "type": declared.kind.__name__,
                    "default": declared.default,
                    "choices": list(declared.option.choices),
                    "help": declared.option.help,
                }
                for declared in declared_options(kind).values()
            ],
        }
        for name, kind in image_methods().items()
    ]
    rows = []
    for entry in listed:
        rows.append([entry["method"], "", entry["layout"], entry["about"]])
        for option in entry["options"]:
            allowed = f" ({', '.join(option['choices'])})" if option["choices"] else ""
            default = "" if option["default"] is None else str(option["default"])
            rows.append(["", option["option"], default, option["help"] + allowed])
    table = None if as_json else make_table(["method", "option", "default", "meaning"], rows)
    show({"methods": listed}, as_json=as_json, table=table)
