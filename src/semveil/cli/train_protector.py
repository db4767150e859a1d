"""`semveil train protector`: the pairs that protect and deprotect."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options, training_run
from semveil.cli.console import show, stages
from semveil.cli.parties import default_model
from semveil.link import PAIR_SEED


def protector(
    protection: Annotated[
        str,
        typer.Option(
            help="The paper's pair, or one after the abstract of a successor: arXiv 2504.18581 (nn-encrypted), 2510.23274 "
            "(learned).",
            metavar="nn|nn-encrypted|learned",
        ),
    ] = "nn",
    epsilon: Annotated[
        list[float] | None, typer.Option(help="Nominal privacy budget (10); may be repeated.", metavar="E")
    ] = None,
    private: options.Private = None,
    private_codes: options.PrivateCodes = None,
    calibration: options.Calibration = None,
    model: options.Model = None,
    noise: Annotated[
        str | None,
        typer.Option(
            help="Target noise: one draw per latent (of nn, nn-encrypted), or a new one every time (of learned).",
            metavar="frozen|fresh",
        ),
    ] = None,
    start: Annotated[str, typer.Option(help="How the networks start.", metavar="default|identity")] = "default",
    channel: Annotated[
        str,
        typer.Option(
            help="Channel in training, as in receive; rayleigh:coherence=64,csi=mmse.", metavar=options.CHANNEL_METAVAR
        ),
    ] = "awgn",
    snr_db: Annotated[
        str,
        typer.Option(help="SNR of the channel in training in dB; of a range each latent draws its own.", metavar="S|LOW..HIGH"),
    ] = "20",
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the latents; the paper's 100 by default.", metavar="N")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the pairs; the cache, where they are found, by default.", metavar="DIR")
    ] = None,
    device: options.Device = "auto",
    force: Annotated[bool, typer.Option("--force", help="Train anew what is there already.")] = False,
    as_json: options.Json = False,
) -> None:
    """Train a protection and deprotection pair per epsilon on synthetic latents; no photo is needed.

    Bob needs the very same file as Alice. One that was trained for another channel or SNR than AWGN of 20 dB is named with
    `--pair` when sending. --private are the codes on which noise is imitated; nn-encrypted changes all.

    Example: semveil train protector --epsilon 10 --private skin,eyes,brows

    Example: semveil train protector --protection learned --epsilon 100

    Example: semveil train protector --channel rayleigh:coherence=64,csi=mmse --snr-db 0..20 --out pairs
    """
    codes = options.private_codes(private, private_codes)
    low, high = options.snr_range("--snr-db", snr_db)
    options.channel("--channel", channel)
    if out is not None:
        options.check_output_folder(out)
        out.mkdir(parents=True, exist_ok=True)
    place = training_run.only_process(device)

    from semveil.core.rng import streams
    from semveil.methods.dp_semcom import PRIVATE_CODES, pair_settings
    from semveil.methods.face_model import load_model
    from semveil.methods.pairs import cache_folder, pair_file, write_pair
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
    with stages(quiet=as_json) as tell:
        for settings in wanted:
            path = pair_file(out or cache_folder(loaded), settings)
            new = force or not path.is_file()
            if new:
                rng = streams(PAIR_SEED)["train"]
                latents = loaded.public_latents(PUBLIC_LATENTS, rng=rng)
                stage = f"Training for epsilon {settings.epsilon:g}"
                pair = train(latents, settings, rng=rng, epochs=passes, progress=lambda *told, stage=stage: tell(stage, *told))
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
    lines = [f"Nominal epsilon {p['epsilon']:g}: {'' if p['trained_now'] else 'there already, '}{p['path']}" for p in pairs]
    show({"basis": "none: the pairs imitate noise and guarantee nothing", "pairs": pairs}, lines, as_json=as_json)
