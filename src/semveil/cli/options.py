# SPDX-License-Identifier: Apache-2.0
"""Options shared by several commands, and checks of them that need no model."""

import math
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semveil.cli import completion
from semveil.core.errors import OutputError, SemveilError
from semveil.faces.parts import CODES, PARTS, codes_of_parts, parse_codes

if TYPE_CHECKING:
    from semveil.channels import Link

LOUDEST_DB = 300.0
CHANNEL_METAVAR = "NAME[:S=V,...]"


class OptionError(SemveilError):
    """Invalid or mutually exclusive options."""

    exit_code = 2


PROTECTION, KEY, CHANNEL, PHOTOS, PEOPLE, OUTPUT, COMPUTING = (
    "Protection", "Key", "Channel", "Photos and faces", "People", "Output", "Model and computing"
)  # fmt: skip


def one_of(*choices: str) -> Callable[[str], list[str]]:
    """Shell completion of an option with fixed choices.

    Args:
        *choices: allowed values.

    Returns:
        Function from an incomplete word to the matching choices.
    """

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(incomplete)]

    return complete


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout and nothing else.")]
Model = Annotated[
    str | None,
    typer.Option(
        help=(
            "Name or folder of a face model; `semveil models list` lists them. By default the bundled one, "
            "or the one that a message names."
        ),
        metavar="NAME",
        autocompletion=completion.face_model,
        rich_help_panel=COMPUTING,
    ),
]
AnyModel = Annotated[
    str | None,
    typer.Option(
        help="Name or folder of a model; `semveil models list` lists them. The usual one by default.",
        metavar="NAME",
        autocompletion=completion.any_model,
        rich_help_panel=COMPUTING,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help=(
            "Where the networks run: auto, cpu, cuda or cuda:N. auto takes the first GPU, or the CPU where "
            "there is none."
        ),
        metavar="DEVICE",
        autocompletion=one_of("auto", "cpu", "cuda"),
        rich_help_panel=COMPUTING,
    ),
]
Face = Annotated[
    str | None,
    typer.Option(
        help="Which face, where a photo shows several: a number (0 is the largest), `largest` or `all`.",
        metavar="N|largest|all",
        autocompletion=one_of("largest", "all"),
        rich_help_panel=PHOTOS,
    ),
]
Epsilon = Annotated[
    float | None,
    typer.Option(
        help=(
            "Nominal epsilon, 10 by default, for protections that have one. The guarantee actually achieved "
            "is printed and recorded."
        ),
        metavar="E",
        rich_help_panel=PROTECTION,
    ),
]
Private = Annotated[
    str | None,
    typer.Option(
        help=(
            "Face parts to protect, such as skin,eyes; the shared codes come with them. `all` protects "
            "every code and sends nothing in the clear (the default under a key). Without a key the paper's "
            "codes are the default: skin, eyes and the shape of the brows."
        ),
        metavar="PART,...|all",
        autocompletion=one_of("all", *PARTS),
        rich_help_panel=PROTECTION,
    ),
]
PrivateCodes = Annotated[
    str | None,
    typer.Option(
        help="The same by 0-based code index, such as 0,1,4-8.",
        metavar="N,N-N,...",
        rich_help_panel=PROTECTION,
    ),
]
_NAMES = ("rotation", "modulo", "nn", "nn-encrypted", "learned", "laplace", "l2-laplace", "gaussian", "none")
_KINDS = (
    "`rotation`, `modulo`: encrypt the codes; only a key undoes it. `laplace`, `l2-laplace`, `gaussian`: "
    "add genuine noise, which nobody can remove. `nn`: the paper's trained pair, and `nn-encrypted`, "
    "`learned` after its successors: no guarantee. `none`: nothing."
)
Protection = Annotated[
    str | None,
    typer.Option(
        help=f"{_KINDS} Default: rotation with a key; nn without one, which is not recommended.",
        metavar="NAME",
        autocompletion=one_of(*_NAMES),
        rich_help_panel=PROTECTION,
    ),
]
ProtectionOfSimulation = Annotated[
    str | None,
    typer.Option(
        help=f"{_KINDS} Default: rotation, under a new key that Bob has and Eve does not.",
        metavar="NAME",
        autocompletion=one_of(*_NAMES),
        rich_help_panel=PROTECTION,
    ),
]
Mechanism = Annotated[
    str | None,
    typer.Option(
        help=(
            "Instead of --protection: genuine noise of a registered law, also one that another package adds."
        ),
        metavar="NAME",
        rich_help_panel=PROTECTION,
    ),
]
Calibration = Annotated[
    str | None,
    typer.Option(
        help=(
            "How the noise follows from epsilon: `as_published` (default of nn) or `corrected`, with which "
            "epsilon holds (default of genuine noise)."
        ),
        metavar="NAME",
        autocompletion=one_of("as_published", "corrected"),
        rich_help_panel=PROTECTION,
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        help=(
            "Laplace noise with an epsilon for each face part, instead of --epsilon and --private: "
            "skin=5,eyes=3,shared=2."
        ),
        metavar="PART=E,...",
        rich_help_panel=PROTECTION,
    ),
]
Delta = Annotated[
    float | None,
    typer.Option(
        help="Delta of --protection gaussian, 1e-5 by default.", metavar="D", rich_help_panel=PROTECTION
    ),
]
Guard = Annotated[
    float | None,
    typer.Option(
        help=(
            "Guard band of --protection modulo, as a share of the clip box from 0 to 1; 0.2, for 20 dB, by "
            "default."
        ),
        metavar="G",
        rich_help_panel=PROTECTION,
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(help="Key file that `semveil keygen` wrote.", metavar="FILE", rich_help_panel=KEY),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        help="File that holds a passphrase, instead of a key; - asks for it.",
        metavar="FILE",
        rich_help_panel=KEY,
    ),
]
Identity = Annotated[
    Path | None,
    typer.Option(
        help="Your own secret of `semveil keygen --agreement`; needs --peer.",
        metavar="FILE.secret",
        rich_help_panel=KEY,
    ),
]
Peer = Annotated[
    Path | None,
    typer.Option(
        help="The other side's public file, after you compared its fingerprint.",
        metavar="FILE.public",
        rich_help_panel=KEY,
    ),
]
Deniable = Annotated[
    bool,
    typer.Option(
        "--deniable",
        help=(
            "Leave out authentication, so that nothing proves who wrote the message. Wrong keys and "
            "tampering then go unnoticed."
        ),
        rich_help_panel=KEY,
    ),
]
DeniableMessage = Annotated[
    bool,
    typer.Option(
        "--deniable",
        help="Read a message that was sent with --deniable. Wrong keys and tampering go unnoticed.",
        rich_help_panel=KEY,
    ),
]
Train = Annotated[
    bool,
    typer.Option(
        "--train/--no-train",
        help="Train a missing pair now: it takes minutes and is kept.",
        rich_help_panel=COMPUTING,
    ),
]
Subject = Annotated[
    str | None,
    typer.Option(
        help="The person shown: the release is recorded in the ledger under a pseudonym.",
        metavar="NAME",
        rich_help_panel=PEOPLE,
    ),
]
CertificateInPng = Annotated[
    bool,
    typer.Option(
        "--certificate-in-png", help="Also write the certificate into the PNG's text.", rich_help_panel=OUTPUT
    ),
]
Perceptual = Annotated[
    str | None,
    typer.Option(
        help=(
            "Perceptual term of the inversion: `none`, `features` (of the model's encoder) or `lpips` "
            "(needs `semveil models get lpips-alex`); the model's own by default."
        ),
        metavar="NAME",
        autocompletion=one_of("none", "features", "lpips"),
        rich_help_panel=COMPUTING,
    ),
]
Pair = Annotated[
    Path | None,
    typer.Option(
        help="File of a trained pair, for --protection nn.", metavar="FILE", rich_help_panel=PROTECTION
    ),
]
SnrDb = Annotated[
    float | None,
    typer.Option(
        help="SNR of the simulated channel per complex symbol in dB, 20 by default.",
        metavar="DB",
        rich_help_panel=CHANNEL,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        help="Random seed of the simulated channel; a new one every time by default.",
        metavar="N",
        rich_help_panel=CHANNEL,
    ),
]
_CHANNELS = one_of("awgn", "clipped", "rayleigh", "rician", "ofdm", "tdl", "phase", "timing")

