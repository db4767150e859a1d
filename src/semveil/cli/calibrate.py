# SPDX-License-Identifier: Apache-2.0
"""`semveil calibrate`: the threshold of a recogniser at a false acceptance rate."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.console import NOTHING_KEPT, note, progress, show, when_interrupted
from semveil.cli.verifiers import Name
from semveil.core.errors import PhotoError


def calibrate(
    pairs: Annotated[
        Path,
        typer.Option(help="Folder with NAME/NAME_0001.jpg and pairs.txt, as LFW has them.", metavar="DIR"),
    ],
    verifier: Name = "dlib",
    far: Annotated[
        float, typer.Option(help="False acceptance rate, between 0 and 1.", metavar="RATE")
    ] = 1e-3,
    resolution: Annotated[
        int,
        typer.Option(
            help="Side of the aligned photos in pixels, as of the model that is judged.",
            metavar="PIXELS",
            min=16,
            max=1024,
        ),
    ] = 128,
    listed: Annotated[
        Path | None, typer.Option("--list", help="List of pairs; DIR/pairs.txt by default.", metavar="FILE")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the bootstrap.", metavar="N")] = 0,
    as_json: options.Json = False,
) -> None:
    """Measure a recogniser's threshold at a false acceptance rate.

    The photos are arranged as in LFW. `transmit` and `attack` take the threshold as --threshold.

    Example: semveil calibrate --verifier dlib --pairs lfw/ --far 1e-3
    """
    if not 0 < far < 1:
        raise options.OptionError(f"--far must lie between 0 and 1, got {far}")

    from semveil.core.rng import streams
    from semveil.data.pairs import calibrate_threshold, read_pairs

    found = read_pairs(listed or pairs / "pairs.txt", pairs)
    from semveil.recognition.by_name import choose_verifier

    # the threshold does not affect the measurement
    judge, _ = choose_verifier(verifier, resolution=resolution, threshold=0.0)
    refused: list[PhotoError] = []
    with when_interrupted(NOTHING_KEPT), progress("Recognising", quiet=as_json) as advance:
        rng = streams(seed)["bootstrap"]
        measured = calibrate_threshold(
            judge,
            found.pairs,
            resolution=resolution,
            far=far,
            rng=rng,
            progress=advance,
            refused=refused.append,
        )
    for error in refused:
        note(f"left out: {error}")
    photos = {photo for pair in found.pairs for photo in (pair.first, pair.second)}
    faceless = len(photos) - measured.images - len(refused)
    low, high = measured.threshold_interval
    lines = [
        f"{measured.verifier} at {resolution} px: threshold {measured.threshold:.4f} [{low:.4f}, "
        f"{high:.4f}] on its similarity gives a false acceptance rate of {far:g}; {measured.tar:.1%} of one "
        "person's pairs are accepted.",
        f"From {measured.images} photos of {measured.people} people; {faceless} more showed no face; "
        f"{found.skipped} listed pairs had no photos.",
    ]
    counts = {"skipped_pairs": found.skipped, "refused": len(refused), "without_face": faceless}
    show({**asdict(measured), **counts}, lines, as_json=as_json)
    if refused:
        raise typer.Exit(refused[0].exit_code)
