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
    seed: options.Seed = None,
    verifier: Name = "dlib",
    threshold: Threshold = None,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the pictures and result.json.", metavar="DIR", rich_help_panel=options.OUTPUT
        ),
    ] = Path("out/attack"),
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
    """
    options.check_snr("--snr-db", snr_db)
    options.check_output_folder(out)
    options.check_device(device)

    from semveil.attacks import ATTACKS
    from semveil.core.output_path import keep_inputs
    from semveil.core.rng import streams
    from semveil.data.load_faces import load_faces
    from semveil.link.attack import attack as attack_file
    from semveil.link.attack import public_codes, summary_of, write_attacked
    from semveil.link.receive import open_message
    from semveil.link.verdict import judge, opened_without_key
    from semveil.methods.pairs import read_pair
    from semveil.recognition.by_name import choose_verifier

    for name in names or ():
        ATTACKS[name]  # an unknown name is an error before the work
    for name in ATTACKS:
        keep_inputs(out / f"{name}.png", message, photo)
    read, loaded = open_message(message, model)
    loaded = loaded.to(device)
    judging, _ = choose_verifier(verifier, resolution=loaded.size, threshold=threshold)
    used = None if pair is None else read_pair(pair)
    if photo is None:
        truth, reference = opened_without_key(read, loaded, used), "Bob's picture"
    else:
        truth, reference = load_faces([photo], size=loaded.size, face=face, note=note).images, "the photo"
    public = public_codes(latents, loaded, rng=streams(seed)["public"])
    with when_interrupted(NOTHING_KEPT), stages(quiet=as_json) as advance:
        found = attack_file(
            read,
            attacks=names,
            latents=public,
            known=known,
            snr_db=snr_db,
            seed=seed,
            model=loaded,
            pair=used,
            progress=advance,
        )
    average = loaded.generator.synthesize(loaded.placed(public.mean(0, keepdim=True)))
    verdict = None if truth is None else judge(found.results, truth, average, judging)
    summary = {
        **summary_of(read, found),
        "verdict": None if verdict is None else {**verdict.as_dict(), "reference": reference},
    }
    write_attacked(out, found, summary)
    if as_json:
        show({**summary, "out": str(out)}, as_json=True)
        return
    lines: list[Line] = [("Verdict" if i == 0 else "", text) for i, text in enumerate(_sentences(verdict))]
    lines += [("Compared", f"with {reference}")] if verdict is not None else []
    names_of = ", ".join(f"{one.name}.png" for one in found.results)
    lines.append(("Written", f"{out}: {names_of} ({loaded.size} x {loaded.size} px), {SUMMARY}"))
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
        [one.name, one.knowledge, score.psnr, _seen(score.recognised, verdict.images)]
        for one, score in zip(found, verdict.scores, strict=True)
    ]
    return make_table(
        ["attack", "what Eve has besides the signal", "PSNR dB", f"person, by {verdict.verifier}"], rows
    )


def _seen(recognised: int, images: int) -> str:
    if images > 1:
        return f"the same in {recognised} of {images}"
    return "the same" if recognised else "another"