BobChannel = Annotated[
    str | None,
    typer.Option(
        "--channel",
        "--bob-channel",
        help=(
            "awgn (default), clipped, rayleigh, rician, ofdm, tdl, phase or timing, with settings of the "
            "channel and of the receiver (csi=perfect|ls|mmse|none, equaliser=zf|mmse, pilots=N): "
            "rayleigh:coherence=64,csi=mmse."
        ),
        metavar=CHANNEL_METAVAR,
        autocompletion=_CHANNELS,
        rich_help_panel=CHANNEL,
    ),
]
EveChannel = Annotated[
    str | None,
    typer.Option(
        "--channel",
        "--eve-channel",
        help="Eve's channel and receiver, named as in `semveil receive`.",
        metavar=CHANNEL_METAVAR,
        autocompletion=_CHANNELS,
        rich_help_panel=CHANNEL,
    ),
]
Iq = Annotated[
    bool,
    typer.Option(
        "--iq",
        help=(
            "Read MESSAGE as a SigMF recording of the radio signal. A name that ends in .sigmf, .sigmf-meta "
            "or .sigmf-data is read as one in any case; others are refused."
        ),
        rich_help_panel=CHANNEL,
    ),
]


def channel(name: str, text: str | None) -> "Link | None":
    """Parse the channel given by an option; None, which means AWGN, if it is absent.

    Args:
        name: name of the option, for errors.
        text: such as `rayleigh:coherence=64,csi=mmse`.

    Raises:
        OptionError: there is no such channel or setting.
    """
    if text is None:
        return None
    from semveil.channels import parse_link

    try:
        return parse_link(text)
    except ValueError as error:
        raise OptionError(f"{name}: {error}") from None


