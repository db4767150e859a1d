# SPDX-License-Identifier: Apache-2.0
"""`semveil protect`: protection of photos, clips and folders by any image method."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import completion, options
from semveil.cli.console import note, stages, when_interrupted
from semveil.cli.faces import Detector
from semveil.cli.ledger import LedgerFile, SpendingLimit, check_limit
from semveil.cli.method_options import chosen_method
from semveil.cli.methods import show_methods
from semveil.cli.protect_report import report
from semveil.core.output_path import keep_inputs

CLIPS, UNDOING, WORKERS = "Clips", "Restoring originals", "Many photos"


def protect(
    context: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(help="Photos, clips, or folders of them.", metavar="PATH...")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="How faces are protected; `semveil methods` lists what there is. identity-dp by default.",
            metavar="NAME",
            autocompletion=completion.image_method,
            rich_help_panel=options.PROTECTION,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help=(
                "Folder for the results, with the structure of the photos' folder; out/protect/METHOD by "
                "default."
            ),
            metavar="DIR",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    model: options.AnyModel = None,
    face: Annotated[
        str,
        typer.Option(
            help="Which faces of a photo: `all`, `largest`, or their numbers from 0 by size, such as 0,2.",
            metavar="WHICH",
            autocompletion=options.one_of("all", "largest"),
            rich_help_panel=options.PHOTOS,
        ),
    ] = "all",
    whole_photo: Annotated[
        bool | None,
        typer.Option(
            "--whole-photo/--crops",
            help=(
                "Paste protected faces back into the photo, or write a picture of each; by default what the "
                "method is made for."
            ),
            show_default=False,
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    on_no_face: Annotated[
        str,
        typer.Option(
            help=(
                "A photo in which no face is found: `error` refuses it, `skip` leaves it out, `copy` copies "
                "it UNPROTECTED (the detector misses profiles and small faces)."
            ),
            metavar="WHAT",
            autocompletion=options.one_of("error", "skip", "copy"),
            rich_help_panel=options.PHOTOS,
        ),
    ] = "error",
    detector: Detector = "auto",
    doubtful: Annotated[
        str,
        typer.Option(
            help=(
                "In whole photos and clips, a face that is too small or cannot be aligned: `cover` puts a "
                "mosaic over it, `refuse` refuses the photo or clip, `keep` leaves it UNPROTECTED."
            ),
            metavar="WHAT",
            autocompletion=options.one_of("cover", "refuse", "keep"),
            rich_help_panel=options.PHOTOS,
        ),
    ] = "cover",
    oversize: Annotated[
        str,
        typer.Option(
            help=(
                "In whole photos and clips, a new face that must be enlarged to more than twice the model's "
                "size: `keep` keeps it with a note, `blur` blurs it, `refuse` refuses the photo or clip."
            ),
            metavar="WHAT",
            autocompletion=options.one_of("keep", "blur", "refuse"),
            rich_help_panel=options.PHOTOS,
        ),
    ] = "keep",
    review: Annotated[
        Path | None,
        typer.Option(
            help="Write a page that shows all results of the run.",
            metavar="FILE.html",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    review_originals: Annotated[
        bool,
        typer.Option(
            "--review-originals",
            help="Show the UNPROTECTED photos and frames of clips on that page too.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="Also write UNPROTECTED pictures to DIR/unprotected: `inverted` or `aligned`.",
            metavar="WHICH",
            autocompletion=options.one_of("inverted", "aligned"),
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            help=(
                "The person in all photos: for the ledger, and for methods that give each person one new "
                "face."
            ),
            metavar="NAME",
            rich_help_panel=options.PEOPLE,
        ),
    ] = None,
    enrolled: Annotated[
        Path | None,
        typer.Option(
            help="Folder of photos of known people, NAME.jpg or NAME/*.jpg, by which faces are recognised.",
            metavar="DIR",
            rich_help_panel=options.PEOPLE,
        ),
    ] = None,
    ledger: LedgerFile = None,
    limit: SpendingLimit = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Worker processes on this machine (needs the extra bulk).",
            metavar="N",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Address of a Dask scheduler whose workers see the same files (needs the extra bulk).",
            metavar="tcp://HOST:PORT",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    audio: Annotated[
        str,
        typer.Option(
            help="`keep` the sound, UNPROTECTED: a voice can identify a person; or `drop` it.",
            metavar="WHAT",
            autocompletion=options.one_of("keep", "drop"),
            rich_help_panel=CLIPS,
        ),
    ] = "keep",
    draw_per: Annotated[
        str,
        typer.Option(
            help=(
                "`track`: one draw for each tracked face, shown in all its frames. `frame`: a new draw in "
                "each frame; their epsilons add up."
            ),
            metavar="WHAT",
            autocompletion=options.one_of("track", "frame"),
            rich_help_panel=CLIPS,
        ),
    ] = "track",
    device: options.Device = "auto",
    certificate_in_png: options.CertificateInPng = False,
    reversible: Annotated[
        bool,
        typer.Option(
            "--reversible",
            help=(
                "Seal the original pixels of altered faces in whole photos; `semveil restore` brings them "
                "back."
            ),
            rich_help_panel=UNDOING,
        ),
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option(
            help="Key file that `semveil keygen` wrote, to seal with.",
            metavar="FILE",
            rich_help_panel=UNDOING,
        ),
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            help="File that holds a passphrase to seal with.", metavar="FILE", rich_help_panel=UNDOING
        ),
    ] = None,
    sealed_in: Annotated[
        bool,
        typer.Option(
            "--sealed-in/--sealed-out",
            help=(
                "Put the sealed originals into the PNG, or beside it as FILE.png.sealed (many uploads strip "
                "what is inside)."
            ),
            rich_help_panel=UNDOING,
        ),
    ] = False,
    methods: Annotated[bool, typer.Option("--methods", help="As `semveil methods`.", hidden=True)] = False,
    as_json: options.Json = False,
) -> None:
    """Protect the faces in photos, clips and folders.

    Each output has a certificate beside it. Run it again to resume after a break: finished outputs are kept,
    new or changed photos are processed. Photos that cannot be protected are refused and listed, and make the
    command fail at its end. Metadata is never copied. In clips faces are followed from frame to frame.

    Each method has options of its own: `semveil protect --method NAME --help`.

    Example: semveil protect portrait.jpg

    Example: semveil protect holiday/ --method blur --sigma 12 --out protected/

    Example: semveil protect group.jpg --method blur --whole-photo --face 0,2

    Example: semveil protect clip.mp4 --epsilon 1 --audio drop --workers 4
    """
    if methods:
        from semveil.methods.listing import list_methods

        show_methods(list_methods(), as_json=as_json)
        return
    name, texts = chosen_method(context)
    if not paths or name is None:
        raise options.OptionError("name photos or folders of photos: semveil protect PATH...")
    folder = out if out is not None else Path("out/protect") / name
    options.check_output_folder(folder)
    check_limit(limit)
    if review is not None:
        options.check_output_file(review, ".html", made=folder)
        keep_inputs(review, paths, key, passphrase_file, ledger)
    elif review_originals:
        raise options.OptionError("--review-originals goes with --review FILE.html")
    if reversible != (key is not None or passphrase_file is not None) or (sealed_in and not reversible):
        raise options.OptionError(
            "--reversible goes with --key FILE (make one: semveil keygen --out my.key) or --passphrase-file"
        )
    if workers is not None and cluster is not None:
        raise options.OptionError("give --workers or --cluster, not both: a cluster has workers of its own")
    options.check_device(device)

    from semveil.bulk.layouts import chosen_layout
    from semveil.bulk.protect import protect as protect_files
    from semveil.bulk.protect import protection_settings
    from semveil.bulk.review import write_review
    from semveil.bulk.sealing import Sealing
    from semveil.bulk.sources import find_sources
    from semveil.data.detection import MISSED_WITHOUT
    from semveil.methods.options import read_options
    from semveil.methods.registry import METHODS

    settings = protection_settings(
        name,
        model,
        layout=chosen_layout(paths, folder, whole_photo=whole_photo, reversible=reversible),
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
        **read_options(METHODS[name], texts),
    )
    far = [0, 0, 0]

    def kept() -> str:
        kept_frames = f", and {far[2]} frames of the next clip" if far[2] else ""
        done = f"{far[0]} of {far[1]} photos and clips are done and kept in {folder}{kept_frames}"
        return f"{done}; run the same command again to go on"

    with when_interrupted(kept), stages(quiet=as_json) as advance:

        def count(*now: int) -> None:
            far[:] = [*now, 0]
            advance("Protecting", *now)

        def count_frames(stage: str, done: int, total: int) -> None:
            far[2] = done
            advance(stage, done, total)

        summary = protect_files(
            paths,
            folder,
            method=settings,
            ledger=ledger,
            limit=limit,
            workers=workers,
            cluster=cluster,
            progress=count,
            clip_progress=count_frames,
        )
    if detector == "auto" and settings.detector == "dlib" and not as_json and summary.accounts:
        note(f"only dlib looked for faces; {MISSED_WITHOUT}")
    if review is not None:
        places = (
            {source.place: source.path for source in find_sources(paths, folder).photos}
            if review_originals
            else None
        )
        refusals = [f"{refused.photo}: {refused.reason}" for refused in summary.refused]
        write_review(review, summary.accounts, folder, originals=places, refused=refusals)
    report(
        summary,
        settings,
        folder,
        defaults=(method is None, out is None),
        review=review,
        ledger=ledger,
        as_json=as_json,
    )
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())
