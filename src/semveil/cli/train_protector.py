"""`semveil train protector`: the pairs that protect and deprotect."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options, training_run
from semveil.cli.console import show, stages
from semveil.cli.parties import default_model
from semveil.link import PAIR_SEED


def protector(
    epsilon: Annotated[
        list[float] | None, typer.Option(help="Nominal privacy budget (10); may be repeated.", metavar="E")
    ] = None,
    private: options.Private = None,
    private_codes: options.PrivateCodes = None,
    calibration: options.Calibration = None,
    model: options.Model = None,
    noise: Annotated[
        str, typer.Option(help="Target noise: one draw per latent, or a new one every time.", metavar="frozen|fresh")
    ] = "frozen",
    start: Annotated[str, typer.Option(help="How the networks start.", metavar="default|identity")] = "default",
    snr_db: Annotated[float, typer.Option(help="SNR of the channel in training, dB.", metavar="S")] = 20.0,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the latents; the paper's 100.")] = 100,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the pairs; the cache, where they are found, by default.", metavar="DIR")
    ] = None,
    device: options.Device = "auto",
    force: Annotated[bool, typer.Option("--force", help="Train anew what is there already.")] = False,
    as_json: options.Json = False,
) -> None:
    """Train a protection and deprotection pair per epsilon on synthetic latents; no photo is needed.

    Bob needs the very same file as Alice.

    Example: semveil train protector --epsilon 10 --private skin,eyes,brows
    """
    codes = options.private_codes(private, private_codes)
    options.check_snr("--snr-db", snr_db)
    if out is not None:
        options.check_output_folder(out)
        out.mkdir(parents=True, exist_ok=True)
    place = training_run.only_process(device)

    from semveil.core.rng import streams
    from semveil.methods.dp_semcom import PRIVATE_CODES, pair_settings
    from semveil.methods.face_model import load_model
    from semveil.methods.pairs import cache_folder, pair_file, write_pair
    from semveil.training.protector import PUBLIC_LATENTS, train_pair

    loaded = load_model(model or default_model()).to(place)
    trained_on = f"{PUBLIC_LATENTS} synthetic latents of model {loaded.name}, {epochs} epochs"
    wanted = [
        pair_settings(
            loaded,
            private_codes=PRIVATE_CODES if codes is None else codes,
            epsilon=value,
            calibration=calibration or "as_published",
            noise=noise,
            start=start,
            snr_db=snr_db,
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
                pair = train_pair(
                    latents, settings, rng=rng, epochs=epochs, progress=lambda *told, stage=stage: tell(stage, *told)
                )
                write_pair(path, pair)
            pairs.append(
                {"epsilon": settings.epsilon, "calibration": settings.calibration, "trained_now": new, "path": str(path)}
            )
    lines = [f"Nominal epsilon {p['epsilon']:g}: {'' if p['trained_now'] else 'there already, '}{p['path']}" for p in pairs]
    show({"basis": "none: the pairs imitate noise and guarantee nothing", "pairs": pairs}, lines, as_json=as_json)