def check_device(name: str) -> None:
    """Check that a device is available, before the work starts.

    Args:
        name: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        DeviceError: there is no such device.
    """
    from semveil.core.device import choose_device

    choose_device(name)


def on_device(name: str) -> AbstractContextManager[None]:
    """Context in which models are loaded onto a device; the device is checked at once.

    Args:
        name: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        DeviceError: there is no such device.
    """
    from semveil.core.device import choose_device, loading_onto

    return loading_onto(choose_device(name))


def private_codes(parts: str | None, codes: str | None) -> tuple[int, ...] | None:
    """Private codes chosen by `--private` or `--private-codes`; None if both are absent.

    Args:
        parts: face parts separated by commas, or `all`.
        codes: 0-based indices and ranges, such as `0,1,4-8`.

    Raises:
        OptionError: both are given.
        ValueError: there is no such part or code.
    """
    if parts is not None and codes is not None:
        raise OptionError("give --private or --private-codes, not both")
    if parts == "all":
        return tuple(range(CODES))
    if parts is not None:
        return codes_of_parts([part.strip() for part in parts.split(",")])
    return None if codes is None else parse_codes(codes)


def check_snr(name: str, value: float | None) -> None:
    """Check an SNR given by an option.

    Args:
        name: name of the option, for errors.
        value: SNR in dB; None is accepted.

    Raises:
        OptionError: the value is not finite, or its magnitude is above `LOUDEST_DB`.
    """
    if value is not None and not (math.isfinite(value) and abs(value) <= LOUDEST_DB):
        raise OptionError(f"{name} must lie in -{LOUDEST_DB:g}..{LOUDEST_DB:g} dB, got {value}")


def check_output_file(path: Path, suffix: str | None = None, *, made: Path | None = None) -> None:
    """Check that a file can be written, before the work starts.

    Args:
        path: file to write; its folder must exist.
        suffix: required ending in lower case, such as `.png`.
        made: output folder that the command creates itself, already checked; the file may be in it.

    Raises:
        OutputError: the suffix is another one, the path is a folder, or its folder is missing or not
            writable.
    """
    if suffix and path.suffix.lower() != suffix:
        raise OutputError(f"cannot write {str(path)!r}: its name must end in {suffix}")
    if path.is_dir():
        raise OutputError(f"cannot write {str(path)!r}: it is a folder; name a file in it")
    if made is not None and path.parent.absolute() == made.absolute():
        return
    if not path.parent.is_dir():
        raise OutputError(
            f"cannot write {str(path)!r}: the folder {str(path.parent)!r} does not exist; create it first"
        )
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"cannot write {str(path)!r}: no permission to write in its folder")


def check_output_folder(path: Path) -> None:
    """Check that a folder can be written or created, before the work starts.

    Args:
        path: folder to write; its parents need not exist.

    Raises:
        OutputError: a part of the path is not a folder, or the deepest existing folder is not writable.
    """
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise OutputError(f"cannot write into {str(path)!r}: {str(there)!r} is not a folder")
    if not os.access(there, os.W_OK):
        raise OutputError(f"cannot write into {str(path)!r}: no permission to write in {str(there)!r}")
