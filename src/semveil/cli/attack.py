# SPDX-License-Identifier: Apache-2.0
"""`semveil attack`: adaptive eavesdroppers on a message file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import completion, options
from semveil.cli.console import NOTHING_KEPT, Line, make_table, note, show, stages, when_interrupted
from semveil.cli.link import MessageFile
from semveil.cli.terminal import pasted
from semveil.cli.verifiers import Name, Threshold
from semveil.core.whole_folder import SUMMARY

if TYPE_CHECKING:
    from semveil.link.verdict import Verdict

EVE = "What Eve has"


def attack(
    message: MessageFile,
    photo: Annotated[
        Path | None,
        typer.Option(
            help=(
                "The photo that was sent, for the verdict. Without it attacks are compared with the picture "
                "that Bob gets, where no key or noise hides that."
            ),
            metavar="PHOTO",
            rich_help_panel=options.PHOTOS,
        ),
    ] = None,
    face: options.Face = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--attack",
            help=(
                "Try only this attack: direct, linear, impute, prior-search and others (a wrong name lists "
                "them all); repeat it for several. All that apply by default."
            ),
            metavar="NAME",
            autocompletion=completion.attack,
        ),
    ] = None,
    latents: Annotated[
        Path | None,
        typer.Option(
            help=(
                "Latents of public faces that `semveil invert` wrote; draws from the model's prior by "
                "default."
            ),
            metavar="FILE.safetensors",
            rich_help_panel=EVE,
        ),
    ] = None,
    known: Annotated[
        int | None,
        typer.Option(
            help="Number of transmissions whose photos Eve knows; 4000 by default, 300 under a key.",
            metavar="N",
            min=100,
            rich_help_panel=EVE,
        ),
    ] = None,
    snr_db: options.SnrDb = None,
    channel: options.EveChannel = None,
    seed: options.Seed = None,
    verifier: Name = "dlib",
    threshold: Threshold = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the pictures and result.json; out/attack/MESSAGE by default.",
            metavar="DIR",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    pair: options.Pair = None,
    model: options.Model = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Try to undo a message's protection as Eve.

    She has the public model, latents of public faces, and transmissions whose photos she knows. For a keyed
    message those were sent under another key, as hers would be. Writes a picture for each attack and gives a
    verdict. Attack your own messages before somebody else does.

    Example: semveil attack m.svl --photo portrait.jpg

    Example: semveil attack m.svl --attack linear --attack impute --snr-db 30

    Example: semveil attack m.svl --channel rayleigh:csi=mmse,antennas=4
    """
    options.check_snr("--snr-db", snr_db)
    options.channel("--channel", channel)  # raises if it is not valid
    out = Path("out/attack") / message.stem if out is None else out  # pictures of messages stay apart
    options.check_output_folder(out)
    options.check_device(device)

    from semveil.link.attack import attack as attack_message
    from semveil.link.attack import picture_names, summary_of
    from semveil.methods.pairs import read_pair

    with when_interrupted(NOTHING_KEPT), stages(quiet=as_json) as advance:
        found = attack_message(
            message,
            out,
            attacks=names,
            latents=latents,
            known=known,
            snr_db=snr_db,
            channel=channel,
            seed=seed,
            model=model,
            pair=None if pair is None else read_pair(pair),
            photo=photo,
            face=face,
            verifier=verifier,
            threshold=threshold,
            device=device,
            progress=advance,
            note=note,
        )
    summary, verdict, side = summary_of(found), found.verdict, found.results[0].images.shape[-1]
    if as_json:
        show({**summary, "out": str(out)}, as_json=True)
        return
    lines: list[Line] = [("Verdict" if i == 0 else "", text) for i, text in enumerate(_sentences(verdict))]
    lines += [("Compared", f"with {found.reference}")] if verdict is not None else []
    lines.append(("Eve's channel", f"{found.channel}, {found.snr_db:.4g} dB"))
    names_of = ", ".join(name for one in found.results for name in picture_names(one))
    lines.append(("Written", f"{out}: {names_of} ({side} x {side} px), {SUMMARY}"))
    lines.append(
        (
            "Next",
            f"semveil certify {pasted(message)} says what is promised, semveil audit --help how promises are "
            "tested",
        )
    )
    show(summary, lines, as_json=False, table=_table(found.results, verdict))


def _sentences(verdict: "Verdict | None") -> tuple[str, ...]:
    if verdict is not None:
        return verdict.sentences()
    return (
        "Not judged: the message does not tell what the photo shows. Name the photo with --photo to see.",
    )


def _table(found: Any, verdict: "Verdict | None") -> Any:
    if verdict is None:
        return make_table(
            ["attack", "what Eve has besides the signal"], [[one.name, one.knowledge] for one in found]
        )
    rows = [
        [one.name, one.knowledge, score.psnr, _seen(score.recognised, verdict)]
        for one, score in zip(found, verdict.scores, strict=True)
    ]
    return make_table(
        ["attack", "what Eve has besides the signal", "PSNR dB", f"person, by {verdict.verifier}"], rows
    )


def _seen(recognised: int, verdict: "Verdict") -> str:
    if verdict.average_recognised:
        return "does not count"
    if verdict.images > 1:
        return f"the same in {recognised} of {verdict.images}"
    return "the same" if recognised else "another"
