# SPDX-License-Identifier: Apache-2.0
"""`semveil train protector`: pairs of protection and deprotection networks."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.console import show, stages, when_interrupted
from semveil.cli.parties import default_model
from semveil.cli.train import run as training_run
from semveil.link import PAIR_SEED


def protector(
    protection: Annotated[
        str,
        typer.Option(
            help=(
                "`nn`: the paper's pair. `nn-encrypted`, `learned`: after the abstracts of its successors, "
                "arXiv 2504.18581 and 2510.23274."
            ),
            metavar="NAME",
            autocompletion=options.one_of("nn", "nn-encrypted", "learned"),
        ),
    ] = "nn",
    epsilon: Annotated[
        list[float] | None,
        typer.Option(help="Nominal epsilon, 10 by default; repeat it for several.", metavar="E"),
    ] = None,
    private: options.Private = None,
    private_codes: options.PrivateCodes = None,
    calibration: options.Calibration = None,
    model: options.Model = None,
    noise: Annotated[
        str | None,
        typer.Option(
            help=(
                "Target noise: `frozen`, one draw for each latent (default of nn and nn-encrypted), or "
                "`fresh`, a new draw in every pass (default of learned)."
            ),
            metavar="NAME",
            autocompletion=options.one_of("frozen", "fresh"),
        ),
    ] = None,
    start: Annotated[
        str, typer.Option(help="Initial weights: `default` or `identity`.", metavar="NAME")
    ] = "default",
    channel: Annotated[
        str,
        typer.Option(
            help="Channel in training, named as in `semveil receive`.", metavar=options.CHANNEL_METAVAR
        ),
    ] = "awgn",
    snr_db: Annotated[
        str,
        typer.Option(
            help="SNR in training in dB; from a range each latent draws its own.", metavar="DB|LOW..HIGH"
        ),
    ] = "20",
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the latents; the paper's 100 by default.", metavar="N"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the pairs; by default the cache, where they are found.", metavar="DIR"),
    ] = None,
    device: options.Device = "auto",
    force: Annotated[bool, typer.Option("--force", help="Train again what exists.")] = False,
    as_json: options.Json = False,
) -> None:
    """Train a pair of protection and deprotection networks.

    Trains one for each epsilon on synthetic latents, so no photo is needed. Bob needs the same file as Alice.
    A pair for another channel or SNR than AWGN at 20 dB is named with `--pair` when sending. `--private`
    names the codes on which noise is imitated; nn-encrypted changes all codes.

    Example: semveil train protector --epsilon 10 --private skin,eyes,brows

    Example: semveil train protector --protection learned --epsilon 100

    Example: semveil train protector --channel rayleigh --snr-db 0..20 --out pairs
    """
    codes = options.private_codes(private, private_codes)
    low, high = snr_range("--snr-db", snr_db)
    options.channel("--channel", channel)
    if out is not None:
        options.check_output_folder(out)
        out.mkdir(parents=True, exist_ok=True)
    place = training_run.only_process(device)

    from semveil.core.rng import streams
    from semveil.faces.parts import PRIVATE_CODES
    from semveil.methods.dp_semcom import pair_settings
    from semveil.methods.pairs import cache_folder, pair_file, write_pair
    from semveil.models.face import load_model
    from semveil.training.protector import EPOCHS, PUBLIC_LATENTS, TRAINERS

    train = TRAINERS[protection]
    loaded, passes = load_model(model or default_model()).to(place), EPOCHS if epochs is None else epochs
    trained_on = f"{PUBLIC_LATENTS} synthetic latents of model {loaded.name}, {passes} epochs"
    wanted = [
        pair_settings(
            loaded,
            private_codes=PRIVATE_CODES if codes is None else codes,
            epsilon=value,
            calibration=calibration or "as_published",
            protection=protection,
            **({} if noise is None else {"noise": noise}),
            start=start,
            snr_db=low,
            snr_high_db=high,
            channel=channel,
            trained_on=trained_on,
        )
        for value in epsilon or [10.0]
    ]
    pairs = []
    kept = "pairs that are done are kept; run the same command again to go on"
    with when_interrupted(kept), stages(quiet=as_json) as tell:
        for settings in wanted:
            path = pair_file(out or cache_folder(loaded), settings)
            new = force or not path.is_file()
            if new:
                rng = streams(PAIR_SEED)["train"]
                latents = loaded.public_latents(PUBLIC_LATENTS, rng=rng)
                stage = f"Training for epsilon {settings.epsilon:g}"
                pair = train(
                    latents,
                    settings,
                    rng=rng,
                    epochs=passes,
                    progress=lambda *told, stage=stage: tell(stage, *told),
                )
                write_pair(path, pair)
            pairs.append(
                {
                    "epsilon": settings.epsilon,
                    "calibration": settings.calibration,
                    "channel": settings.channel,
                    "snrs_db": list(settings.snrs_db),
                    "trained_now": new,
                    "path": str(path),
                }
            )
    lines = [
        f"Nominal epsilon {p['epsilon']:g}: {'' if p['trained_now'] else 'exists, '}{p['path']}"
        for p in pairs
    ]
    show(
        {"basis": "none: the pairs imitate noise and guarantee nothing", "pairs": pairs},
        lines,
        as_json=as_json,
    )


def snr_range(name: str, text: str) -> tuple[float, float | None]:
    """Parse an SNR in dB, or a range such as `0..20`.

    Args:
        name: name of the option, for errors.
        text: one number, or the lower and the upper one separated by `..`.

    Returns:
        The SNR and None, or the lower and the upper end.

    Raises:
        OptionError: the text is not a number or range, a value is out of bounds, or the range is reversed.
    """
    low, between, high = text.partition("..")
    try:
        found = float(low), float(high) if between else None
    except ValueError:
        raise options.OptionError(
            f"{name} must be an SNR in dB or a range such as 0..20, got {text!r}"
        ) from None
    for value in found:
        options.check_snr(name, value)
    if found[1] is not None and found[0] > found[1]:
        raise options.OptionError(f"{name} must name the lower SNR first, got {text!r}")
    return found
